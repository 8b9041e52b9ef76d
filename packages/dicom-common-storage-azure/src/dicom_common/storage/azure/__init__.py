"""A storage backend whose objects are in Azure Blob Storage."""

from __future__ import annotations

from dicom_common.core import Backend, Storage, hookimpl
from dicom_common.storage.azure._client import AzureStorage
from dicom_common.storage.azure._settings import Settings
from dicom_common.storage.object import place_of

__all__ = ["AzureStorage", "Settings", "dicom_common_storage"]


@hookimpl
def dicom_common_storage() -> Backend[Storage]:
    """Offer the storage `azure`."""
    return Backend("azure", Settings, AzureStorage, place=_place)


def _place(settings: Settings) -> str:
    return place_of(settings.place, settings.container, settings.prefix)
