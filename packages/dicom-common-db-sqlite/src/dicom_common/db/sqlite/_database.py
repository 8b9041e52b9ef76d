"""The index in an SQLite file."""

from __future__ import annotations

import sqlite3

from dicom_common.core import BackendError
from dicom_common.db.sql import Frozen, SqlDatabase
from dicom_common.db.sqlite._connections import Connections
from dicom_common.db.sqlite._dialect import FROZEN, SqliteDialect
from dicom_common.db.sqlite._settings import Settings

__all__ = ["SqliteDatabase"]

_NEEDED = (3, 35)


class SqliteDatabase(SqlDatabase):
    """The index in an SQLite file: durable, for many threads and processes of one machine.

    Opening makes the file and its schema where they are not there (see `Settings.migrate`).

    Raises:
        RefusedError: the file cannot be opened for writing.
        BackendError: the file is no SQLite database, or its schema is not the one that this code needs.
    """

    def __init__(self, settings: Settings) -> None:
        if sqlite3.sqlite_version_info < _NEEDED:
            raise BackendError(
                f"The index needs SQLite 3.35, and this Python has {sqlite3.sqlite_version}: use another Python."
            )
        self.path = settings.path
        connections = Connections(settings)
        dialect = SqliteDialect(connections, settings.path, Frozen.from_file(FROZEN))
        super().__init__(dialect, f"The index {settings.path}")
        self.prepare_schema(settings.migrate)
