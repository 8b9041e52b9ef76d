"""What an interrupted reconciliation goes on from: a small SQLite file in the data folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dicom_common.core import BackendError, UnavailableError
from dicom_common.pipeline._reconcile._examine import Orphan
from dicom_common.toolkit import make_private_file, make_private_folder

__all__ = ["Journal", "Note"]

_VERSION = "2"
_PAGE = "SELECT key, modified, size FROM orphan WHERE (modified, key) > (?, ?) ORDER BY modified, key LIMIT 1000"
_MAX_AGE = timedelta(days=1)

Note = tuple[str, str, str, str]
"""A difference that was dealt with: kind, key, action, detail."""


class Journal:
    """How far the comparison came, the orphans that it found, and what was dealt with. Belongs to one process.

    The orphans are kept here also because they have to be sorted by age: a rebuilt index must see the instances in the
    order in which they came, and there may be millions. What was dealt with is kept so that a run that goes on tells
    it again: the report of the last run is complete.

    Raises:
        UnavailableError: another process has it.
        BackendError: the file cannot be used.
    """

    def __init__(self, file: Path, *, options: str, restart: bool) -> None:
        self._file = file
        try:
            make_private_folder(file.parent)
            make_private_file(file)
            self._database = sqlite3.connect(file, isolation_level=None, timeout=0)
            self._open(options, restart=restart)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise UnavailableError("Another reconciliation is running on this data: wait for its end.") from error
            raise self._broken(error) from error
        except (OSError, sqlite3.Error) as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> BackendError:
        return BackendError(f"The journal {self._file} cannot be used: {error}. Delete it and try again.")

    def _open(self, options: str, *, restart: bool) -> None:
        self._database.execute("PRAGMA synchronous = OFF")  # losing it costs time, nothing else
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")  # held until it is closed, or the process dies
        with self._database:
            self._database.execute("BEGIN EXCLUSIVE")
            if restart or self._is_outdated(options):
                self._begin_anew(options)

    def _is_outdated(self, options: str) -> bool:
        try:
            row = self._database.execute("SELECT version, options, begun FROM run").fetchone()
        except sqlite3.OperationalError:  # there is no such table
            return True
        if row is None or row[:2] != (_VERSION, options):
            return True
        return datetime.now(UTC) - datetime.fromisoformat(row[2]) > _MAX_AGE

    def _begin_anew(self, options: str) -> None:
        for table, columns in (
            ("run", "version TEXT, options TEXT, begun TEXT, after TEXT"),
            ("orphan", "key TEXT PRIMARY KEY, modified TEXT, size INTEGER"),
            ("note", "kind TEXT, key TEXT, action TEXT, detail TEXT"),
        ):
            self._database.execute(f"DROP TABLE IF EXISTS {table}")
            self._database.execute(f"CREATE TABLE {table} ({columns})")
        self._database.execute("CREATE INDEX orphan_by_age ON orphan (modified, key)")
        now = datetime.now(UTC).isoformat()
        self._database.execute("INSERT INTO run VALUES (?, ?, ?, '')", (_VERSION, options, now))

    @property
    def after(self) -> str:
        """The last key that is compared."""
        (after,) = self._database.execute("SELECT after FROM run").fetchone()
        return str(after)

    def notes(self) -> list[Note]:
        """Return what runs before this one have dealt with."""
        return self._database.execute("SELECT kind, key, action, detail FROM note ORDER BY rowid").fetchall()

    def advance(self, after: str, orphans: Iterable[Orphan], notes: Iterable[Note]) -> None:
        """Note that everything up to a key is compared, and what came of it."""
        with self._database:
            self._database.execute("BEGIN")
            rows = [(key, _moment(modified), size) for key, modified, size in orphans]
            self._database.executemany("INSERT OR REPLACE INTO orphan VALUES (?, ?, ?)", rows)
            self._database.executemany("INSERT INTO note VALUES (?, ?, ?, ?)", notes)
            self._database.execute("UPDATE run SET after = ?", (after,))

    def settle(self, orphans: Iterable[Orphan], notes: Iterable[Note]) -> None:
        """Note that orphans are dealt with, and what came of it."""
        with self._database:
            self._database.execute("BEGIN")
            self._database.executemany("DELETE FROM orphan WHERE key = ?", [(key,) for key, _, _ in orphans])
            self._database.executemany("INSERT INTO note VALUES (?, ?, ?, ?)", notes)

    def orphans(self) -> Iterator[Orphan]:
        """Iterate over the orphans that are not dealt with, the oldest first. They may be settled meanwhile."""
        # Page by page: a cursor that is left open by whoever stops here would keep the file locked.
        modified = key = ""
        while page := self._database.execute(_PAGE, (modified, key)).fetchall():
            for key, modified, size in page:
                yield key, datetime.fromisoformat(modified), size

    def count(self) -> int:
        """Count the orphans that are not dealt with."""
        (count,) = self._database.execute("SELECT count(*) FROM orphan").fetchone()
        return int(count)

    def finish(self) -> None:
        """Forget everything: the reconciliation is complete."""
        self._file.unlink(missing_ok=True)
        self._database.close()

    def close(self) -> None:
        """Keep everything for the next run."""
        self._database.close()


def _moment(value: datetime) -> str:
    """Write a moment so that the order of the texts is that of the moments."""
    return value.astimezone(UTC).isoformat(timespec="microseconds")
