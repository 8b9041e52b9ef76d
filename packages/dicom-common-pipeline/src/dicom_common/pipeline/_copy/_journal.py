"""What a copy has verified: a small SQLite file in the data folder, for each pair of storages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dicom_common.core import ObjectInfo
from dicom_common.pipeline._journal_file import journal_table, open_journal

__all__ = ["CopyJournal", "Verified"]

_TABLE = journal_table(
    "verified", "key TEXT PRIMARY KEY, size INTEGER, sha256 TEXT, source REAL, target REAL", version=1
)
_SAME_MOMENT = 1.0
"""Seconds. Stores give the time of an object to the millisecond in one answer, and to the second in another."""
_UNWRITTEN = 200


@dataclass(frozen=True, slots=True)
class Verified:
    """An object whose bytes were the same at both sides, and when each was written."""

    key: str
    size: int
    sha256: str
    source_modified: float
    target_modified: float

    @classmethod
    def of(cls, source: ObjectInfo, target: ObjectInfo, sha256: str) -> Verified:
        """Note what was found."""
        return cls(source.key, target.size, sha256, source.modified.timestamp(), target.modified.timestamp())

    def is_target(self, target: ObjectInfo) -> bool:
        """Tell whether the target's object is still the one that was verified."""
        return self.size == target.size and _same(self.target_modified, target.modified)

    def is_source(self, source: ObjectInfo) -> bool:
        """Tell whether the source's object is still the one that was verified."""
        return self.size == source.size and _same(self.source_modified, source.modified)


class CopyJournal:
    """The objects that are known to be the same at both sides, so that another run need not read or ask again.

    What it says counts only while size and time of both objects are those that were noted. So it may be lost, or be of
    another bucket, at no more than the cost of looking again. Belongs to one thread, and
    to one process at a time.

    Raises:
        UnavailableError: another process has it.
        BackendError: the file cannot be used.
    """

    def __init__(self, file: Path) -> None:
        self._unwritten: list[Verified] = []
        self._database = open_journal(
            file, _TABLE, busy="Another copy between these two storages is running on this data: wait for its end."
        )

    def known(self, keys: Sequence[str]) -> dict[str, Verified]:
        """Look keys up; those of which nothing is known are absent. At most some hundred at once."""
        self.flush()
        marks = ", ".join("?" * len(keys))
        rows = self._database.execute(f"SELECT * FROM verified WHERE key IN ({marks})", keys)  # noqa: S608 - only marks
        return {row[0]: Verified(*row) for row in rows}

    def note(self, verified: Verified) -> None:
        """Note an object, which is written a little later."""
        self._unwritten.append(verified)
        if len(self._unwritten) >= _UNWRITTEN:
            self.flush()

    def flush(self) -> None:
        """Write what was noted."""
        rows = [(v.key, v.size, v.sha256, v.source_modified, v.target_modified) for v in self._unwritten]
        with self._database:
            self._database.execute("BEGIN")
            self._database.executemany("INSERT OR REPLACE INTO verified VALUES (?, ?, ?, ?, ?)", rows)
        self._unwritten.clear()

    def close(self) -> None:
        """Write what was noted, and let others have it. A second call does nothing."""
        try:
            if self._unwritten:
                self.flush()
        finally:
            self._database.close()


def _same(noted: float, found: datetime) -> bool:
    return abs(noted - found.astimezone(UTC).timestamp()) <= _SAME_MOMENT
