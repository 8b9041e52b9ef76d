"""What the dialects of database servers share: connections from a pool."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from sqlalchemy import Connection

from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._session import Session
from dicom_common.db.sql.server._pool import Pool

__all__ = ["ServerDialect"]


class ServerDialect(SqlDialect, ABC):
    """A database server: its connections come from a pool, and what passes is tried again."""

    attempts = 12  # with the pauses between them about ten seconds
    many_writers = True

    def __init__(self, pool: Pool, *, retry_timeout: float) -> None:
        self._pool, self.retry_timeout = pool, retry_timeout

    def reading(self) -> AbstractContextManager[Session]:
        """See `SqlDialect.reading`."""
        return self._pool.reading()

    def writing(self) -> AbstractContextManager[Session]:
        """See `SqlDialect.writing`."""
        return self._pool.writing()

    def migrating(self) -> AbstractContextManager[Connection]:
        """See `SqlDialect.migrating`."""
        return self._pool.migrating()

    def session(self, connection: Connection) -> Session:
        """See `SqlDialect.session`."""
        return self._pool.driver.session(connection.connection.driver_connection)

    def close(self) -> None:
        """See `SqlDialect.close`."""
        self._pool.close()

    @abstractmethod
    def guard(self, session: Session, *, exclusive: bool) -> None:
        """See `SqlDialect.guard`: without a default here, since a server has many writers."""
