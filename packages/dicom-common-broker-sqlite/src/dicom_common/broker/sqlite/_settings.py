"""The settings of the broker, and the one place where they are checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from dicom_common.core import ConfigError, Limits

__all__ = ["MAX_LEASE", "Settings"]

MAX_LEASE = 3600.0
"""Seconds. A lease that ends later than this from now on was written before the clock was set back: it is void."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The keys of `[broker]` in the configuration.

    Raises:
        ConfigError: a value is out of its range.
    """

    path: Path = Path("events.sqlite")
    """The file; made where it is missing. A relative path is below the data folder. On a disk of this machine: SQLite's
    locks and its shared memory do not work over a network."""
    partitions: Annotated[int, Limits(1, 1024)] = 8
    """How many partitions a new topic gets: so many members of a group can work side by side."""
    lease: Annotated[float, Limits(1, MAX_LEASE)] = 30.0
    """Seconds after which a member of a group that gives no sign of life loses what it was working on. It
    gives one with each `receive` and `acknowledge`; the work on one batch must take less."""
    keep_days: Annotated[float, Limits(0, 36_500)] = 7.0
    """Days for which a message is kept. One that a known group has not acknowledged is kept longer."""
    drop_unacknowledged_days: Annotated[float | None, Limits(0, 36_500)] = None
    """Days after which a message is dropped though a group has not acknowledged it; none: never."""
    max_message_bytes: Annotated[int, Limits(1, 900_000_000)] = 67_108_864
    """Bytes of the largest body that is taken."""
    timeout: Annotated[float, Limits(0.1, 600)] = 10.0
    """Seconds to wait for other processes that are writing."""

    def __post_init__(self) -> None:
        """Refuse values that contradict each other."""
        if self.drop_unacknowledged_days is not None and self.drop_unacknowledged_days < self.keep_days:
            raise ConfigError(
                "The setting drop_unacknowledged_days of the sqlite broker is less than keep_days: raise it."
            )
