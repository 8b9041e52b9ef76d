"""A storage backend whose objects are in Amazon S3, or in a store that speaks its protocol."""

from __future__ import annotations

from dicom_common.core import Backend, Storage, hookimpl
from dicom_common.storage.object import place_of
from dicom_common.storage.s3._client import S3Storage
from dicom_common.storage.s3._settings import Settings

__all__ = ["S3Storage", "Settings", "dicom_common_storage"]


@hookimpl
def dicom_common_storage() -> Backend[Storage]:
    """Offer the storage `s3`."""
    return Backend("s3", Settings, S3Storage, place=_place)


def _place(settings: Settings) -> str:
    return place_of(settings.url, settings.bucket, settings.prefix)
