"""The logs in partitions, as the README makes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import MySQLdb
import pytest

from dicom_common.core import ReceivedObject
from dicom_common.db.mysql import MysqlDatabase, Settings
from dicom_common.testing import Endpoint, make_received

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture
def index(service_endpoint: Endpoint) -> Iterator[Settings]:
    host, port = service_endpoint
    name = f"partitions_{uuid4().hex}"
    with closing(MySQLdb.connect(host=host, port=port, user="root", autocommit=True)) as connection:
        connection.query(f"CREATE DATABASE {name}")
        yield Settings(host=host, port=port, user="root", database=name)
        connection.query(f"DROP DATABASE {name}")


@pytest.mark.service("mysql")
def test_the_log_of_received_objects_works_in_partitions(index: Settings) -> None:
    [recipe] = re.findall(r"```sql\n([^`]*received_log[^`]*)```", README.read_text(encoding="utf-8"))
    first = datetime(2025, 12, 31, 23, 59, tzinfo=UTC)
    records = [make_received(number, time=first + timedelta(seconds=number)) for number in range(120)]
    where = {"host": index.host, "port": index.port, "user": "root", "database": index.database}
    with (
        closing(MysqlDatabase(index)) as database,
        closing(MySQLdb.connect(autocommit=True, **where)) as connection,
        connection.cursor() as cursor,
    ):
        database.write_log(records[:100])
        cursor.execute(recipe)

        database.write_log(records)
        assert database.read_log(ReceivedObject, "local", limit=50, newest_first=True) == records[:-51:-1]
        cursor.execute("SELECT count(*) FROM received_log PARTITION (in_2026)")
        assert cursor.fetchone() == (60,)
        assert database.schema_differences() == []
        until = first + timedelta(seconds=30)
        assert [database.prune_log(ReceivedObject, before=until, limit=20) for _ in range(3)] == [20, 10, 0]
        cursor.execute("ALTER TABLE received_log DROP PARTITION in_2026")
        assert database.read_log(ReceivedObject, "local") == records[30:60]
