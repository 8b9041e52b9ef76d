"""The expressions that PostgreSQL writes in its own way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ARRAY, BindParameter, ColumnElement, Double, String, any_, cast, exists, func, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import PGDialect

from dicom_common.core import ATTRIBUTES
from dicom_common.db.sql.expressions import SqlExpressions

__all__ = ["PostgresExpressions"]

_NUMBERS = frozenset(a.field for a in ATTRIBUTES if a.multiple and a.vr == "DS")


class PostgresExpressions(SqlExpressions):
    """PostgreSQL: LIKE for patterns, arrays for lists."""

    def __init__(self) -> None:
        self.sqlalchemy = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # SQLAlchemy's own

    def matches(self, column: ColumnElement[Any], pattern: ColumnElement[Any]) -> ColumnElement[bool]:
        """See `SqlExpressions.matches`; LIKE takes a backslash for its escape."""
        return column.op("LIKE", is_comparison=True)(pattern)

    def among(self, column: ColumnElement[Any], texts: BindParameter[Any]) -> ColumnElement[bool]:
        """See `SqlExpressions.among`."""
        return column == any_(type_coerce(texts, ARRAY(column.type)))

    def any_item(
        self, column: ColumnElement[Any], test: Callable[[ColumnElement[Any]], ColumnElement[bool]]
    ) -> ColumnElement[bool]:
        """See `SqlExpressions.any_item`."""
        items = func.jsonb_array_elements_text(cast(column, JSONB)).table_valued("value")
        value: ColumnElement[Any] = items.c.value
        item = cast(value, Double) if getattr(column, "name", "") in _NUMBERS else cast(value, String).collate("C")
        return exists().select_from(items).where(test(item))
