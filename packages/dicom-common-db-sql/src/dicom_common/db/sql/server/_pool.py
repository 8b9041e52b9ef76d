"""Connections to a server: SQLAlchemy's pool, with the driver's own connections in it.

SQLAlchemy's `Connection` costs more for each call than a near server takes to answer. So its pool is used and nothing
else of it, except where the schema is changed.
"""

from __future__ import annotations

import os
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError, TimeoutError as NoneFreeError
from sqlalchemy.pool import NullPool, PoolProxiedConnection, QueuePool

from dicom_common.core import BackendError, UnavailableError
from dicom_common.db.sql._session import Session

__all__ = ["Driver", "Pool"]

_FRESH = 1.0
"""Seconds for which a connection that was just used is taken to be alive. Asking the server each time would double the
time of a small search; what dies within the second is found by the statement itself, which is tried again."""


class Driver(ABC):
    """What a pool has to know of a driver. Connections are in autocommit mode but for what `begin` begins."""

    url: str
    """For SQLAlchemy, where the schema is changed: the names of dialect and driver, as `postgresql+psycopg://`."""
    where: str
    """What the database is called in messages: "The index NAME on HOST"."""
    errors: tuple[type[Exception], ...]
    """The driver's exceptions."""

    @abstractmethod
    def connect(self) -> Any:
        """Open a connection, in autocommit mode, with all time limits set."""

    def connect_patiently(self) -> Any:
        """Open a connection for a change of the schema, where one statement may take long."""
        return self.connect()

    @abstractmethod
    def session(self, raw: Any) -> Session:
        """Wrap a connection; done once for each."""

    @abstractmethod
    def translate(self, error: BaseException) -> BackendError:
        """Return what an error means, in one sentence without a value of a row.

        `PassingError` where it passes, `GoneError` where another connection is needed for that.
        """

    @abstractmethod
    def lost(self, raw: Any, error: BaseException) -> bool:
        """Tell whether an error means that the connection is of no more use."""

    @abstractmethod
    def undone(self, error: BaseException) -> bool:
        """Tell whether an error says that the transaction was undone, though it may be the answer to a commit.

        As where a server says that it takes no writes. Any other connection that is lost during a commit leaves open
        whether the commit happened.
        """

    @abstractmethod
    def unused(self, raw: Any) -> bool:
        """Tell whether a connection that comes back is in no transaction."""

    @abstractmethod
    def ping(self, raw: Any) -> None:
        """Ask the server for a sign of life; any of `errors` means that it does not answer."""

    @abstractmethod
    def begin(self, raw: Any) -> None:
        """Begin a transaction."""

    def commit(self, raw: Any) -> None:
        """End a transaction: when this returns, it is durable."""
        raw.commit()

    def rollback(self, raw: Any) -> None:
        """Undo a transaction."""
        raw.rollback()

    @abstractmethod
    def lock_schema(self, raw: Any) -> None:
        """Keep others from changing the schema until this connection ends its transaction."""

    @abstractmethod
    def unlock_schema(self, raw: Any) -> None:
        """Undo `lock_schema` where the end of the transaction does not."""


class _Kept:
    """What is kept beside a connection."""

    __slots__ = ("generation", "session", "used")

    def __init__(self, session: Session, generation: int) -> None:
        self.session, self.generation, self.used = session, generation, 0.0


