"""The extension `example`: refuses large instances, and writes down what was stored. Write your own hooks here."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dicom_common.core import BackendError, ConfigError, Instance, Origin, Stored, hookimpl


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The keys of the table `[example]`."""

    max_bytes: int = 2_000_000_000
    """The largest instance that is stored."""
    journal: Path = Path("example.journal")
    """Where the SOP Instance UIDs of stored instances are; a relative path is relative to the data folder."""

    def __post_init__(self) -> None:
        if self.max_bytes <= 0:
            raise ConfigError("example.max_bytes must be above 0: write the largest number of bytes.")


class ExampleExtension:
    """The hooks. Several threads call them at once, and the host stops waiting for one that takes too long."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()

    @hookimpl
    def dicom_common_accept(self, tenant: str, instance: Instance, origin: Origin) -> str | None:
        """Return why an instance is refused, or None. The sender sees the reason: no value of the data set is in it."""
        del tenant, origin
        return "too large" if instance.size > self._settings.max_bytes else None

    @hookimpl
    def dicom_common_stored(self, instances: Sequence[Stored]) -> None:
        """Write down what was stored. An instance may come twice."""
        try:
            with self._lock, self._settings.journal.open("a", encoding="utf-8") as file:
                file.writelines(f"{instance.sop_uid}\n" for instance in instances)
        except OSError as error:
            raise BackendError(f"{self._settings.journal} cannot be written: correct example.journal.") from error

    def close(self) -> None:
        """Release nothing: the journal is opened for each batch."""
