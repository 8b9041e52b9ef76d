"""A storage for dicom-common on a WebDAV server."""

from __future__ import annotations

from acme_webdav._settings import Settings
from acme_webdav._storage import WebDavStorage
from dicom_common.core import Backend, Storage, hookimpl

__all__ = ["Settings", "WebDavStorage", "dicom_common_storage"]


@hookimpl
def dicom_common_storage() -> Backend[Storage]:
    """Offer the storage `webdav`."""
    return Backend("webdav", Settings, WebDavStorage)
