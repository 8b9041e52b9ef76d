"""The settings that all object stores share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from dicom_common.core import ConfigError, Limits, validate_key
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
    """Put before every key: `images` keeps all objects below `images/`. It counts towards the longest key."""
    multipart_threshold: Annotated[int, Limits(0)] = 8 * MIB
    """In bytes. A larger object is sent in parts."""
    part_size: Annotated[int, Limits(5 * MIB)] = 8 * MIB
    """In bytes. It grows by itself where an object would have more parts than the store takes."""
    parallel_parts: Annotated[int, Limits(1)] = 4
    """How many parts are sent at once, by all writes together; one more is held in memory."""
    pool_size: Annotated[int, Limits(1)] = 32
    """How many connections are kept, and how many objects of a batch are in flight at once."""
    connect_timeout: Annotated[float, Limits(above=0)] = 5.0
    """In seconds."""
    read_timeout: Annotated[float, Limits(above=0)] = 30.0
    """In seconds, without a byte from the store."""
    attempts: Annotated[int, Limits(1)] = 8
    """How often a request is made at most while the store is unavailable."""
    deadline: Annotated[float, Limits(above=0)] = 60.0
    """In seconds: when no further attempt is made."""
    tls: Tls = field(default_factory=Tls)
    """`mode` (`auto`: TLS towards every other machine; `on`; `off`), `ca`, `certificate` and `key`, as PEM."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.prefix:
            try:
                validate_key(self.prefix.removesuffix("/"))
            except ValueError as error:
                raise ConfigError(f"The setting prefix of the storage cannot begin a key: {error}.") from None
