"""DIMSE (PS3.4, PS3.7, PS3.8) over any combination of backends: C-ECHO, C-STORE, C-FIND, C-MOVE, C-GET, commitment.

`create_ae(services)` makes an application entity, which `dicom-common scp` serves.
"""

from dicom_common.dimse._ae import ApplicationEntity, create_ae
from dicom_common.dimse._service_settings import CommitmentSettings, FindSettings, RetrieveSettings
from dicom_common.dimse._settings import DimseSettings, PeerSettings

__all__ = [
    "ApplicationEntity",
    "CommitmentSettings",
    "DimseSettings",
    "FindSettings",
    "PeerSettings",
    "RetrieveSettings",
    "create_ae",
]
