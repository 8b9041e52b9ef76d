"""What an interrupted reconciliation goes on from: a small SQLite file in the data folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dicom_common.core import BackendError
from dicom_common.pipeline._examine import Orphan

__all__ = ["Journal"]

_VERSION = 1
_MAX_AGE = timedelta(days=1)


class Journal:
    """How far the comparison came, and the orphans that it found. Belongs to one process.

    The orphans are kept here also because they have to be sorted by age: a rebuilt index must see the instances in the
    order in which they came, and there may be millions.
    """

    def __init__(self, file: Path, *, options: str, restart: bool) -> None:
        self._file = file
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            if restart:
                file.unlink(missing_ok=True)
            self._database = sqlite3.connect(file, isolation_level=None)
            self._database.execute("PRAGMA synchronous = OFF")  # losing it costs time, nothing else
            if self._outdated(options):
                self._database.close()
                file.unlink()
                self._database = sqlite3.connect(file, isolation_level=None)
                self._create(options)
        except (OSError, sqlite3.Error) as error:
            raise BackendError(f"The journal {file} cannot be used: {error}. Delete it and try again.") from error

    def _outdated(self, options: str) -> bool:
        try:
            row = self._database.execute("SELECT version, options, begun FROM run").fetchone()
        except sqlite3.DatabaseError:
            return True
        if row is None or row[:2] != (_VERSION, options):
            return True
        return datetime.now(UTC) - datetime.fromisoformat(row[2]) > _MAX_AGE

    def _create(self, options: str) -> None:
        self._database.executescript(
            "CREATE TABLE run (version INTEGER, options TEXT, begun TEXT, after TEXT);"
            "CREATE TABLE orphan (key TEXT PRIMARY KEY, modified TEXT, size INTEGER) WITHOUT ROWID;"
        )
        now = datetime.now(UTC).isoformat()
        self._database.execute("INSERT INTO run VALUES (?, ?, ?, '')", (_VERSION, options, now))

    @property
    def after(self) -> str:
        """The last key that is dealt with."""
        (after,) = self._database.execute("SELECT after FROM run").fetchone()
        return str(after)

    def advance(self, after: str, orphans: Iterable[Orphan]) -> None:
        """Note that everything up to a key is dealt with, but for these orphans."""
        with self._database:
            self._database.execute("BEGIN")
            rows = [(key, modified.astimezone(UTC).isoformat(), size) for key, modified, size in orphans]
            self._database.executemany("INSERT OR REPLACE INTO orphan VALUES (?, ?, ?)", rows)
            self._database.execute("UPDATE run SET after = ?", (after,))

    def orphans(self) -> Iterator[Orphan]:
        """Iterate over the orphans, the oldest first."""
        with closing(self._database.execute("SELECT key, modified, size FROM orphan ORDER BY modified, key")) as rows:
            for key, modified, size in rows:
                yield key, datetime.fromisoformat(modified), size

    def count(self) -> int:
        """Count the orphans."""
        (count,) = self._database.execute("SELECT count(*) FROM orphan").fetchone()
        return int(count)

    def finish(self) -> None:
        """Forget everything: the reconciliation is complete."""
        self._database.close()
        self._file.unlink(missing_ok=True)

    def close(self) -> None:
        """Keep everything for the next run."""
        self._database.close()
