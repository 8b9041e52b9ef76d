"""From the name of a statement to its SQL, by way of its expression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, any_, bindparam
from sqlalchemy.sql import ClauseElement

from dicom_common.db.sql._sql import VALUES, Sql
from dicom_common.db.sql.expressions._product import SqlExpressions

__all__ = ["Among", "compiled"]

Among = Callable[[ColumnElement[Any]], ColumnElement[bool]]
"""Tests whether a column's value is in the list of a look-up."""
_EXPANDING = "__[POSTCOMPILE_value]"
"""Where SQLAlchemy leaves room for a list."""


def compiled(product: SqlExpressions, name: str, arguments: Sequence[Any], among: str) -> Sql:
    """Compile a statement.

    Args:
        product: for which.
        name: the module of the expression and its name there.
        arguments: what the expression is made with, where it is a function.
        among: how a look-up takes its values: `list`, `array`, or "" for a statement.
    """
    module, _, function = name.partition(".")
    made = getattr(import_module(f"dicom_common.db.sql.expressions._{module}"), function)
    element: ClauseElement
    if among:
        element = made(_in_array if among == "array" else _in_list, *arguments)
    else:
        element = made(product, *arguments) if callable(made) and not isinstance(made, ClauseElement) else made
    result: Any = element.compile(dialect=product.sqlalchemy)
    fixed = {key: value for key, value in result.params.items() if value is not None}
    return Sql(str(result).replace(_EXPANDING, VALUES), tuple(result.positiontup), fixed)


def _in_list(column: ColumnElement[Any]) -> ColumnElement[bool]:
    return column.in_(bindparam("value", expanding=True))


def _in_array(column: ColumnElement[Any]) -> ColumnElement[bool]:
    return column == any_(bindparam("value", type_=ARRAY(column.type)))
