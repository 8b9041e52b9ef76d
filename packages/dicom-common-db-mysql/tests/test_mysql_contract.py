"""The contract of an index, kept by MySQL or MariaDB."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from uuid import uuid4

import MySQLdb
import pytest

from dicom_common.core import Database, DerivedRows, KeptFrames, Logs, Migrations, Revisions
from dicom_common.db.mysql import MysqlDatabase, Settings
from dicom_common.db.sql.expressions import metadata
from dicom_common.testing import DatabaseContract, Endpoint


@pytest.fixture(scope="module")
def prepared(service_finder: Callable[[str], Endpoint]) -> Iterator[Settings]:
    """A database with its tables: MySQL takes longer to make them than most tests take."""
    host, port = service_finder("mysql")
    name = f"contract_{uuid4().hex}"
    settings = Settings(host=host, port=port, user="root", database=name)
    with closing(MySQLdb.connect(host=host, port=port, user="root", autocommit=True)) as connection:
        connection.query(f"CREATE DATABASE {name}")
        MysqlDatabase(settings).close()
        yield settings
        connection.query(f"DROP DATABASE {name}")


def empty(settings: Settings) -> None:
    """Take all rows out, as soon as nobody uses the database: a child that was killed may have a last word there."""
    where = {"host": settings.host, "port": settings.port, "user": "root", "database": settings.database}
    with closing(MySQLdb.connect(**where)) as connection, connection.cursor() as cursor:
        asked = "SELECT 1 FROM information_schema.processlist WHERE db = %s AND id <> connection_id()"
        give_up = time.monotonic() + 60
        while cursor.execute(asked, (settings.database,)):
            assert time.monotonic() < give_up
            time.sleep(0.01)
        for table in reversed(metadata.sorted_tables):
            if table.name not in ("guard", "outbox_lease"):  # which have one row each, always
                cursor.execute(f"DELETE FROM {table.name}")
        cursor.execute("UPDATE outbox_lease SET relay = '', until = 0")
        connection.commit()


@pytest.mark.service("mysql")
class TestMysql(DatabaseContract):
    abilities = (DerivedRows, KeptFrames, Logs, Migrations, Revisions)

    @pytest.fixture
    def open_database(self, prepared: Settings) -> Callable[[], Database]:
        empty(prepared)
        return partial(MysqlDatabase, prepared)

    @pytest.fixture
    def open_at(self, prepared: Settings) -> Callable[[Endpoint], Database]:
        quick = replace(prepared, connect_timeout=1.0, statement_timeout=1.0, retry_timeout=1.0)
        return lambda endpoint: MysqlDatabase(replace(quick, host=endpoint.host, port=endpoint.port))
