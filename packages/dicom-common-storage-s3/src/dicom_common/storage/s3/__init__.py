"""A storage backend whose objects are in Amazon S3, or in a store that speaks its protocol."""

from __future__ import annotations

from dicom_common.core import Backend, Storage, hookimpl
from dicom_common.storage.s3._settings import Settings
from dicom_common.storage.s3._storage import S3Storage

__all__ = ["S3Storage", "Settings", "dicom_common_storage"]


@hookimpl
def dicom_common_storage() -> Backend[Storage]:
    """Offer the storage `s3`."""
    return Backend("s3", Settings, S3Storage)
