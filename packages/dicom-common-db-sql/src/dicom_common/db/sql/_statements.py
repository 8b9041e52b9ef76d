"""Statements that are built by SQLAlchemy once and run by the driver.

Building and compiling a statement costs more than SQLite takes to answer it, so both are done once for each shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from itertools import islice
from typing import Any, Protocol

from sqlalchemy import ARRAY, ColumnElement, Dialect, Insert, Select, Table, any_, bindparam, insert, select, update
from sqlalchemy.sql import ClauseElement

from dicom_common.db.sql._session import Row, Session

__all__ = [
    "Among",
    "InsertRows",
    "Lookup",
    "Statement",
    "Target",
    "UpdateRows",
    "chunks",
    "compiled_insert",
    "insert_new_rows",
    "insert_rows",
    "of_tenant",
    "update_rows",
]

_SIZES = (1, 8, 64, 512)
"""The lengths of list for which a look-up is compiled; a list between them is padded with its last value."""
_FEW = 10
"""The length of array that PostgreSQL reckons with when it plans a prepared statement for all arrays. It compares what
that plan costs with what plans for the arrays so far have cost: where short and long ones share a statement, it often
plans anew each time, which doubles the time of a search. So long ones have a statement of their own."""
_MOST = 8192
"""The length of array above which a look-up is done in parts: the planner reads them all."""


InsertRows = Callable[[Session, Sequence[Row]], None]
"""Inserts rows."""
UpdateRows = Callable[[Session, Sequence[Row]], None]
"""Changes rows: the first value of each is its surrogate key, then come those of the columns."""


class Target(Protocol):
    """What statements are compiled for: a part of `SqlDialect`."""

    sqlalchemy: Dialect
    takes_arrays: bool


class Statement:
    """One statement, compiled when it is first run. Its parameters are given by name.

    Args:
        element: the statement as SQLAlchemy has it.
        dialect: what it is compiled for.
        comment: stands behind it, so that a server takes it for another statement.
    """

    def __init__(self, element: ClauseElement, dialect: Target, comment: str = "") -> None:
        self._element, self._dialect, self._comment = element, dialect, comment

    @cached_property
    def _compiled(self) -> tuple[str, list[str] | None, dict[str, Any]]:
        """The text, the order of parameters that have no names there, and the values that the statement itself has."""
        compiled: Any = self._element.compile(dialect=self._dialect.sqlalchemy)
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        return str(compiled) + self._comment, compiled.positiontup, fixed

    @property
    def text(self) -> str:
        """The SQL."""
        return self._compiled[0]

    def rows(self, session: Session, parameters: Mapping[str, Any]) -> Sequence[Row]:
        """Run it and return all rows."""
        return session.rows(self.text, self._bound(parameters))

    def run(self, session: Session, parameters: Mapping[str, Any]) -> int:
        """Run it and return the number of rows that it changed."""
        return session.run(self.text, self._bound(parameters))

    def run_many(self, session: Session, parameters: Iterable[Mapping[str, Any]]) -> None:
        """Run it once for each set of parameters."""
        if bound := [self._bound(one) for one in parameters]:
            session.run_many(self.text, bound)

    def _bound(self, parameters: Mapping[str, Any]) -> Any:
        _, order, fixed = self._compiled
        values = {**fixed, **parameters} if fixed else parameters
        return values if order is None else tuple([values[name] for name in order])


Among = Callable[[ColumnElement[Any]], ColumnElement[bool]]
"""Tests whether a column's value is in the list of a look-up."""