class Pool:
    """The connections of one process to one database. After a fork the child opens its own.

    Args:
        driver: the driver.
        size: how many connections there are at most.
        timeout: seconds that a thread waits for one that is free.
    """

    def __init__(self, driver: Driver, *, size: int, timeout: float) -> None:
        self.driver, self.size, self.timeout = driver, size, timeout
        self._closed = False
        self._generation = 0  # another one whenever the server was lost: connections of before are not trusted
        self._queue = self._new()
        _OPEN.add(self)

    def _new(self) -> QueuePool:
        return QueuePool(
            self.driver.connect,
            pool_size=self.size,
            max_overflow=0,
            timeout=self.timeout,
            use_lifo=True,  # those that are not needed stay idle, and a server may end them
            reset_on_return=None,  # done here, without a round trip where nothing was begun
        )

    @property
    def in_use(self) -> int:
        """How many connections are lent now."""
        return self._queue.checkedout()

    def reading(self) -> _Lent:
        """Lend a connection. Each statement sees what was committed before it."""
        return _Lent(self)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Lend a connection in a transaction, and commit."""
        lent = _Lent(self)
        with lent as session:  # which undoes what was not committed
            self.driver.begin(lent.raw)
            yield session
            lent.commits = True
            self.driver.commit(lent.raw)

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Lend what `writing` lends as a connection of SQLAlchemy, while no other process changes the schema."""
        self._require_open()
        driver = self.driver
        # On a connection of its own: SQLAlchemy rolls back and closes what it has, whenever it finds the time.
        engine = create_engine(driver.url, creator=driver.connect_patiently, poolclass=NullPool, hide_parameters=True)
        try:
            # The transaction is ours, and begins when SQLAlchemy has tried the connection.
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                raw: Any = connection.connection.driver_connection
                driver.begin(raw)
                try:
                    driver.lock_schema(raw)
                    yield connection
                    driver.commit(raw)
                except BaseException:
                    with suppress(*driver.errors):
                        driver.rollback(raw)
                    raise
                finally:
                    with suppress(*driver.errors):
                        driver.unlock_schema(raw)
        except DBAPIError as error:
            raise driver.translate(error.orig or error) from error.orig
        except driver.errors as error:
            raise driver.translate(error) from error

    def take(self) -> tuple[PoolProxiedConnection, _Kept]:
        """Return an idle connection that is alive."""
        while True:
            self._require_open()
            try:
                proxy = self._queue.connect()
            except NoneFreeError as error:
                raise UnavailableError(
                    f"All {self.size} connections to {self.driver.where} were in use for {self.timeout:g} seconds:"
                    " raise db.pool_size, or try again."
                ) from error
            except self.driver.errors as error:
                raise self.driver.translate(error) from error
            kept: _Kept | None = proxy.info.get("kept")
            if kept is None:
                kept = proxy.info["kept"] = _Kept(self.driver.session(proxy.dbapi_connection), self._generation)
                return proxy, kept
            if kept.generation == self._generation and self._alive(proxy, kept):
                return proxy, kept
            proxy.invalidate()

    def _alive(self, proxy: PoolProxiedConnection, kept: _Kept) -> bool:
        if time.monotonic() - kept.used < _FRESH:
            return True
        try:
            self.driver.ping(proxy.dbapi_connection)
        except self.driver.errors:
            self._generation += 1
            return False
        return True

    def forget(self, proxy: PoolProxiedConnection, kept: _Kept) -> None:
        """Close a connection that is of no more use; the others are replaced when their turn comes."""
        if kept.generation == self._generation:
            self._generation += 1
        proxy.invalidate()

    def give_back(self, proxy: PoolProxiedConnection, kept: _Kept, *, unknown: bool) -> None:
        """Take a connection back; what was not committed on it is undone.

        Args:
            proxy: the connection.
            kept: what is kept beside it.
            unknown: the state of the connection is not known: it is closed.
        """
        if unknown or self._closed:
            proxy.invalidate()
            return
        try:
            if not self.driver.unused(proxy.dbapi_connection):
                self.driver.rollback(proxy.dbapi_connection)
        except self.driver.errors:
            proxy.invalidate()
        else:
            kept.used = time.monotonic()
            proxy.close()

    def close(self) -> None:
        """Close all connections; one that is in use is closed when it comes back."""
        self._closed = True
        self._queue.dispose()

    def after_fork(self) -> None:
        """Forget what belongs to the parent: a connection must not be used across a fork, nor be closed there."""
        _INHERITED.append(self._queue)
        self._queue = self._new()

    def _require_open(self) -> None:
        if self._closed:
            raise UnavailableError(f"{self.driver.where} was closed: open it again.")


class _Lent:
    """A connection for the length of a `with`; errors of the driver leave it translated."""

    __slots__ = ("_kept", "_pool", "_proxy", "commits", "raw")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.commits = False

    def __enter__(self) -> Session:
        self._proxy, self._kept = self._pool.take()
        self.raw: Any = self._proxy.dbapi_connection
        return self._kept.session

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        driver = self._pool.driver
        if error is None or not isinstance(error, driver.errors):
            # What is no Exception, such as a KeyboardInterrupt, may have come in the middle of a statement.
            unknown = error is not None and not isinstance(error, Exception)
            self._pool.give_back(self._proxy, self._kept, unknown=unknown)
            return
        lost = driver.lost(self.raw, error)
        if lost:
            self._pool.forget(self._proxy, self._kept)
        else:
            self._pool.give_back(self._proxy, self._kept, unknown=False)
        if lost and self.commits and not driver.undone(error):
            raise UnavailableError(
                f"The connection to {driver.where} was lost during a commit, and it is not known whether what was"
                " written is there: do it again."
            ) from error
        raise driver.translate(error) from error


_OPEN: weakref.WeakSet[Pool] = weakref.WeakSet()
_INHERITED: list[QueuePool] = []


def _after_fork() -> None:
    for pool in list(_OPEN):
        pool.after_fork()


os.register_at_fork(after_in_child=_after_fork)
