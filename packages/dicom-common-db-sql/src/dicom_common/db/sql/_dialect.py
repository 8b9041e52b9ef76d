"""What differs between SQLite, PostgreSQL and MySQL when statements run: a plugin fills in this class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from dicom_common.core import Health, UnavailableError
from dicom_common.db.sql._session import Session
from dicom_common.db.sql._statements import Change, Insertion, InsertionOfNew, InsertRows, UpdateRows
from dicom_common.db.sql._texts import Texts
from dicom_common.db.sql._traits import SchemaTraits

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["GoneError", "PassingError", "SqlDialect"]


class PassingError(UnavailableError):
    """The transaction came to nothing, and the same one may succeed at once: a deadlock, a restart of the server.

    It does not leave `SqlDatabase`: when all attempts are used up, the caller gets a plain `UnavailableError`.
    """


class GoneError(PassingError):
    """The server ended the connection, cannot be reached, or takes no writes: it restarts, or another takes its place.

    The connection is not used again: a new one may lead to the server that has taken over the name or the address.
    """


class SqlDialect(ABC):
    """One database product: its connections, its errors, and how it takes values.

    The expressions that it writes in its own way are in `dicom_common.db.sql.expressions.SqlExpressions`.
    """

    texts: Texts
    """The SQL of its statements."""
    takes_arrays: bool = False
    """Whether a list of values is one parameter, an array."""
    placeholder: str = "?"
    """What stands for one parameter of a list, where a list is not one array."""
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
    def allocate(self, session: Session, table: str, count: int) -> Sequence[int]:
        """Return surrogate keys that no other transaction gets."""

    def inserter(self, table: str, names: Sequence[str] = ()) -> InsertRows:
        """Return what inserts many rows, whose values are in the order of the named columns, or of all."""
        return Insertion(self, table, names)

    def insert_new(self, table: str) -> InsertRows:
        """Return what inserts many rows and skips those whose primary key is there."""
        return InsertionOfNew(self, table)

    def updater(self, table: str, names: Sequence[str], *, plus: Sequence[str] = ()) -> UpdateRows:
        """Return what sets the named columns of many rows (none of them twice), and adds to those of `plus`."""
        return Change(self, table, names, plus)

    def guard(self, session: Session, *, exclusive: bool) -> None:  # noqa: B027 - one writer at a time needs none
        """Wait for other writers, to the end of the transaction: a shared guard for those that have an exclusive one.

        It is the first thing that a transaction locks. See `SqlDatabase` for who takes which.
        """

    @abstractmethod
    def pattern(self, pattern: str) -> str:
        """Write a pattern of `*` and `?` as `SqlExpressions.matches` takes it; all else is literal."""

    @abstractmethod
    def many(self, texts: Sequence[str]) -> Any:
        """Return texts, however many, as the one value that `SqlExpressions.among` compares with."""

    @abstractmethod
    def health(self) -> Health:
        """See `Database.check`."""

    @abstractmethod
    def close(self) -> None:
        """Release all connections."""
