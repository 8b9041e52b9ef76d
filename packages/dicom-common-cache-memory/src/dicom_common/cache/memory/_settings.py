"""The settings of the cache, and the one place where they are checked."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_common.core import ConfigError

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The keys of `[cache]` in the configuration.

    Raises:
        ConfigError: a limit is not above 0.
    """

    max_bytes: int = 64 << 20
    """Bytes of all keys and values together, with what Python needs for each entry."""
    max_entries: int = 100_000
    max_value_bytes: int = 4 << 20
    """A larger value is not kept."""

    def __post_init__(self) -> None:
        """Refuse limits with which nothing could be kept."""
        for name in ("max_bytes", "max_entries", "max_value_bytes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"The setting {name} of the memory cache is {getattr(self, name)}: give 1 or more.")
