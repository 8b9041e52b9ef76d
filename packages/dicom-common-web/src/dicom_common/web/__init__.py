"""DICOMweb (PS3.18) over any combination of backends: STOW-RS, QIDO-RS, WADO-RS, WADO-URI, and a page of studies.

`create_app(services)` makes an ASGI application, which `dicom-common serve` serves.
"""

from dicom_common.web._app import create_app
from dicom_common.web._settings import LinkSettings, WebSettings

__all__ = ["LinkSettings", "WebSettings", "create_app"]
