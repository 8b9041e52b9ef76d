"""The expressions that MySQL and MariaDB write in their own way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Insert,
    Select,
    SelectBase,
    Table,
    TableValuedAlias,
    collate,
    exists,
    func,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import make_url

from dicom_common.db.sql.expressions import COLLATIONS, SqlExpressions

__all__ = ["ESCAPE", "MysqlExpressions"]

ESCAPE = "|"
"""Not a backslash, which means something in literals as well, or does not: as the server is set."""


class MysqlExpressions(SqlExpressions):
    """MySQL 8 or MariaDB 10.6: LIKE with an escape of our own, JSON_TABLE for lists.

    Args:
        url: the names of dialect and driver, as SQLAlchemy has them: the two products differ.
    """

    def __init__(self, url: str) -> None:
        self.sqlalchemy = make_url(url).get_dialect()()

    def insert_new(self, table: Table) -> Insert:
        """See `SqlExpressions.insert_new`; not IGNORE, which makes other errors pass, too."""
        return mysql.insert(table).on_duplicate_key_update({"id": table.c.id})

    def matches(self, column: ColumnElement[Any], pattern: ColumnElement[Any]) -> ColumnElement[bool]:
        """See `SqlExpressions.matches`; the columns' collation tells upper from lower case."""
        return column.like(pattern, escape=ESCAPE)

    def neutral(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """See `SqlExpressions.neutral`: the planner has statistics, but does not think of the page's limit."""
        return func.coalesce(column)

    def either(self, selects: Sequence[Select[Any]]) -> SelectBase:
        """See `SqlExpressions.either`: as a table, which is made once. A union as such is asked anew for each row."""
        return selects[0] if len(selects) == 1 else select(union_all(*selects).subquery().c.pk)

    def among(self, column: ColumnElement[Any], texts: BindParameter[Any]) -> ColumnElement[bool]:
        """See `SqlExpressions.among`."""
        return column.in_(select(self._text_of(_items(texts))))

    def any_item(
        self, column: ColumnElement[Any], test: Callable[[ColumnElement[Any]], ColumnElement[bool]]
    ) -> ColumnElement[bool]:
        """See `SqlExpressions.any_item`."""
        return exists().select_from(items := _items(column)).where(test(self._text_of(items)))

    def _text_of(self, items: TableValuedAlias) -> ColumnElement[str]:
        return collate(items.c.value, COLLATIONS[self.sqlalchemy.name])


def _items(array: ColumnElement[Any]) -> TableValuedAlias:
    columns: ColumnElement[str] = literal_column("'$[*]' COLUMNS (value VARCHAR(255) CHARACTER SET utf8mb4 PATH '$')")
    return func.json_table(array, columns).table_valued("value")
