"""Servers that change under us: read-only for a while, connections that others kill, a writer that freezes."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from typing import Any

import MySQLdb
import pytest

from dicom_common.core import AddStatus, HealthStatus, Level, Query, Secret, UnavailableError
from dicom_common.db.mysql import MysqlDatabase, Settings
from dicom_common.db.sql.testing import FrozenWriterContract
from dicom_common.testing import health_of, make_entry, make_instance

pytestmark = pytest.mark.kills

GUARD = 60
"""Seconds after which what hangs fails the test."""


def instances(database: MysqlDatabase) -> int:
    return database.count(Query(tenant="local", level=Level.INSTANCE))


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + GUARD
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def server(private_server: Callable[..., Any]) -> Any:
    """Start a server with a user that is bound to `read_only`, as root is not."""
    server = private_server()
    server.run("CREATE OR REPLACE USER writer IDENTIFIED BY 'made-up'", "GRANT ALL ON dicom_common.* TO writer")
    return server


def settings(server: Any, **more: Any) -> Settings:
    return Settings(host="127.0.0.1", port=server.port, user="writer", password=Secret("made-up"), **more)


def sessions(server: Any) -> list[int]:
    with server.connect() as connection:
        connection.query("SELECT id FROM information_schema.processlist WHERE user = 'writer'")
        return [int(row[0]) for row in connection.store_result().fetch_row(0)]


def test_a_server_that_is_read_only_for_a_while_is_written_when_it_is_not(server: Any) -> None:
    with closing(MysqlDatabase(settings(server, retry_timeout=GUARD))) as database, ThreadPoolExecutor(1) as pool:
        database.add([make_entry(make_instance(1))])
        server.run("SET GLOBAL read_only = 1")
        adding = pool.submit(database.add, [make_entry(make_instance(2))])
        health = health_of(database)
        assert health.status is HealthStatus.FAILED
        assert "db.host" in health.detail
        assert (instances(database), adding.done()) == (1, False)
        server.run("SET GLOBAL read_only = 0")
        assert adding.result(GUARD)[0].status is AddStatus.ADDED
        assert instances(database) == 2


def test_a_connection_to_a_server_that_was_demoted_is_not_used_again(server: Any) -> None:
    with closing(MysqlDatabase(settings(server, retry_timeout=0.01))) as database:
        database.add([make_entry(make_instance(1))])
        before = sessions(server)
        server.run("SET GLOBAL read_only = 1")
        # Also what would write nothing: what a demoted server has may be old.
        with pytest.raises(UnavailableError):
            database.add([make_entry(make_instance(1))])
        server.run("SET GLOBAL read_only = 0")
        assert database.add([make_entry(make_instance(2))])[0].status is AddStatus.ADDED
        with database._dialect.reading() as session:
            ((now,),) = session.rows("SELECT connection_id()", ())
        assert now not in before


def test_connections_that_are_killed_again_and_again_lose_and_double_nothing(server: Any) -> None:
    with closing(MysqlDatabase(settings(server, retry_timeout=GUARD, pool_size=3))) as database:
        added: list[AddStatus] = []

        def write(writer: int) -> None:
            for number in range(30):
                entry = make_entry(make_instance(number, study=writer))
                while len(added) < 90:
                    try:
                        added.append(database.add([entry])[0].status)
                        break
                    except UnavailableError as error:
                        assert "commit" in str(error)  # noqa: PT017 - in a thread

        with ThreadPoolExecutor(3) as pool:
            writers = [pool.submit(write, writer) for writer in range(3)]
            for ended in range(1, 9):
                until(lambda: len(added) >= ended * 10 or all(one.done() for one in writers))  # noqa: B023 - called here
                for number in sessions(server):
                    with suppress(MySQLdb.OperationalError):  # it has gone by itself
                        server.run(f"KILL {number}")
            for writing in writers:
                writing.result(GUARD)
        assert (instances(database), len(added)) == (90, 90)
        studies = database.find(Query(tenant="local", level=Level.STUDY))
        assert [study["NumberOfStudyRelatedInstances"] for study in studies] == [30] * 3


class TestFrozenWriter(FrozenWriterContract):
    @pytest.fixture
    def open_limited(self, server: Any) -> Callable[[], MysqlDatabase]:
        return partial(MysqlDatabase, settings(server, lock_timeout=6))
