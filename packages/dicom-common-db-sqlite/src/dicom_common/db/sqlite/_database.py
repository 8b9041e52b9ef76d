"""The index in an SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import replace
from time import perf_counter

from dicom_common.core import BackendError, Match, Query
from dicom_common.db.sql import Frozen, SqlDatabase
from dicom_common.db.sqlite._brief import FEW, BriefSession, Shapes
from dicom_common.db.sqlite._connections import Connections
from dicom_common.db.sqlite._dialect import FROZEN, SqliteDialect
from dicom_common.db.sqlite._settings import Settings
from dicom_common.toolkit.query_rules import validate_query

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
        self._connections, self._shapes = Connections(settings), Shapes()
        self._lacks_brief = False
        """Whether a brief search found no connection of its own: the next search in a thread opens it."""
        dialect = SqliteDialect(self._connections, settings.path, Frozen.from_file(FROZEN))
        super().__init__(dialect, f"The index {settings.path}")
        self.prepare_schema(settings.migrate)

    def find(self, query: Query) -> list[Match]:
        """See `Database.find`."""
        began = perf_counter()
        found = super().find(query)
        self._shapes.note(query, found, began)
        if self._lacks_brief:
            with suppress(sqlite3.Error):
                self._connections.open_brief(BriefSession)
                self._lacks_brief = False
        return found

    def find_briefly(self, query: Query) -> list[Match] | None:
        """See `BriefSearches.find_briefly`."""
        validate_query(query)
        tenant = self._tenants.get(query.tenant)
        if tenant is None or not self._shapes.knows(query):
            return None
        began = perf_counter()
        try:
            with self._connections.brief() as session:
                if not isinstance(session, BriefSession):  # none is open
                    self._lacks_brief = True
                    return None
                session.begin()
                few = replace(query, limit=min(query.limit or 0, FEW + 1))
                found = self._search.find(session, tenant, few)
        except (sqlite3.Error, BackendError):
            found = None
        self._shapes.note(query, found, began)
        return found if found is None or len(found) <= FEW else None
