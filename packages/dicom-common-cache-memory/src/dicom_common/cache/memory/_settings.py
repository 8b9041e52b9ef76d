"""The settings of the cache, and the one place where they are checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dicom_common.core import Limits

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The keys of `[cache]` in the configuration."""

    max_bytes: Annotated[int, Limits(1)] = 64 << 20
    """Bytes of all keys and values together, with what Python needs for each entry."""
    max_entries: Annotated[int, Limits(1)] = 100_000
    """Keys at most."""
    max_value_bytes: Annotated[int, Limits(1)] = 4 << 20
    """A larger value is not kept."""
