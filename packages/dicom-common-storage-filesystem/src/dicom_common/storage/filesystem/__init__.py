"""A storage backend whose objects are files: atomic, durable, and closed to symbolic links."""

from __future__ import annotations

from dicom_common.core import Backend, Storage, hookimpl
from dicom_common.storage.filesystem._settings import Settings
from dicom_common.storage.filesystem._storage import FilesystemStorage

__all__ = ["FilesystemStorage", "Settings", "dicom_common_storage"]


@hookimpl
def dicom_common_storage() -> Backend[Storage]:
    """Offer the storage `filesystem`."""
    return Backend("filesystem", Settings, FilesystemStorage, place=lambda settings: settings.root.resolve().as_uri())
