"""Many writers on one server, servers that are restarted, forks, and the schema."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from dicom_common.core import (
    AddStatus,
    BackendError,
    Event,
    HealthStatus,
    Level,
    OneOf,
    Query,
    QueryError,
    UnavailableError,
)
from dicom_common.db.postgres import PostgresDatabase, Settings, dicom_common_db
from dicom_common.testing import health_of, make_entry, make_instance

GUARD = 60
"""Seconds after which a thread that hangs fails the test."""


def count(database: PostgresDatabase) -> int:
    return database.count(Query(tenant="local", level=Level.INSTANCE))


def in_a_child(work: Callable[[], None]) -> None:
    """Run work in a forked child; fail where it fails."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - nothing may escape into pytest's copy
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_plugin_offers_it_under_its_name() -> None:
    backend = dicom_common_db()
    assert (backend.name, backend.settings) == ("postgres", Settings)


def test_importing_the_plugin_does_not_import_alembic() -> None:
    code = "import dicom_common.db.postgres, sys; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_an_ingest_goes_on_when_the_server_is_restarted_and_loses_nothing(own_server: Any, number: int) -> None:
    database = PostgresDatabase(own_server.made())
    acknowledged: list[str] = []
    stop = threading.Event()

    def ingest(writer: int) -> None:
        batch = 0
        while not stop.is_set():
            entries = [make_entry(make_instance(batch * 5 + n, study=writer)) for n in range(5)]
            try:
                outcomes = database.add(entries)
            except UnavailableError as error:
                assert "commit" in str(error)  # all else is tried again  # noqa: PT017 - in a thread
                continue
            assert {one.status for one in outcomes} <= {AddStatus.ADDED, AddStatus.SAME}
            acknowledged.extend(entry.instance.sop_uid for entry in entries)
            batch += 1

    with closing(database), ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(ingest, writer) for writer in range(3)]
        for _ in range(2):
            before, end = len(acknowledged), time.monotonic() + GUARD
            while len(acknowledged) < before + 50 and time.monotonic() < end:
                time.sleep(0.01)
            own_server.stop(number)
            own_server.start()
        before, end = len(acknowledged), time.monotonic() + GUARD
        while len(acknowledged) < before + 50 and time.monotonic() < end:
            time.sleep(0.01)
        stop.set()
        for writer in writers:
            writer.result(GUARD)
        assert len(acknowledged) > 100
        assert set(database.stored("local", acknowledged)) == set(acknowledged)
        assert count(database) >= len(set(acknowledged))
        studies = database.find(Query(tenant="local", level=Level.STUDY))
        assert sum(int(str(study["NumberOfStudyRelatedInstances"])) for study in studies) == count(database)


def test_a_search_does_not_fail_because_the_server_was_restarted(own_server: Any) -> None:
    with closing(PostgresDatabase(own_server.made())) as database:
        database.add([make_entry()])
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: count(database), range(20)))
            own_server.stop()
            assert health_of(database).status is HealthStatus.FAILED
            with pytest.raises(UnavailableError, match=r"db\.host"):
                count(database)
            own_server.start()
            assert list(pool.map(lambda _: count(database), range(20))) == [1] * 20


def test_a_connection_that_the_server_ended_is_replaced(own_server: Any) -> None:
    settings = own_server.made()
    with closing(PostgresDatabase(settings)) as database, closing(own_server.bare(settings.database)) as other:
        for number in range(5):
            assert database.add([make_entry(make_instance(number))])[0].status is AddStatus.ADDED
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                          " AND pid <> pg_backend_pid()")  # fmt: skip
            assert count(database) == number + 1


@pytest.mark.service("postgres")
def test_a_discard_waits_for_an_add_that_is_about_to_refer_to_the_key(index: Settings) -> None:
    with closing(PostgresDatabase(index)) as database, ThreadPoolExecutor(1) as pool:
        entry = make_entry(key="local/the-key")
        discards = []

        def while_it_runs(_: Any) -> list[Event]:
            discards.append(pool.submit(database.discard, ["local/the-key"]))
            time.sleep(0.3)
            assert not discards[0].done()
            return []

        assert database.add([entry], events=while_it_runs)[0].status is AddStatus.ADDED
        assert discards[0].result(GUARD) == []
        assert database.discarded(10) == []


@pytest.mark.service("postgres")
def test_an_add_waits_for_a_discard_of_its_key_and_is_told(index: Settings) -> None:
    with closing(PostgresDatabase(index)) as database, ThreadPoolExecutor(1) as pool:
        with database._dialect.writing() as session:
            database._dialect.guard(session, exclusive=True)
            adding = pool.submit(database.add, [make_entry(key="local/the-key")])
            time.sleep(0.3)
            assert not adding.done()
            database._discarded.enter(session, ["local/the-key"])
        assert adding.result(GUARD)[0].status is AddStatus.RETIRED


