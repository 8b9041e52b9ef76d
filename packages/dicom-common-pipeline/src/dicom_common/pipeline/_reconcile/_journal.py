"""What an interrupted reconciliation goes on from: a small SQLite file in the data folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dicom_common.pipeline._journal_file import open_journal
from dicom_common.pipeline._reconcile._read_orphans import Orphan

__all__ = ["Journal", "Note"]

_VERSION = "2"
_PAGE = "SELECT key, modified, size FROM orphan WHERE (modified, key) > (?, ?) ORDER BY modified, key LIMIT 1000"
_MAX_AGE = timedelta(days=1)

Note = tuple[str, str, str, str]
"""A difference, and what was done about it: kind, key, action, detail."""


class Journal:
    """How far the comparison came, the orphans that it found, and what was done. Belongs to one process.

    The orphans are kept here also because they have to be sorted by age: a rebuilt index must see the instances in the
    order in which they came, and there may be millions. What was done is kept so that the report of a run that
    goes on is complete.

    Raises:
        UnavailableError: another process has it.
        BackendError: the file cannot be used.
    """

    def __init__(self, file: Path, *, options: str, restart: bool) -> None:
        def prepare(database: sqlite3.Connection) -> None:
            if restart or _is_outdated(database, options):
                _begin_anew(database, options)

        self._file = file
        busy = "Another reconciliation is running on this data: wait for its end."
        self._database = open_journal(file, prepare, busy=busy)

    @property
    def after(self) -> str:
        """The last key that is compared."""
        (after,) = self._database.execute("SELECT after FROM run").fetchone()
        return str(after)

    def notes(self) -> list[Note]:
        """Return the differences of the runs before this one."""
        return self._database.execute("SELECT kind, key, action, detail FROM note ORDER BY rowid").fetchall()

    def advance(self, after: str, orphans: Iterable[Orphan], notes: Iterable[Note]) -> None:
        """Note that everything up to a key is compared, and the differences."""
        with self._database:
            self._database.execute("BEGIN")
            rows = [(key, _moment(modified), size) for key, modified, size in orphans]
            self._database.executemany("INSERT OR REPLACE INTO orphan VALUES (?, ?, ?)", rows)
            self._database.executemany("INSERT INTO note VALUES (?, ?, ?, ?)", notes)
            self._database.execute("UPDATE run SET after = ?", (after,))

    def settle(self, orphans: Iterable[Orphan], notes: Iterable[Note]) -> None:
        """Note that orphans are done, and the differences."""
        with self._database:
            self._database.execute("BEGIN")
            self._database.executemany("DELETE FROM orphan WHERE key = ?", [(key,) for key, _, _ in orphans])
            self._database.executemany("INSERT INTO note VALUES (?, ?, ?, ?)", notes)

    def orphans(self) -> Iterator[Orphan]:
        """Iterate over the orphans that are left, the oldest first. They may be settled meanwhile."""
        # Page by page: a cursor that is left open by a caller that stops here would keep the file locked.
        modified = key = ""
        while page := self._database.execute(_PAGE, (modified, key)).fetchall():
            for key, modified, size in page:
                yield key, datetime.fromisoformat(modified), size

    def count(self) -> int:
        """Count the orphans that are left."""
        (count,) = self._database.execute("SELECT count(*) FROM orphan").fetchone()
        return int(count)

    def finish(self) -> None:
        """Forget everything: the reconciliation is complete."""
        self._file.unlink(missing_ok=True)
        self._database.close()

    def close(self) -> None:
        """Keep everything for the next run."""
        self._database.close()


def _is_outdated(database: sqlite3.Connection, options: str) -> bool:
    try:
        row = database.execute("SELECT version, options, begun FROM run").fetchone()
    except sqlite3.OperationalError:  # it has no such table
        return True
    if row is None or row[:2] != (_VERSION, options):
        return True
    return datetime.now(UTC) - datetime.fromisoformat(row[2]) > _MAX_AGE


def _begin_anew(database: sqlite3.Connection, options: str) -> None:
    for table, columns in (
        ("run", "version TEXT, options TEXT, begun TEXT, after TEXT"),
        ("orphan", "key TEXT PRIMARY KEY, modified TEXT, size INTEGER"),
        ("note", "kind TEXT, key TEXT, action TEXT, detail TEXT"),
    ):
        database.execute(f"DROP TABLE IF EXISTS {table}")
        database.execute(f"CREATE TABLE {table} ({columns})")
    database.execute("CREATE INDEX orphan_by_age ON orphan (modified, key)")
    now = datetime.now(UTC).isoformat()
    database.execute("INSERT INTO run VALUES (?, ?, ?, '')", (_VERSION, options, now))


def _moment(value: datetime) -> str:
    """Write a moment so that the order of the texts is that of the moments."""
    return value.astimezone(UTC).isoformat(timespec="microseconds")
