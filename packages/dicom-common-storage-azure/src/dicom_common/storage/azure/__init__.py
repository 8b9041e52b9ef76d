"""A storage backend whose objects are in Azure Blob Storage."""

from __future__ import annotations

from dicom_common.core import Backend, Storage, hookimpl
from dicom_common.storage.azure._settings import Settings
from dicom_common.storage.azure._storage import AzureStorage

__all__ = ["AzureStorage", "Settings", "dicom_common_storage"]


@hookimpl
def dicom_common_storage() -> Backend[Storage]:
    """Offer the storage `azure`."""
    return Backend("azure", Settings, AzureStorage)