@pytest.mark.service("postgres")
def test_writers_of_overlapping_batches_do_not_see_deadlocks_nor_lose_counts(index: Settings) -> None:
    with closing(PostgresDatabase(index)) as database:

        def write(writer: int) -> None:
            for turn in range(6):
                entries = [
                    make_entry(
                        make_instance(n % 9, study=(n * (writer + 1) + turn) % 7, patient_id=f"P{n % 3}"),
                        tenant=("local", "other")[(n + writer) % 2],
                        key=f"k/{writer}/{turn}/{n}",
                        replace=n % 5 == 0,
                    )
                    for n in range(40)
                ]
                database.add(entries, events=lambda outcomes: [
                    Event(tenant="local", topic="t", key="k", body=b"{}") for one in outcomes if one.key
                ])  # fmt: skip
                if turn % 3 == 2:
                    database.remove("local", f"1.2.3.{writer % 7}")

        with ThreadPoolExecutor(6) as pool:
            for writing in [pool.submit(write, writer) for writer in range(6)]:
                writing.result(GUARD)
        for tenant in ("local", "other"):
            instances = database.find(Query(tenant=tenant, level=Level.INSTANCE))
            studies = database.find(Query(tenant=tenant, level=Level.STUDY))
            patients = database.find(Query(tenant=tenant, level=Level.PATIENT))
            for rows, name in (
                (studies, "NumberOfStudyRelatedInstances"),
                (patients, "NumberOfPatientRelatedInstances"),
            ):
                assert sum(int(str(row[name])) for row in rows) == len(instances)
            assert len({row["StudyInstanceUID"] for row in instances}) == len(studies)
        referred = {stored.key for stored in database.walk()}
        assert not referred & set(database.discarded(100_000))


@pytest.mark.service("postgres")
def test_the_events_of_a_series_keep_the_order_in_which_its_instances_came(index: Settings) -> None:
    with closing(PostgresDatabase(index)) as database:

        def write(writer: int) -> None:
            for turn in range(10):
                entry = make_entry(make_instance(writer * 100 + turn))
                database.add([entry], events=lambda outcomes: [
                    Event(tenant="local", topic="t", key="k", body=b"%d" % outcomes[0].series_instances)
                ])  # fmt: skip

        with ThreadPoolExecutor(5) as pool:
            list(pool.map(write, range(5)))
        bodies = [int(event.body) for event in database.pending(1000, relay="r", lease=60)]
        assert bodies == list(range(1, 51))


@pytest.mark.kills
@pytest.mark.service("postgres")
def test_a_forked_child_has_connections_of_its_own(index: Settings) -> None:
    with closing(PostgresDatabase(index)) as database:
        database.add([make_entry(make_instance(1))])

        def work() -> None:
            assert count(database) == 1
            database.add([make_entry(make_instance(2))])

        with database._dialect.reading() as session:  # as if a thread were reading while it forks
            in_a_child(work)
            assert session.rows("SELECT 7", ()) == [(7,)]
        database.add([make_entry(make_instance(3))])
        assert count(database) == 3


@pytest.mark.service("postgres")
def test_many_threads_may_make_the_schema_at_once(empty: Settings) -> None:
    def open_and_add(number: int) -> None:
        with closing(PostgresDatabase(empty)) as database:
            database.add([make_entry(make_instance(number))])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(open_and_add, range(6)))
    with closing(PostgresDatabase(empty)) as database:
        assert count(database) == 6


@pytest.mark.service("postgres")
def test_a_newer_schema_is_refused(index: Settings) -> None:
    with closing(PostgresDatabase(index)) as database, database._dialect.writing() as session:
        session.run("UPDATE schema_version SET version_num = '9999'", ())
    with pytest.raises(BackendError, match="9999, which is newer than"):
        PostgresDatabase(index)


@pytest.mark.service("postgres")
def test_without_migration_on_open_an_empty_database_is_refused(empty: Settings) -> None:
    never = Settings(host=empty.host, port=empty.port, database=empty.database, user=empty.user, migrate="never")
    with pytest.raises(BackendError, match="no schema yet: run `dicom-common migrate`"):
        PostgresDatabase(never)
    PostgresDatabase(empty).close()
    PostgresDatabase(never).close()


@pytest.mark.service("postgres")
@pytest.mark.parametrize("value", ["1.2.3.1\0", "\0", "\ud800", "1.2.3.1\ud800", "{1.2.3.1}", '"', "\\", "NULL", ","])
def test_what_no_text_can_be_is_refused_and_what_arrays_are_made_of_is_not_found(index: Settings, value: str) -> None:
    with closing(PostgresDatabase(index)) as database:
        database.add([make_entry()])
        for keyword in ("StudyInstanceUID", "AccessionNumber", "PatientName"):
            query = Query(tenant="local", level=Level.STUDY, conditions=(OneOf(keyword, (value,)),))
            if "\0" in value or "\ud800" in value:
                with pytest.raises(QueryError, match=keyword):
                    database.find(query)
            else:
                assert database.find(query) == []
        assert database.stored("local", [value]) == {}
        assert database.owners([value]) == {}
        assert list(database.instances("local", value)) == []


@pytest.mark.service("postgres")
def test_an_index_that_was_committed_is_said_to_last_only_where_the_server_syncs(index: Settings) -> None:
    with closing(PostgresDatabase(index)) as database:
        health = health_of(database)
    lasting = health.facts["fsync"] == "on"
    assert health.facts["synchronous_commit"] == "on"
    assert health.status is (HealthStatus.OK if lasting else HealthStatus.DEGRADED)
    assert {"server_version", "latency_ms", "pool_size", "pool_in_use", "read_only", "connections"} <= set(health.facts)


@pytest.mark.service("postgres")
def test_the_dicom_json_is_compressed_quickly_where_the_server_can(index: Settings) -> None:
    with closing(PostgresDatabase(index)) as database, database._dialect.reading() as session:
        ((version,),) = session.rows("SELECT current_setting('server_version_num')::int", ())
        if version < 140000:
            pytest.skip("a server before PostgreSQL 14")
        ((able,),) = session.rows("SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = $1",
                                  ("default_toast_compression",))  # fmt: skip
        ((chosen,),) = session.rows(
            "SELECT attcompression FROM pg_attribute WHERE attrelid = 'instance_json'::regclass AND attname = $1",
            ("metadata",),
        )
        assert chosen in ((b"l", "l") if able else (b"", ""))