class Lookup:
    """A statement with a list of values in it.

    Some products take the list as one array. For others the statement is compiled for a few lengths of list.
    """

    def __init__(self, dialect: Target, build: Callable[[Among], ClauseElement]) -> None:
        self._names = [f"value_{number}" for number in range(_SIZES[-1])]
        self._dialect = dialect
        self._build = build
        self._compiled: dict[int, Statement] = {}
        self._takes_arrays = dialect.takes_arrays

    def rows(self, session: Session, values: Iterable[Any], **fixed: Any) -> Iterator[Row]:
        """Run it over all values, a chunk at a time."""
        for statement, parameters in self._chunks(values, fixed):
            yield from statement.rows(session, parameters)

    def run(self, session: Session, values: Iterable[Any], **fixed: Any) -> None:
        """Run it over all values, for its effect."""
        for statement, parameters in self._chunks(values, fixed):
            statement.run(session, parameters)

    def _chunks(self, values: Iterable[Any], fixed: Mapping[str, Any]) -> Iterator[tuple[Statement, dict[str, Any]]]:
        if self._takes_arrays:
            for chunk in chunks(values, _MOST):
                yield self._statement(int(len(chunk) > _FEW)), {**fixed, "value": chunk}
            return
        for chunk in chunks(values, _SIZES[-1]):
            size = next(size for size in _SIZES if size >= len(chunk))
            padded = chunk + chunk[-1:] * (size - len(chunk))
            yield self._statement(size), {**fixed, **dict(zip(self._names, padded, strict=False))}

    def _statement(self, size: int) -> Statement:
        statement = self._compiled.get(size)
        if statement is None:
            names = self._names[:size]

            def among(column: ColumnElement[Any]) -> ColumnElement[bool]:
                if self._takes_arrays:
                    return column == any_(bindparam("value", type_=ARRAY(column.type)))
                return column.in_([bindparam(name) for name in names])

            comment = " /* many */" if self._takes_arrays and size else ""
            statement = self._compiled[size] = Statement(self._build(among), self._dialect, comment)
        return statement


def chunks(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Cut values into lists of at most `size`."""
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk


def insert_rows(dialect: Target, table: Table, names: Sequence[str] | None = None) -> InsertRows:
    """Return what inserts rows whose values are in the order of the named columns, or of all."""
    return compiled_insert(dialect, insert(table), names or table.columns.keys())


def insert_new_rows(dialect: Target, table: Table) -> InsertRows:
    """Return what inserts rows one by one and skips those whose primary key is there, in SQL of every product."""
    key = list(table.primary_key)
    there = Statement(select(*key).where(*(column == bindparam(column.name) for column in key)), dialect)
    names, plain = table.columns.keys(), insert_rows(dialect, table)

    def run(session: Session, rows: Sequence[Row]) -> None:
        for row in rows:
            values = dict(zip(names, row, strict=True))
            if not there.rows(session, {column.name: values[column.name] for column in key}):
                plain(session, [row])

    return run


def compiled_insert(dialect: Target, element: Insert, names: Sequence[str]) -> InsertRows:
    """Return what runs an INSERT for rows whose values are in the order of the named columns."""

    @cache
    def compiled() -> tuple[str, bool]:
        made: Any = element.compile(dialect=dialect.sqlalchemy, column_keys=names)
        order: list[str] | None = made.positiontup
        assert order is None or order == list(names)
        return str(made), order is not None

    def run(session: Session, rows: Sequence[Row]) -> None:
        if rows:
            text, by_position = compiled()
            session.run_many(text, rows if by_position else [dict(zip(names, row, strict=True)) for row in rows])

    return run


def update_rows(dialect: Target, table: Table, names: Sequence[str], *, plus: bool = False) -> UpdateRows:
    """Return what sets the named columns of rows, or with `plus` adds to them."""
    values = {name: table.c[name] + bindparam(name) if plus else bindparam(name) for name in names}
    statement = Statement(update(table).where(table.c.pk == bindparam("at")).values(values), dialect)
    keys = ("at", *names)

    def run(session: Session, rows: Sequence[Row]) -> None:
        statement.run_many(session, [dict(zip(keys, row, strict=True)) for row in rows])

    return run


def of_tenant(statement: Select[Any], table: Table) -> Select[Any]:
    """Restrict a statement to the tenant `:tenant`."""
    return statement.where(table.c.tenant_fk == bindparam("tenant"))
