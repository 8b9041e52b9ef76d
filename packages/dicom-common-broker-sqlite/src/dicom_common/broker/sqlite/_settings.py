"""The settings of the broker, and the one place where they are checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dicom_common.core import ConfigError

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
    partitions: int = 8
    """How many partitions a new topic gets, 1 to 1024: so many members of a group can work side by side."""
    lease: float = 30.0
    """Seconds, 1 to 3600, after which a member of a group that gives no sign of life loses what it was working on. It
    gives one with each `receive` and `acknowledge`; the work on one batch must take less."""
    keep_days: float = 7.0
    """Days for which a message is kept. One that a known group has not acknowledged is kept longer."""
    drop_unacknowledged_days: float | None = None
    """Days after which a message is dropped though a group has not acknowledged it; None: never."""
    max_message_bytes: int = 67_108_864
    """Bytes of the largest body that is taken, 1 to 900 million."""
    timeout: float = 10.0
    """Seconds to wait for other processes that are writing."""

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        for name, value, least, most in (
            ("partitions", self.partitions, 1, 1024),
            ("lease", self.lease, 1, MAX_LEASE),
            ("keep_days", self.keep_days, 0, 36_500),
            ("max_message_bytes", self.max_message_bytes, 1, 900_000_000),
            ("timeout", self.timeout, 0.1, 600),
            ("drop_unacknowledged_days", self.drop_unacknowledged_days, self.keep_days, 36_500),
        ):
            if value is not None and not least <= value <= most:
                raise ConfigError(f"The setting {name} of the sqlite broker is {value}: give {least} to {most}.")
