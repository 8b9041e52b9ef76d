"""What SQLite does in its own way."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_common.core import BackendError, Health, HealthStatus
from dicom_common.db.sql import Frozen, Insertion, InsertRows, SchemaTraits, Session, SqlDialect, Texts
from dicom_common.db.sqlite._connections import Connections, SqliteSession
from dicom_common.toolkit import others_may

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from dicom_common.db.sqlite._expressions import SqliteExpressions

__all__ = ["FROZEN", "SqliteDialect"]

FROZEN = Path(__file__).with_name("frozen_sql.txt")
"""What was compiled before: written by `tools/frozen_sql.py`."""

_OTHERS = 2.0
"""Seconds that `check` waits for other writers."""
_LITTLE = 256 * 1024 * 1024
"""Bytes of free space below which `check` warns."""


class SqliteDialect(SqlDialect):
    """SQLite: row ids for keys, one writer at a time.

    Args:
        connections: those to the file.
        path: the file.
        frozen: what was compiled before.
    """

    def __init__(self, connections: Connections, path: Path, frozen: Frozen) -> None:
        self._connections, self._path = connections, path
        self.texts = Texts(_expressions, frozen)
        self.schema = SchemaTraits(alters_tables=False, script=frozen.schema)

    def reading(self) -> AbstractContextManager[Session]:
        """See `SqlDialect.reading`."""
        return self._connections.reading()

    def writing(self) -> AbstractContextManager[Session]:
        """See `SqlDialect.writing`."""
        return self._connections.writing()

    def migrating(self) -> AbstractContextManager[Connection]:
        """See `SqlDialect.migrating`."""
        return self._connections.migrating()

    def session(self, connection: Connection) -> Session:
        """See `SqlDialect.session`."""
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        return SqliteSession(raw)

    def has_table(self, session: Session, name: str) -> bool:
        """See `SqlDialect.has_table`."""
        return bool(session.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)))

    def allocate(self, session: Session, table: str, count: int) -> Sequence[int]:
        """See `SqlDialect.allocate`; no other connection writes while this transaction has the lock."""
        ((last,),) = session.rows(f"SELECT coalesce(max(pk), 0) FROM {table}", ())  # noqa: S608 - a table of ours
        return range(last + 1, last + 1 + count)

    def insert_new(self, table: str) -> InsertRows:
        """See `SqlDialect.insert_new`."""
        return Insertion(self, table, expression="insert_new")

    def pattern(self, pattern: str) -> str:
        """See `SqlDialect.pattern`; of the rest, only `[` means something to GLOB."""
        return pattern.replace("[", "[[]")

    def many(self, texts: Sequence[str]) -> str:
        """See `SqlDialect.many`: a JSON array, since the number of parameters is limited."""
        return json.dumps(texts)

    def health(self) -> Health:
        """See `Database.check`."""
        facts: dict[str, str | int | float | bool] = {"path": str(self._path), "sqlite": sqlite3.sqlite_version}
        at_once = self._connections.takes_writes(_OTHERS)
        try:
            free = shutil.disk_usage(self._path.parent).free
            warning = others_may(self._path)
        except OSError as error:
            raise BackendError(f"The folder of {self._path} is gone: {error.strerror}.") from error
        facts["free_bytes"] = free
        if not at_once:
            detail = f"The index {self._path} can be read; other writers have held it for {_OTHERS:g} seconds."
            return Health(status=HealthStatus.DEGRADED, detail=detail, facts=facts)
        if free < _LITTLE:
            return Health(
                status=HealthStatus.DEGRADED, detail=f"The disk of the index {self._path} is almost full.", facts=facts
            )
        if warning:
            return Health(status=HealthStatus.DEGRADED, detail=warning, facts=facts)
        return Health(status=HealthStatus.OK, detail=f"The index {self._path} can be read and written.", facts=facts)

    def close(self) -> None:
        """See `SqlDialect.close`."""
        self._connections.close()


def _expressions() -> SqliteExpressions:
    from dicom_common.db.sqlite._expressions import SqliteExpressions  # noqa: PLC0415 - and with it SQLAlchemy

    return SqliteExpressions()
