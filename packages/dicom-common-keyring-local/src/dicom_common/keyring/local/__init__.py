"""A keyring in the memory of the process: key-encryption keys from a file or from the configuration."""

from __future__ import annotations

from dicom_common.core import Backend, Keyring, hookimpl
from dicom_common.keyring.local._keyring import LocalKeyring, open_keyring
from dicom_common.keyring.local._settings import KeyEntry, Settings

__all__ = ["KeyEntry", "LocalKeyring", "Settings", "dicom_common_keyring", "open_keyring"]


@hookimpl
def dicom_common_keyring() -> Backend[Keyring]:
    """Offer the keyring `local`."""
    return Backend("local", Settings, open_keyring)
