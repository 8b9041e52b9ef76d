"""What SQLite does in its own way."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Table, exists, func, select
from sqlalchemy.dialects.sqlite import dialect, insert
from sqlalchemy.sql.expression import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from dicom_common.core import BackendError, Health, HealthStatus
from dicom_common.db.sql import InsertRows, SchemaTraits, Session, SqlDialect, compiled_insert
from dicom_common.db.sqlite._connections import Connections, SqliteSession
from dicom_common.toolkit import others_may

__all__ = ["SqliteDialect"]

_OTHERS = 2.0
"""Seconds that `check` waits for other writers."""
_LITTLE = 256 * 1024 * 1024
"""Bytes of free space below which `check` warns."""


class SqliteDialect(SqlDialect):
    """SQLite: GLOB for patterns, row ids for keys, one writer at a time."""

    schema = SchemaTraits(alters_tables=False, only_tables=True)

    def __init__(self, connections: Connections, path: Path) -> None:
        self._connections, self._path = connections, path
        self.sqlalchemy = dialect()

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

    def allocate(self, session: Session, table: Table, count: int) -> Sequence[int]:
        """See `SqlDialect.allocate`; no other connection writes while this transaction has the lock."""
        ((last,),) = session.rows(f"SELECT coalesce(max(pk), 0) FROM {table.name}", ())  # noqa: S608 - a table of ours
        return range(last + 1, last + 1 + count)

    def insert_new(self, table: Table) -> InsertRows:
        """See `SqlDialect.insert_new`."""
        key = [column.name for column in table.primary_key]
        element = insert(table).on_conflict_do_nothing(index_elements=key)
        return compiled_insert(self, element, table.columns.keys())

    def matches(self, column: ColumnElement[Any], pattern: ColumnElement[Any]) -> ColumnElement[bool]:
        """See `SqlDialect.matches`; LIKE would not tell upper from lower case."""
        return column.op("GLOB", is_comparison=True)(pattern)

    def neutral(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """See `SqlDialect.neutral`: a unary plus, as SQLite's manual on its query planner has it."""
        return UnaryExpression(column, operator=custom_op("+"), type_=column.type)

    def pattern(self, pattern: str) -> str:
        """See `SqlDialect.pattern`; of the rest, only `[` means something to GLOB."""
        return pattern.replace("[", "[[]")

    def many(self, texts: Sequence[str]) -> str:
        """See `SqlDialect.many`: a JSON array, since the number of parameters is limited."""
        return json.dumps(texts)

    def among(self, column: ColumnElement[Any], texts: BindParameter[Any]) -> ColumnElement[bool]:
        """See `SqlDialect.among`."""
        return column.in_(select(func.json_each(texts).table_valued("value").c.value))

    def any_item(
        self, column: ColumnElement[Any], test: Callable[[ColumnElement[Any]], ColumnElement[bool]]
    ) -> ColumnElement[bool]:
        """See `SqlDialect.any_item`."""
        items = func.json_each(column).table_valued("value")
        return exists().select_from(items).where(test(items.c.value))

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
