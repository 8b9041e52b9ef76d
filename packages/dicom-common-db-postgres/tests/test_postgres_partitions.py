"""The logs in partitions, as the README makes them."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from dicom_common.core import ReceivedObject
from dicom_common.db.postgres import PostgresDatabase, Settings
from dicom_common.testing import make_received

README = Path(__file__).parent.parent / "README.md"


@pytest.mark.service("postgres")
def test_the_log_of_received_objects_works_in_partitions(index: Settings) -> None:
    [recipe] = re.findall(r"```sql\n([^`]*received_log[^`]*)```", README.read_text(encoding="utf-8"))
    first = datetime(2025, 12, 31, 23, 59, tzinfo=UTC)
    records = [make_received(number, time=first + timedelta(seconds=number)) for number in range(120)]
    with closing(PostgresDatabase(index)) as database, closing(_bare(index)) as connection:
        database.write_log(records[:100])
        connection.execute(recipe)

        database.write_log(records)
        assert database.read_log(ReceivedObject, "local", limit=50, newest_first=True) == records[:-51:-1]
        assert connection.execute("SELECT count(*) FROM received_log_2026").fetchone() == (60,)
        assert database.schema_differences() == []
        until = first + timedelta(seconds=30)
        assert [database.prune_log(ReceivedObject, before=until, limit=20) for _ in range(3)] == [20, 10, 0]
        connection.execute("DROP TABLE received_log_2026")
        assert database.read_log(ReceivedObject, "local") == records[30:60]


def _bare(settings: Settings) -> psycopg.Connection[tuple[int]]:
    return psycopg.connect(
        host=settings.host, port=settings.port, dbname=settings.database, user=settings.user, autocommit=True
    )
