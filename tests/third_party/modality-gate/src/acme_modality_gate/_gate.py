"""The settings, and the hooks."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from dicom_common.core import BackendError, Instance, Origin, Stored, hookimpl

__all__ = ["ModalityGate", "Settings", "counts"]

_TABLE = "CREATE TABLE IF NOT EXISTS counts (tenant, sop_class, stored INTEGER, PRIMARY KEY (tenant, sop_class))"
_ADD = "INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET stored = stored + excluded.stored"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The keys of the table `[modality-gate]`."""

    modalities: tuple[str, ...] = ()
    """Those that may be stored; none: all."""
    counts: Path = Path("modality-gate.sqlite")
    """The file of the counts. A relative path is below the data folder."""


class ModalityGate:
    """The hooks. The host calls them from several threads, and gives up one that takes too long."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @hookimpl
    def dicom_common_accept(self, instance: Instance, origin: Origin) -> str | None:
        """Refuse other modalities. The reason names none: it would be a value of the data set."""
        del origin
        if not self._settings.modalities or instance.modality in self._settings.modalities:
            return None
        return "its modality is not one that this archive takes"

    @hookimpl
    def dicom_common_stored(self, instances: Sequence[Stored]) -> None:
        """Count what was stored, by SOP Class."""
        found = Counter((one.tenant, one.sop_class_uid) for one in instances)
        try:
            with closing(sqlite3.connect(self._settings.counts, timeout=3)) as connection, connection:
                connection.execute(_TABLE)
                connection.executemany(_ADD, [(*key, number) for key, number in found.items()])
        except sqlite3.Error as error:
            raise BackendError(f"The counts {self._settings.counts} cannot be written: {error}.") from error

    def close(self) -> None:
        """Release nothing: the file is opened for each batch."""


def counts(settings: Settings) -> list[tuple[str, str, int]]:
    """Return tenants, SOP Classes and how many instances of each were stored."""
    with closing(sqlite3.connect(settings.counts, timeout=3)) as connection, connection:
        connection.execute(_TABLE)
        return connection.execute("SELECT tenant, sop_class, stored FROM counts ORDER BY 1, 2").fetchall()
