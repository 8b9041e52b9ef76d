"""The settings of the storage, and the one place where they are checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dicom_common.core import ConfigError, Limits

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The keys of `[storage]` in the configuration.

    Raises:
        ConfigError: one cannot be.
    """

    storage: str
    """The storage that holds the encrypted objects: NAME of `[storages.NAME]`, or `storage`."""
    tenant: str = ""
    """The tenant of all objects; empty: the first segment of each key, as all layouts of the pipeline have it."""
    key_seconds: Annotated[float, Limits(0, 86_400)] = 300.0
    """How long a tenant's key is kept in memory before the keyring is asked again."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if "/" in self.tenant:
            raise ConfigError("tenant of the encrypted storage has to be one word without /")
