"""Statements that are run by the driver: their SQL is frozen, or compiled once.

Building and compiling a statement costs more than SQLite takes to answer it, and importing what compiles it more than
all else that a short command does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, islice
from typing import Any, Protocol

from dicom_common.db.sql._session import Row, Session
from dicom_common.db.sql._sql import VALUES, Sql
from dicom_common.db.sql._texts import Texts

__all__ = [
    "Change",
    "InsertRows",
    "Insertion",
    "InsertionOfNew",
    "Lookup",
    "Statement",
    "Target",
    "UpdateRows",
    "chunks",
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
"""Changes rows: the first value of each is its surrogate key, then come those that are set and those that are added."""


class Target(Protocol):
    """What statements are made for: a part of `SqlDialect`."""

    @property
    def texts(self) -> Texts:
        """The SQL of the product."""
        ...

    @property
    def takes_arrays(self) -> bool:
        """Whether a list of values is one parameter."""
        ...

    @property
    def placeholder(self) -> str:
        """What stands for one parameter of a list."""
        ...


class Statement:
    """One statement. Its parameters are given by name.

    Args:
        dialect: what it is made for.
        name: the name of its expression: a module of `expressions`, and what is called so there.
        arguments: what the expression is made with, where it is a function.
    """

    def __init__(self, dialect: Target, name: str, *arguments: Any) -> None:
        self._dialect, self._name, self._arguments = dialect, name, arguments

    @cached_property
    def sql(self) -> Sql:
        """What is run."""
        return self._dialect.texts.sql(self._name, self._arguments, "")

    @property
    def text(self) -> str:
        """The SQL."""
        return self.sql.text

    def rows(self, session: Session, parameters: Mapping[str, Any]) -> Sequence[Row]:
        """Run it and return all rows."""
        return session.rows(self.sql.text, self.bound(parameters))

    def run(self, session: Session, parameters: Mapping[str, Any]) -> int:
        """Run it and return the number of rows that it changed."""
        return session.run(self.sql.text, self.bound(parameters))

    def run_many(self, session: Session, parameters: Iterable[Mapping[str, Any]]) -> None:
        """Run it once for each set of parameters."""
        if bound := [self.bound(one) for one in parameters]:
            session.run_many(self.sql.text, bound)

    def bound(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return values in the order of the parameters."""
        _, order, fixed = self.sql
        values = {**fixed, **parameters} if fixed else parameters
        return tuple([values[name] for name in order])


class _OfSize(Statement):
    """A look-up for a length of list."""

    def __init__(self, dialect: Target, sql: Sql) -> None:
        super().__init__(dialect, "")
        self.sql = sql


class Lookup:
    """A statement with a list of values in it: its expression is a function that is given what tests for them.

    Some products take the list as one array. For others the statement is written for a few lengths of list.
    """

    def __init__(self, dialect: Target, name: str, *arguments: Any) -> None:
        self._dialect, self._name, self._arguments = dialect, name, arguments
        self._takes_arrays = dialect.takes_arrays
        self._of_size: dict[int, Statement] = {}

    @cached_property
    def sql(self) -> Sql:
        """What is run, for a list of any length."""
        among = "array" if self._takes_arrays else "list"
        return self._dialect.texts.sql(self._name, self._arguments, among)

    def rows(self, session: Session, values: Iterable[Any], **fixed: Any) -> Iterable[Row]:
        """Run it over all values, a chunk at a time, and return all rows."""
        found = [statement.rows(session, parameters) for statement, parameters in self.parts(values, fixed)]
        return found[0] if len(found) == 1 else chain.from_iterable(found)

    def run(self, session: Session, values: Iterable[Any], **fixed: Any) -> None:
        """Run it over all values, for its effect."""
        for statement, parameters in self.parts(values, fixed):
            statement.run(session, parameters)

    def parts(self, values: Iterable[Any], fixed: Mapping[str, Any]) -> Iterator[tuple[Statement, dict[str, Any]]]:
        """Return the statements that look all values up, and the parameters of each."""
        if self._takes_arrays:
            for chunk in chunks(values, _MOST):
                yield self._statement(int(len(chunk) > _FEW)), {**fixed, "value": chunk}
            return
        for chunk in chunks(values, _SIZES[-1]):
            if len(chunk) == 1:  # as where instances come one by one
                yield self._statement(1), {**fixed, "value_0": chunk[0]}
                continue
            size = next(size for size in _SIZES if size >= len(chunk))
            padded = chunk + chunk[-1:] * (size - len(chunk))
            yield self._statement(size), {**fixed, **dict(zip(_NAMES, padded, strict=False))}

    def _statement(self, size: int) -> Statement:
        statement = self._of_size.get(size)
        if statement is None:
            text, order, fixed = self.sql
            if self._takes_arrays:
                # A comment, so that a server takes it for another statement.
                sql = Sql(text + " /* many */" if size else text, order, fixed)
            else:
                names = _NAMES[:size]
                listed = [one for name in order for one in (names if name == "value" else (name,))]
                sql = Sql(text.replace(VALUES, ", ".join([self._dialect.placeholder] * size)), tuple(listed), fixed)
            statement = self._of_size[size] = _OfSize(self._dialect, sql)
        return statement


_NAMES = tuple(f"value_{number}" for number in range(_SIZES[-1]))


def chunks(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Cut values into lists of at most `size`."""
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk


class Insertion:
    """Inserts rows whose values are in the order of the named columns, or of all.

    Args:
        dialect: what it is made for.
        table: where to.
        names: the columns, in the order of the table.
        expression: `insert`, or `insert_new`, which skips a row whose primary key is there.
    """

    def __init__(self, dialect: Target, table: str, names: Sequence[str] = (), *, expression: str = "insert") -> None:
        arguments = (tuple(names),) if expression == "insert" else ()
        self._statement, self._names = Statement(dialect, f"rows.{expression}", table, *arguments), tuple(names)

    def __call__(self, session: Session, rows: Sequence[Row]) -> None:
        """Insert rows."""
        if rows:
            text, order, _ = self._statement.sql
            assert not self._names or order == self._names
            session.run_many(text, rows)


class InsertionOfNew:
    """Inserts rows one by one and skips those whose primary key is there, in SQL of every product."""

    def __init__(self, dialect: Target, table: str) -> None:
        self._there, self._insert = (
            Statement(dialect, "rows.there", table),
            Statement(dialect, "rows.insert", table, ()),
        )

    def __call__(self, session: Session, rows: Sequence[Row]) -> None:
        """Insert rows."""
        for row in rows:
            values = dict(zip(self._insert.sql.order, row, strict=True))
            if not self._there.rows(session, values):
                self._insert.run(session, values)


class Change:
    """Sets the named columns of rows, and adds to others."""

    def __init__(self, dialect: Target, table: str, names: Sequence[str], plus: Sequence[str] = ()) -> None:
        self._statement = Statement(dialect, "rows.update", table, tuple(names), tuple(plus))
        self._keys = ("at", *names, *plus)

    def __call__(self, session: Session, rows: Sequence[Row]) -> None:
        """Change rows."""
        if rows:
            session.run_many(self._statement.sql.text, [[row[place] for place in self._places] for row in rows])

    @cached_property
    def _places(self) -> list[int]:
        """Where the parameters are in a row, in the order in which they are bound."""
        return [self._keys.index(name) for name in self._statement.sql.order]
