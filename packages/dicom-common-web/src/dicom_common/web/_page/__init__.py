"""What a browser shows: a page of our own, and a viewer that the configuration names."""

from dicom_common.web._page._page import PAGE
from dicom_common.web._page._viewer import VIEWER_PATH, require_viewer, viewer_endpoints

__all__ = ["PAGE", "VIEWER_PATH", "require_viewer", "viewer_endpoints"]
