"""The settings of the keyring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dicom_common.core import Secret

__all__ = ["KeyEntry", "Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """A key-encryption key: one of `keys` in the configuration, or of the keyring file."""

    id: str
    """Its name, which stands beside all that it wraps: never use one again for another key."""
    key: Secret
    """32 random bytes in base64, such as `openssl rand -base64 32` prints."""
    tenant: str = ""
    """The tenant that it is for; empty: all that have none of their own."""
    active: bool = False
    """Whether new keys of the tenant are wrapped with it. The others are for what they wrapped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The keys of `[keyring]` in the configuration."""

    file: Path = Path("keyring.toml")
    """The file of key-encryption keys. Only its owner may have permissions on it. Not read where `keys` are given."""
    keys: tuple[KeyEntry, ...] = ()
    """Key-encryption keys in place of the file: tables of `id`, `key` (best `{ env = "NAME" }`), `tenant`, `active`."""
