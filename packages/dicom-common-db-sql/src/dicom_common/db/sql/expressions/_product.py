"""The few expressions that database products write in different ways: a plugin fills in this class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Dialect, Insert, Select, SelectBase, Table, insert, union_all

__all__ = ["SqlExpressions"]


class SqlExpressions(ABC):
    """What one database product writes in its own way."""

    sqlalchemy: Dialect
    """SQLAlchemy's part of it, which compiles statements."""

    @abstractmethod
    def matches(self, column: ColumnElement[Any], pattern: ColumnElement[Any]) -> ColumnElement[bool]:
        """Match a column against a bound pattern, upper and lower case apart."""

    def neutral(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Write a column so that no index is used for it; for a planner without statistics, or blind to a limit."""
        return column

    def either(self, selects: Sequence[Select[Any]]) -> SelectBase:
        """Select what any of several selects of surrogate keys finds, for an `IN`."""
        return union_all(*selects)

    @abstractmethod
    def among(self, column: ColumnElement[Any], texts: BindParameter[Any]) -> ColumnElement[bool]:
        """Tell whether a column's text is one of many that are bound as `SqlDialect.many` returns them."""

    @abstractmethod
    def any_item(
        self, column: ColumnElement[Any], test: Callable[[ColumnElement[Any]], ColumnElement[bool]]
    ) -> ColumnElement[bool]:
        """Tell whether the test holds for any item of a column that keeps a JSON array."""

    def insert_new(self, table: Table) -> Insert:
        """Insert a row of which another one with its primary key may be there, which stays.

        Asked for by the plugins whose `SqlDialect.insert_new` runs one such statement for each row.
        """
        return insert(table)
