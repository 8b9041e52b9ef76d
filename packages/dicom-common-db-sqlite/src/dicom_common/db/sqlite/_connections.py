"""Connections to the file, lent one at a time to each thread; and writers in single file.

A search by key takes SQLite some ten microseconds: what lends a connection must cost less. So there is no pool of
SQLAlchemy here, only a list; `list.append` and `list.pop` are atomic.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from dicom_common.core import BackendError, RefusedError, UnavailableError
from dicom_common.db.sql import Row
from dicom_common.db.sqlite._errors import translate
from dicom_common.db.sqlite._settings import Settings
from dicom_common.toolkit import Backoff, make_private_file, make_private_folder

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["Connections", "SqliteSession"]

_KEPT = 16
"""Idle connections that are kept open."""


class SqliteSession:
    """A connection that is lent."""

    __slots__ = ("raw",)

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw

    def rows(self, text: str, bound: Any) -> Sequence[Row]:
        """See `Session.rows`."""
        return self.raw.execute(text, bound).fetchall()

    def run(self, text: str, bound: Any) -> int:
        """See `Session.run`."""
        return self.raw.execute(text, bound).rowcount

    def run_many(self, text: str, bound: Sequence[Any]) -> None:
        """See `Session.run_many`."""
        self.raw.executemany(text, bound)


class Connections:
    """The connections of one process to one file. After a fork the child opens its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = settings.path
        self._closed = False
        self._idle: list[SqliteSession] = []
        self._brief: list[SqliteSession] = []
        # Threads of this process wait for each other here, in turn and without polling; processes by SQLite's lock.
        self._writer = threading.Lock()
        self._make_file()
        _OPEN.add(self)
        self._use_write_ahead_log()

    def reading(self) -> _Lent:
        """Lend a connection. Each statement sees what was committed before it."""
        return _Lent(self)

    def open_brief(self, kind: type[SqliteSession]) -> None:
        """Open the connection that `brief` lends, unless it is open already. This may take some milliseconds.

        Args:
            kind: what is lent. The connection waits for no lock, and has SQLite's small cache.

        Raises:
            sqlite3.Error: it cannot be opened.
        """
        if not self._brief and not self._closed:
            raw = self._connect(waits=False)
            try:
                raw.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()  # reads the schema
                self._keep_brief(kind(raw))
            except BaseException:
                raw.close()
                raise

    @contextmanager
    def brief(self) -> Iterator[SqliteSession | None]:
        """Lend the connection that `open_brief` opened, or None while there is none. An error closes it."""
        try:
            session = self._brief.pop()
        except IndexError:
            yield None
            return
        try:
            yield session
        except BaseException:
            session.raw.close()
            raise
        self._keep_brief(session)

    def _keep_brief(self, session: SqliteSession) -> None:
        if self._closed or self._brief:
            session.raw.close()
        else:
            self._brief.append(session)

    @contextmanager
    def writing(self) -> Iterator[SqliteSession]:
        """Lend a connection that has the write lock, and commit."""
        with _Lent(self) as session, self._transaction(session.raw):
            yield session

    def takes_writes(self, seconds: float) -> bool:
        """Write something; False: other writers did not let us for this long."""
        with _Lent(self) as session:
            if not self._writer.acquire(timeout=seconds):
                return False
            try:
                session.run(f"PRAGMA busy_timeout={int(seconds * 1000)}", ())
                session.run("BEGIN IMMEDIATE", ())
                session.run("UPDATE outbox_lease SET until = until", ())
                session.run("COMMIT", ())
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                    return False
                raise
            finally:
                session.run(f"PRAGMA busy_timeout={int(self._settings.busy_timeout * 1000)}", ())
                self._writer.release()
        return True

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Lend what `writing` lends as a connection of SQLAlchemy."""
        # Imported here: an index that is up to date needs nothing of it.
        from sqlalchemy import create_engine  # noqa: PLC0415
        from sqlalchemy.exc import DBAPIError  # noqa: PLC0415
        from sqlalchemy.pool import NullPool  # noqa: PLC0415

        # On a connection of its own: SQLAlchemy rolls back and closes what it has, whenever it finds the time.
        engine = create_engine("sqlite://", creator=self._connect, poolclass=NullPool, hide_parameters=True)
        try:
            # The transaction is ours, and begins when SQLAlchemy has tried the connection.
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                raw = connection.connection.driver_connection
                assert isinstance(raw, sqlite3.Connection)
                with self._transaction(raw):
                    yield connection
        except DBAPIError as error:
            raise translate(error.orig or error, self._path) from error.orig
        except sqlite3.Error as error:
            raise self.failed(error) from error

    @contextmanager
    def _transaction(self, raw: sqlite3.Connection) -> Iterator[None]:
        if not self._writer.acquire(timeout=self._settings.busy_timeout):
            raise UnavailableError(
                f"Another thread held the index {self._path} for longer than db.busy_timeout: try again."
            )
        try:
            # From the beginning: a transaction that becomes a writer half-way fails where another one was quicker.
            raw.execute("BEGIN IMMEDIATE")
            yield
            raw.execute("COMMIT")
        except BaseException:
            if raw.in_transaction:
                raw.rollback()
            raise
        finally:
            self._writer.release()

    def take(self) -> SqliteSession:
        """Return an idle connection."""
        self._require_open()
        try:
            return self._idle.pop()
        except IndexError:
            return SqliteSession(self._connect())

    def give_back(self, session: SqliteSession) -> None:
        """Keep a connection for the next one who asks."""
        if session.raw.in_transaction:
            session.raw.rollback()
        if self._closed or len(self._idle) >= _KEPT:
            session.raw.close()
        else:
            self._idle.append(session)

    def failed(self, error: sqlite3.Error) -> BackendError:
        """Return what an error of the driver means."""
        return translate(error, self._path)

    def close(self) -> None:
        """Close all connections; one that is in use is closed when it comes back."""
        self._closed = True
        for sessions in (self._idle, self._brief):
            while sessions:
                sessions.pop().raw.close()

    def after_fork(self) -> None:
        """Forget what belongs to the parent: a connection must not be used across a fork, nor be closed there."""
        _INHERITED.extend((*self._idle, *self._brief))
        self._idle, self._brief = [], []
        self._writer = threading.Lock()

    def _require_open(self) -> None:
        if self._closed:
            raise UnavailableError(f"The index {self._path} was closed: open it again.")

    def _connect(self, *, waits: bool = True) -> sqlite3.Connection:
        settings = self._settings
        connection = sqlite3.connect(
            settings.path,
            timeout=settings.busy_timeout if waits else 0.0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        try:
            connection.execute(f"PRAGMA synchronous={settings.synchronous}")
            connection.execute("PRAGMA foreign_keys=ON")
            if waits:
                connection.execute(f"PRAGMA cache_size={-1024 * settings.cache_mb}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_file(self) -> None:
        """Make the folder and an empty file that only this user reads: it will hold names of patients."""
        try:
            make_private_folder(self._path.parent)
            make_private_file(self._path)
            _require_usable(self._path)
        except OSError as error:
            what = f"The index {self._path} cannot be opened for writing: {error.strerror}"
            if isinstance(error, PermissionError | IsADirectoryError | NotADirectoryError | FileExistsError):
                raise RefusedError(f"{what}; name another file in db.path or change the permissions.") from error
            raise UnavailableError(f"{what}; check the disk.") from error

    def _use_write_ahead_log(self) -> None:
        """Let readers go on while one writes. The file remembers it."""
        backoff = Backoff(time_limit=self._settings.busy_timeout, first=0.02, longest=0.1)
        while True:
            try:
                with self.reading() as session:
                    if session.rows("PRAGMA journal_mode", ()) != [("wal",)]:
                        session.rows("PRAGMA journal_mode=WAL", ())
            except UnavailableError:
                # Several processes that open a new file at once: this pragma does not wait for a lock by itself.
                if not backoff.wait():
                    raise
            else:
                return


def _require_usable(path: Path) -> None:
    """Raise the OSError that opening it would raise."""
    if not path.is_file() or not os.access(path, os.R_OK | os.W_OK):
        wrong = errno.EISDIR if path.is_dir() else errno.EACCES
        raise OSError(wrong, os.strerror(wrong))  # an instance of the class that belongs to the number


class _Lent:
    """A connection for the length of a `with`; errors of the driver leave it translated."""

    __slots__ = ("_connections", "_session")

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def __enter__(self) -> SqliteSession:
        try:
            self._session = self._connections.take()
        except sqlite3.Error as error:
            raise self._connections.failed(error) from error
        return self._session

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, sqlite3.Error):
                # Python 3.11 takes a statement that failed for one in use, and compiles it anew each time from then on.
                self._session.raw.close()
            else:
                self._connections.give_back(self._session)
        except sqlite3.Error as failure:
            if error is None:
                raise self._connections.failed(failure) from failure
        if isinstance(error, sqlite3.Error):
            raise self._connections.failed(error) from error


_OPEN: weakref.WeakSet[Connections] = weakref.WeakSet()
_INHERITED: list[SqliteSession] = []


def _after_fork() -> None:
    for connections in list(_OPEN):
        connections.after_fork()


os.register_at_fork(after_in_child=_after_fork)
