"""Servers that change under us: a primary that becomes a standby, sessions that others end, a writer that freezes."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from dicom_common.core import AddStatus, HealthStatus, Level, Query, UnavailableError
from dicom_common.db.postgres import PostgresDatabase
from dicom_common.db.sql.testing import FrozenWriterContract
from dicom_common.testing import health_of, make_entry, make_instance

pytestmark = pytest.mark.kills

GUARD = 60
"""Seconds after which what hangs fails the test."""


def instances(database: PostgresDatabase) -> int:
    return database.count(Query(tenant="local", level=Level.INSTANCE))


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + GUARD
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_database_that_is_read_only_for_a_while_is_written_when_it_is_not(own_server: Any) -> None:
    settings = own_server.made(retry_timeout=GUARD)
    with (
        closing(PostgresDatabase(settings)) as database,
        closing(own_server.bare()) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        database.add([make_entry(make_instance(1))])
        # For new sessions only: those that are open are ended, as a failover ends them.
        other.execute(f"ALTER DATABASE {settings.database} SET default_transaction_read_only = on")
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (settings.database,))
        adding = pool.submit(database.add, [make_entry(make_instance(2))])
        until(lambda: health_of(database).facts.get("read_only") is True)
        assert instances(database) == 1
        assert not adding.done()
        other.execute(f"ALTER DATABASE {settings.database} SET default_transaction_read_only = off")
        # Its sessions still believe it: only those that are opened anew may write.
        assert adding.result(GUARD)[0].status is AddStatus.ADDED
        assert instances(database) == 2


def test_a_standby_is_read_and_written_once_it_is_promoted(own_server: Any, standby: Any) -> None:
    settings = own_server.made()
    with closing(PostgresDatabase(settings)) as database:
        database.add([make_entry(make_instance(1))])
    second = standby(own_server)
    with closing(PostgresDatabase(replace(settings, port=second.port, retry_timeout=0.3))) as database:
        assert instances(database) == 1
        with pytest.raises(UnavailableError, match=r"standby.*db\.host"):
            database.add([make_entry(make_instance(2))])
        health = health_of(database)
        assert (health.status, health.facts["read_only"]) == (HealthStatus.FAILED, True)
        with ThreadPoolExecutor(1) as pool:
            database._dialect.retry_timeout = GUARD
            adding = pool.submit(database.add, [make_entry(make_instance(2))])
            second.promote()
            assert adding.result(GUARD)[0].status is AddStatus.ADDED
        assert instances(database) == 2
        assert health_of(database).facts["read_only"] is False


def test_sessions_that_are_ended_again_and_again_lose_and_double_nothing(own_server: Any) -> None:
    settings = own_server.made(pool_size=3, retry_timeout=GUARD)
    with closing(PostgresDatabase(settings)) as database, closing(own_server.bare(settings.database)) as other:
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
                other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                              " WHERE datname = current_database() AND pid <> pg_backend_pid()")  # fmt: skip
            for writing in writers:
                writing.result(GUARD)
        assert (instances(database), len(added)) == (90, 90)
        studies = database.find(Query(tenant="local", level=Level.STUDY))
        assert [study["NumberOfStudyRelatedInstances"] for study in studies] == [30] * 3


class TestFrozenWriter(FrozenWriterContract):
    @pytest.fixture
    def open_limited(self, own_server: Any) -> Callable[[], PostgresDatabase]:
        return partial(PostgresDatabase, own_server.made(lock_timeout=6))
