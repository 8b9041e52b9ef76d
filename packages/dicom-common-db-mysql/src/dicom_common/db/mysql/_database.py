"""The index on a MySQL or MariaDB server."""

from __future__ import annotations

from dicom_common.db.mysql._dialect import MysqlDialect
from dicom_common.db.mysql._settings import Settings
from dicom_common.db.sql import SqlDatabase

__all__ = ["MysqlDatabase"]


class MysqlDatabase(SqlDatabase):
    """The index on a MySQL or MariaDB server, for any number of threads, processes and machines.

    Opening connects, and makes the tables where they are not there (see `Settings.migrate`).

    Raises:
        UnavailableError: the server cannot be reached.
        RefusedError: it does not let the user in, or has no such database.
        BackendError: the server is too old, or the schema is not the one that this code needs.
    """

    def __init__(self, settings: Settings) -> None:
        dialect = MysqlDialect(settings)
        super().__init__(dialect, dialect.where)
        self.prepare_schema(settings.migrate)
