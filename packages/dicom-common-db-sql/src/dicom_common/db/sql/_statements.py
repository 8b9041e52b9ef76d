"""Statements that are built by SQLAlchemy once and run by the driver.

Building and compiling a statement costs more than SQLite takes to answer it, so both are done once for each shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import BindParameter, Dialect, Select, Table, bindparam, insert, update
from sqlalchemy.sql import ClauseElement

from dicom_common.db.sql._session import Row, Session

__all__ = ["Lookup", "Statement", "chunks", "insert_rows", "of_tenant", "update_rows"]

_SIZES = (1, 8, 64, 512)
"""The lengths of list for which a look-up is compiled; a list between them is padded with its last value."""


class Statement:
    """One statement, compiled. Its parameters are given by name."""

    def __init__(self, element: ClauseElement, dialect: Dialect) -> None:
        compiled: Any = element.compile(dialect=dialect)
        self.text = str(compiled)
        self._order: list[str] | None = compiled.positiontup
        self._fixed: dict[str, Any] = {k: v for k, v in compiled.params.items() if v is not None}

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
        values = {**self._fixed, **parameters} if self._fixed else parameters
        return values if self._order is None else tuple([values[name] for name in self._order])


class Lookup:
    """A statement with a list of values in it, compiled for a few lengths of list."""

    def __init__(self, dialect: Dialect, build: Callable[[Sequence[BindParameter[Any]]], ClauseElement]) -> None:
        self._names = [f"value_{number}" for number in range(_SIZES[-1])]
        self._dialect = dialect
        self._build = build
        self._compiled: dict[int, Statement] = {}

    def rows(self, session: Session, values: Iterable[Any], **fixed: Any) -> Iterator[Row]:
        """Run it over all values, a chunk at a time."""
        for statement, parameters in self._chunks(values, fixed):
            yield from statement.rows(session, parameters)

    def run(self, session: Session, values: Iterable[Any], **fixed: Any) -> None:
        """Run it over all values, for its effect."""
        for statement, parameters in self._chunks(values, fixed):
            statement.run(session, parameters)

    def _chunks(self, values: Iterable[Any], fixed: Mapping[str, Any]) -> Iterator[tuple[Statement, dict[str, Any]]]:
        for chunk in chunks(values, _SIZES[-1]):
            size = next(size for size in _SIZES if size >= len(chunk))
            statement = self._compiled.get(size)
            if statement is None:
                element = self._build([bindparam(name) for name in self._names[:size]])
                statement = self._compiled[size] = Statement(element, self._dialect)
            padded = chunk + chunk[-1:] * (size - len(chunk))
            yield statement, {**fixed, **dict(zip(self._names, padded, strict=False))}


def chunks(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Cut values into lists of at most `size`."""
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk


def insert_rows(dialect: Dialect, table: Table) -> Callable[[Session, Sequence[Row]], None]:
    """Return what inserts rows whose values are in the order of the table's columns."""
    names = table.columns.keys()
    compiled: Any = insert(table).compile(dialect=dialect, column_keys=names)
    text = str(compiled)

    def run(session: Session, rows: Sequence[Row]) -> None:
        if rows:
            session.run_many(
                text, rows if compiled.positional else [dict(zip(names, row, strict=True)) for row in rows]
            )

    return run


def update_rows(dialect: Dialect, table: Table, columns: Iterable[str], *, plus: bool = False) -> Statement:
    """Return what sets columns of the row `:at`, or with `plus` adds to them."""
    values = {name: table.c[name] + bindparam(name) if plus else bindparam(name) for name in columns}
    return Statement(update(table).where(table.c.pk == bindparam("at")).values(values), dialect)


def of_tenant(statement: Select[Any], table: Table) -> Select[Any]:
    """Restrict a statement to the tenant `:tenant`."""
    return statement.where(table.c.tenant_fk == bindparam("tenant"))
