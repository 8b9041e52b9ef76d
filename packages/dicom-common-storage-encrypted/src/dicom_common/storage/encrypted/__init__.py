"""A storage backend that encrypts what another storage holds: a data key for each object, keys of each tenant."""

from __future__ import annotations

from dicom_common.core import Backend, Storage, hookimpl, storage_table
from dicom_common.storage.encrypted._settings import Settings
from dicom_common.storage.encrypted._storage import EncryptedStorage, open_over, open_storage

__all__ = [
    "EncryptedStorage",
    "Settings",
    "dicom_common_storage",
    "open_over",
    "open_storage",
]


@hookimpl
def dicom_common_storage() -> Backend[Storage]:
    """Offer the storage `encrypted`."""
    return Backend("encrypted", Settings, open_storage, built_on=_tables)


def _tables(settings: Settings) -> tuple[str, str]:
    return storage_table(settings.storage), "keyring"
