"""What a browser shows: a page of our own, and a viewer that the configuration names."""

from dicom_common.web._page._page import PAGE
from dicom_common.web._page._viewer import require_viewer, viewer_endpoints

__all__ = ["PAGE", "require_viewer", "viewer_endpoints"]
