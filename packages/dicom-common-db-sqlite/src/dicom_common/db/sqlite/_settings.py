"""The settings of the table [db] for SQLite."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from dicom_common.core import Limits

__all__ = ["Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the index is, and how it is kept."""

    path: Path = Path("index.sqlite")
    """The file, on a local disk: SQLite's locks do not work on network file systems."""
    busy_timeout: Annotated[float, Limits(above=0, most=3600)] = 60.0
    """Seconds that a writer waits for the writers of other processes."""
    synchronous: Literal["full", "normal"] = "full"
    """`full`: what was acknowledged survives a power cut. `normal`: it survives a crash of the process only."""
    cache_mb: Annotated[int, Limits(1, 65536)] = 64
    """Megabytes of the file that each connection may keep in memory."""
    migrate: Literal["on-open", "never"] = "on-open"
    """Whether an empty or older file gets the present schema when it is opened, or by `dicom-common migrate` only."""
