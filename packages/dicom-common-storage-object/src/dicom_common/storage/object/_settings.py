"""The settings that all object stores share."""

from __future__ import annotations

from dataclasses import dataclass, field

from dicom_common.core import ConfigError, validate_key
from dicom_common.core.tls import Tls

__all__ = ["ObjectSettings"]

MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ObjectSettings:
    """The keys that `[storage]` has for every object store; a backend's own settings inherit from it.

    Raises:
        ConfigError: a value cannot work.
    """

    prefix: str = ""
    """Put before every key: `images` keeps all objects below `images/`. It counts towards the store's longest key."""
    multipart_threshold: int = 8 * MIB
    """In bytes. A larger object is sent in parts."""
    part_size: int = 8 * MIB
    """In bytes, at least 5 MiB. Grows by itself where an object would have more parts than the store takes."""
    parallel_parts: int = 4
    """How many parts are sent at once, by all writes together; one more is held in memory."""
    pool_size: int = 32
    """How many connections are kept, and how many objects of a batch are in flight at once."""
    connect_timeout: float = 5.0
    """In seconds."""
    read_timeout: float = 30.0
    """In seconds, without a byte from the store."""
    attempts: int = 8
    """How often a request is made at most while the store is unavailable."""
    deadline: float = 60.0
    """In seconds: when no further attempt is made."""
    tls: Tls = field(default_factory=Tls)
    """The table `[storage.tls]`."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.prefix:
            try:
                validate_key(self.prefix.removesuffix("/"))
            except ValueError as error:
                raise ConfigError(f"The setting prefix of the storage cannot begin a key: {error}.") from None
        least = {
            "multipart_threshold": 0,
            "part_size": 5 * MIB,
            "parallel_parts": 1,
            "pool_size": 1,
            "attempts": 1,
        }
        for name, lowest in least.items():
            if getattr(self, name) < lowest:
                raise ConfigError(f"The setting {name} of the storage has to be at least {lowest}.")
        for name in ("connect_timeout", "read_timeout", "deadline"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"The setting {name} of the storage has to be more than 0 seconds.")
