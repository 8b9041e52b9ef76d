"""A storage backend whose objects are in Google Cloud Storage."""

from __future__ import annotations

from dicom_common.core import Backend, Storage, hookimpl
from dicom_common.storage.gcs._client import GcsStorage
from dicom_common.storage.gcs._settings import Settings
from dicom_common.storage.object import place_of

__all__ = ["GcsStorage", "Settings", "dicom_common_storage"]


@hookimpl
def dicom_common_storage() -> Backend[Storage]:
    """Offer the storage `gcs`."""
    return Backend("gcs", Settings, GcsStorage, place=_place)


def _place(settings: Settings) -> str:
    return place_of(settings.url, settings.bucket, settings.prefix)
