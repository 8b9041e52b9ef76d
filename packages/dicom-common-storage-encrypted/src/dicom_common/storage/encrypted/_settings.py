"""The settings of the storage, and the one place where they are checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dicom_common.core import ConfigError, Secret

__all__ = ["KeyEntry", "Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """A key-encryption key of the built-in keyrings: one of `keys` in the configuration, or of a keyring file."""

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
    """The keys of `[storage]` in the configuration.

    Raises:
        ConfigError: they contradict each other.
    """

    storage: str
    """The storage that holds the encrypted objects: NAME of `[storages.NAME]`, or `storage`."""
    keyring: str = "file"
    """`file`: `keyring_file`; `settings`: `keys`; any other: a plugin of that name, such as one for a KMS."""
    keyring_file: Path = Path("keyring.toml")
    """The key-encryption keys, for `keyring = "file"`. Nobody but its owner may have permissions on it."""
    keys: tuple[KeyEntry, ...] = ()
    """The key-encryption keys, for `keyring = "settings"`; each `key` is best `{ env = "NAME" }`."""
    keyring_options: dict[str, str] = field(default_factory=dict)
    """What a keyring plugin is given. No secrets: a KMS's client has its own places for them."""
    tenant: str = ""
    """The tenant of all objects; empty: the first segment of each key, as all layouts of the pipeline have it."""
    key_seconds: float = 300.0
    """How long a tenant's key is kept in memory before the keyring is asked again."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if bool(self.keys) != (self.keyring == "settings"):
            raise ConfigError('keys of the encrypted storage belong to keyring = "settings", which needs at least one')
        if not 0 <= self.key_seconds <= 86_400:
            raise ConfigError("key_seconds of the encrypted storage has to be 0 to 86400 seconds")
        if "/" in self.tenant:
            raise ConfigError("tenant of the encrypted storage has to be one word without /")
