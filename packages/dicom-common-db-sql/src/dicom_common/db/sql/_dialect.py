"""What differs between SQLite, PostgreSQL and MySQL: a plugin fills in this class, and everything else is shared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Dialect, Select, SelectBase, Table, union_all

from dicom_common.core import Health, UnavailableError
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import InsertRows, UpdateRows, insert_new_rows, insert_rows, update_rows

__all__ = ["GoneError", "PassingError", "SchemaTraits", "SqlDialect"]


class PassingError(UnavailableError):
    """The transaction came to nothing, and the same one may succeed at once: a deadlock, a restart of the server.

    It does not leave `SqlDatabase`: when all attempts are used up, the caller gets a plain `UnavailableError`.
    """


class GoneError(PassingError):
    """The server ended the connection, cannot be reached, or takes no writes: it restarts, or another takes its place.

    The connection is not used again: a new one may lead to the server that has taken over the name or the address.
    """


def _nothing(_: Connection) -> None:
    """Make nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaTraits:
    """What migrations have to know of a product."""

    alters_tables: bool = True
    """Whether a constraint of a table can be changed; else a migration copies the table."""
    only_tables: bool = False
    """Whether the tables are all that the product needs: then a new index is made without running the migrations."""
    table_options: Mapping[str, str] = field(default_factory=dict)
    """What tables are made with, whatever the server's defaults are: options of SQLAlchemy without the prefix."""
    make_own: Callable[[Connection], None] = _nothing
    """Makes what only this product needs beside the tables, such as sequences: a part of the first migration, so that
    what it made is changed by later ones only. It is run again after a crash, and looks first whether it was done."""


class SqlDialect(ABC):
    """One database product: its connections, its errors, and the few expressions that it writes in its own way."""

    sqlalchemy: Dialect
    """SQLAlchemy's part of it, which compiles statements."""
    takes_arrays: bool = False
    """Whether a list of values is one parameter, an array."""
    schema: SchemaTraits = SchemaTraits()
    """What migrations have to know."""
    attempts: int = 1
    """How often a transaction is tried that fails with a `PassingError`."""
    retry_timeout: float = 0.0
    """Seconds after which a transaction that fails with a `GoneError` is not begun again, however often it was."""
    many_writers: bool = False
    """Whether transactions that write run at the same time, so that `guard` matters."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[Session]:
        """Lend a connection for reading; errors leave it translated."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Session]:
        """Lend a connection in a transaction that is committed, durably, at the end; errors leave it translated."""

    @abstractmethod
    def migrating(self) -> AbstractContextManager[Connection]:
        """Lend what `writing` lends as a connection of SQLAlchemy, for a schema that is changed."""

    @abstractmethod
    def session(self, connection: Connection) -> Session:
        """Return what runs statements in the transaction of a connection that `migrating` lends."""

    @abstractmethod
    def has_table(self, session: Session, name: str) -> bool:
        """Tell whether the database has a table."""

    @abstractmethod
    def allocate(self, session: Session, table: Table, count: int) -> Sequence[int]:
        """Return surrogate keys that no other transaction gets."""

    def inserter(self, table: Table, names: Sequence[str] | None = None) -> InsertRows:
        """Return what inserts many rows, whose values are in the order of the named columns, or of all."""
        return insert_rows(self, table, names)

    def insert_new(self, table: Table) -> InsertRows:
        """Return what inserts many rows and skips those whose primary key is there."""
        return insert_new_rows(self, table)

    def updater(self, table: Table, names: Sequence[str], *, plus: bool = False) -> UpdateRows:
        """Return what sets the named columns of many rows (none of them twice), or with `plus` adds to them."""
        return update_rows(self, table, names, plus=plus)

    def guard(self, session: Session, *, exclusive: bool) -> None:  # noqa: B027 - one writer at a time needs none
        """Wait for other writers, to the end of the transaction: a shared guard for those that have an exclusive one.

        It is the first thing that a transaction locks. See `SqlDatabase` for who takes which.
        """

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
    def pattern(self, pattern: str) -> str:
        """Write a pattern of `*` and `?` as `matches` takes it; all else is literal."""

    @abstractmethod
    def many(self, texts: Sequence[str]) -> Any:
        """Return texts, however many, as the one value that `among` compares with."""

    @abstractmethod
    def among(self, column: ColumnElement[Any], texts: BindParameter[Any]) -> ColumnElement[bool]:
        """Tell whether a column's text is one of many that are bound as `many` returns them."""

    @abstractmethod
    def any_item(
        self, column: ColumnElement[Any], test: Callable[[ColumnElement[Any]], ColumnElement[bool]]
    ) -> ColumnElement[bool]:
        """Tell whether the test holds for any item of a column that keeps a JSON array."""

    @abstractmethod
    def health(self) -> Health:
        """See `Database.check`."""

    @abstractmethod
    def close(self) -> None:
        """Release all connections."""
