"""The expressions that SQLite writes in its own way. Imported where a statement is compiled that is not frozen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Insert, Table, exists, func, select
from sqlalchemy.dialects.sqlite import dialect, insert
from sqlalchemy.sql.expression import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from dicom_common.db.sql.expressions import SqlExpressions

__all__ = ["SqliteExpressions"]


class SqliteExpressions(SqlExpressions):
    """SQLite: GLOB for patterns, JSON for lists."""

    def __init__(self) -> None:
        self.sqlalchemy = dialect()

    def insert_new(self, table: Table) -> Insert:
        """See `SqlExpressions.insert_new`."""
        return insert(table).on_conflict_do_nothing(index_elements=[column.name for column in table.primary_key])

    def matches(self, column: ColumnElement[Any], pattern: ColumnElement[Any]) -> ColumnElement[bool]:
        """See `SqlExpressions.matches`; LIKE would not tell upper from lower case."""
        return column.op("GLOB", is_comparison=True)(pattern)

    def neutral(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """See `SqlExpressions.neutral`: a unary plus, as SQLite's manual on its query planner has it."""
        return UnaryExpression(column, operator=custom_op("+"), type_=column.type)

    def among(self, column: ColumnElement[Any], texts: BindParameter[Any]) -> ColumnElement[bool]:
        """See `SqlExpressions.among`."""
        return column.in_(select(func.json_each(texts).table_valued("value").c.value))

    def any_item(
        self, column: ColumnElement[Any], test: Callable[[ColumnElement[Any]], ColumnElement[bool]]
    ) -> ColumnElement[bool]:
        """See `SqlExpressions.any_item`."""
        items = func.json_each(column).table_valued("value")
        return exists().select_from(items).where(test(items.c.value))
