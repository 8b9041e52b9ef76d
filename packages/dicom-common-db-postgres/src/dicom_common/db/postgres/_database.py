"""The index on a PostgreSQL server."""

from __future__ import annotations

from dicom_common.db.postgres._dialect import PostgresDialect
from dicom_common.db.postgres._driver import PsycopgDriver
from dicom_common.db.postgres._settings import Settings
from dicom_common.db.sql import SqlDatabase
from dicom_common.db.sql.server import Pool

__all__ = ["PostgresDatabase"]


class PostgresDatabase(SqlDatabase):
    """The index on a PostgreSQL server (12 or newer), for any number of threads, processes and machines.

    Opening connects, and makes the schema where it is not there (see `Settings.migrate`).

    Raises:
        UnavailableError: the server cannot be reached.
        RefusedError: it does not let this user in, or has no such database.
        BackendError: the schema is not the one that this code needs.
    """

    def __init__(self, settings: Settings) -> None:
        driver = PsycopgDriver(settings)
        pool = Pool(driver, size=settings.pool_size, timeout=settings.connect_timeout)
        super().__init__(PostgresDialect(pool, retry_timeout=settings.retry_timeout), driver.where)
        self.prepare_schema(settings.migrate)
