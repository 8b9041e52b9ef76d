"""Connections to the file, lent one at a time to each thread; and writers in single file."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError, TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from dicom_common.core import RefusedError, UnavailableError
from dicom_common.db.sqlite._errors import translate
from dicom_common.db.sqlite._settings import Settings

__all__ = ["Connections"]

_POOLED = 8
"""Connections that are kept open; more are opened while more threads ask."""


class Connections:
    """The connections of one process to one file. After a fork the child opens its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = settings.path
        self._closed = False
        # Threads of this process wait for each other here, in turn and without polling; processes by SQLite's lock.
        self._writer = threading.Lock()
        self._make_file()
        self.engine = create_engine(
            "sqlite://",
            creator=self._connect,
            poolclass=QueuePool,
            pool_size=_POOLED,
            max_overflow=-1,
            hide_parameters=True,
        )
        _forked(self)
        self._use_write_ahead_log()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Lend a connection. Each statement sees what was committed before it."""
        with self._lent() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Lend a connection that has the write lock, and commit."""
        if not self._writer.acquire(timeout=self._settings.busy_timeout):
            raise UnavailableError(
                f"Another thread held the index {self._path} for longer than db.busy_timeout: try again."
            )
        try:
            with self._lent() as connection:
                # From the beginning: a transaction that becomes a writer half-way fails where another one was quicker.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
                connection.commit()
        finally:
            self._writer.release()

    def close(self) -> None:
        """Close all connections."""
        self._closed = True
        self.engine.dispose()

    def after_fork(self) -> None:
        """Forget what belongs to the parent: SQLite's connections must not cross a fork."""
        self._writer = threading.Lock()
        self.engine.dispose(close=False)

    @contextmanager
    def _lent(self) -> Iterator[Connection]:
        if self._closed:
            raise UnavailableError(f"The index {self._path} was closed.")
        try:
            with self.engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise translate(error.orig or error, self._path) from error.orig
        except sqlite3.Error as error:
            raise translate(error, self._path) from error
        except PoolTimeoutError as error:
            raise UnavailableError(f"No connection to the index {self._path} became free: try again.") from error

    def _connect(self) -> sqlite3.Connection:
        settings = self._settings
        connection = sqlite3.connect(
            settings.path,
            timeout=settings.busy_timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        try:
            connection.execute(f"PRAGMA synchronous={settings.synchronous}")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute(f"PRAGMA cache_size={-1024 * settings.cache_mb}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_file(self) -> None:
        """Make the folder and an empty file that only this user reads: it will hold names of patients."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            what = f"The index {self._path} cannot be opened for writing: {error.strerror}"
            if isinstance(error, PermissionError | IsADirectoryError | NotADirectoryError | FileExistsError):
                raise RefusedError(f"{what}; name another file in db.path or change the permissions.") from error
            raise UnavailableError(f"{what}; look at the disk.") from error

    def _use_write_ahead_log(self) -> None:
        """Let readers go on while one writes. The file remembers it."""
        end = time.monotonic() + self._settings.busy_timeout
        while True:
            try:
                with self._lent() as connection:
                    mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
                    if mode != "wal":
                        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            except UnavailableError:
                # Several processes that open a new file at once: this pragma does not wait for a lock by itself.
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
            else:
                return


_OPEN: weakref.WeakSet[Connections] = weakref.WeakSet()


def _forked(connections: Connections) -> None:
    _OPEN.add(connections)


def _after_fork() -> None:
    for connections in list(_OPEN):
        connections.after_fork()


os.register_at_fork(after_in_child=_after_fork)
