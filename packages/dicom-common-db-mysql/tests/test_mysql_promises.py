"""What the index on MySQL promises beside the contract: a server that dies, text as it was, many processes."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from typing import Any
from uuid import uuid4

import MySQLdb
import pytest

from dicom_common.core import Entry, Event, HealthStatus, Level, Like, OneOf, Query, UnavailableError
from dicom_common.db.mysql import MysqlDatabase, Settings, dicom_common_db
from dicom_common.dicom import parse_query
from dicom_common.testing import Endpoint, health_of, make_entry, make_instance

NASTY = (
    "' OR 1=1--",
    "\\' OR 1=1 -- ",
    "'; DROP TABLE study; --",
    "\\",
    "\\\\",
    "|",
    "||",
    "%",
    "_",
    "[a-z]",
    "%s",
    "%(x)s",
    '"',
    "`",
    "\x1a",
    "a\nb",
    "\U0001f600",
)
service = pytest.mark.service("mysql")


@pytest.fixture
def settings(service_endpoint: Endpoint) -> Iterator[Settings]:
    host, port = service_endpoint
    name = f"t{uuid4().hex}"
    with MySQLdb.connect(host=host, port=port, user="root", autocommit=True) as connection:
        connection.query(f"CREATE DATABASE {name}")
        yield Settings(host=host, port=port, user="root", database=name)
        connection.query(f"DROP DATABASE {name}")


def of_private(server: Any, **fields: Any) -> Settings:
    return Settings(host="127.0.0.1", port=server.port, user="root", **fields)


def found(database: MysqlDatabase, keys: dict[str, str]) -> list[str]:
    rows = database.find(parse_query("local", Level.STUDY, keys))
    return [str(row["StudyInstanceUID"]) for row in rows]


def keep_nasty_text(settings: Settings) -> None:
    """Add a study for each nasty text, and find each by its own text only."""
    with closing(MysqlDatabase(settings)) as database:
        entries = [
            make_entry(make_instance(1, study=n, patient_id=text, accession_number=text, image_type=(text, "X")))
            for n, text in enumerate(NASTY)
        ]
        database.add(entries)
        for n, text in enumerate(NASTY):
            uid = entries[n].instance.study_uid
            (row,) = database.find(parse_query("local", Level.INSTANCE, {"StudyInstanceUID": uid}))
            assert (row["PatientID"], row["ImageType"]) == (text, (text, "X"))
            literal = Query(tenant="local", level=Level.STUDY, conditions=(Like("PatientID", f"{text}*"),))
            assert uid in [row["StudyInstanceUID"] for row in database.find(literal)]
            if not set("*?\\\n\x1a") & set(text):  # which mean something in a query, or are no text of one
                assert found(database, {"AccessionNumber": text}) == [uid]
        assert database.count(Query(tenant="local", level=Level.STUDY)) == len(NASTY)


def test_the_plugin_offers_it_under_its_name() -> None:
    backend = dicom_common_db()
    assert (backend.name, backend.settings) == ("mysql", Settings)


@service
def test_text_is_never_read_as_sql(settings: Settings) -> None:
    keep_nasty_text(settings)


@pytest.mark.kills
def test_nor_is_it_whatever_the_server_takes_for_an_escape(private_server: Callable[..., Any]) -> None:
    keep_nasty_text(of_private(private_server("--sql-mode=NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PIPES_AS_CONCAT")))


@service
def test_spaces_at_the_end_and_case_tell_patients_apart(settings: Settings) -> None:
    ids = ["p1", "p1 ", "P1", "p1  ", "é", "e", "e\u0301"]
    with closing(MysqlDatabase(settings)) as database:
        database.add([make_entry(make_instance(1, study=n, patient_id=text)) for n, text in enumerate(ids)])
        rows = database.find(Query(tenant="local", level=Level.PATIENT))
        assert [row["PatientID"] for row in rows] == sorted(ids)


@service
def test_keys_are_walked_in_the_order_of_their_bytes(settings: Settings) -> None:
    keys = ["b", "B", "a" * 1024, "a", "é", "z", "\uffff", "\U0001f600", "a "]
    with closing(MysqlDatabase(settings)) as database:
        database.add([make_entry(make_instance(n), key=key) for n, key in enumerate(keys)])
        assert [stored.key for stored in database.walk()] == sorted(keys, key=str.encode)
        assert set(database.owners(keys)) == set(keys)


@service
def test_it_says_what_it_is_connected_to(settings: Settings) -> None:
    with closing(MysqlDatabase(settings)) as database:
        health = health_of(database)
        lasting = health.facts["flush_log_at_commit"] == 1
        assert health.status is (HealthStatus.OK if lasting else HealthStatus.DEGRADED)
        assert health.facts["isolation"] == "READ-COMMITTED"
        assert health.facts["product"] in ("MySQL", "MariaDB")
        assert (health.facts["tls"], health.facts["pool_size"]) == ("none", 8)


@pytest.mark.kills
@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--innodb-flush-log-at-trx-commit=0",), "innodb_flush_log_at_trx_commit = 1"),
        (("--innodb-flush-log-at-trx-commit=2",), "innodb_flush_log_at_trx_commit = 1"),
        (("--innodb-flush-log-at-trx-commit=1", "--log-bin=b", "--sync-binlog=0", "--server-id=1"), "sync_binlog = 1"),
        (("--innodb-flush-log-at-trx-commit=1", "--skip-innodb-doublewrite"), "innodb_doublewrite = ON"),
        (("--innodb-flush-log-at-trx-commit=1", "--read-only=1"), "db.host"),  # root may write all the same
        (("--innodb-flush-log-at-trx-commit=1",), None),
    ],
)
def test_a_server_that_may_lose_what_it_acknowledged_is_told_of(
    private_server: Callable[..., Any], options: tuple[str, ...], named: str | None
) -> None:
    server = private_server(*options)
    with closing(MysqlDatabase(of_private(server))) as database:
        health = health_of(database)
        assert health.status is (HealthStatus.DEGRADED if named else HealthStatus.OK)
        assert named is None or named in health.detail


@pytest.mark.kills
@service
def test_a_forked_child_has_connections_and_keys_of_its_own(settings: Settings) -> None:
    with closing(MysqlDatabase(settings)) as database:
        database.add([make_entry(make_instance(0))])
        children = []
        for number in (1, 2, 3):
            child = os.fork()
            if child == 0:
                code = 1
                with suppress(BaseException):
                    database.add([make_entry(make_instance(number))])
                    code = 0
                os._exit(code)
            children.append(child)
        database.add([make_entry(make_instance(4))])
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
        assert database.count(Query(tenant="local", level=Level.INSTANCE)) == 5


@service
def test_many_who_open_an_empty_database_at_once_make_its_tables_once(settings: Settings) -> None:
    errors: list[BaseException] = []

    def opens() -> None:
        try:
            MysqlDatabase(settings).close()
        except BaseException as error:  # noqa: BLE001 - told to the test
            errors.append(error)

    threads = [threading.Thread(target=opens) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def ingest(
    database: MysqlDatabase, batches: Sequence[Sequence[Entry]], done: list[Entry], ended: threading.Event
) -> None:
    """Add batches, each again until it is acknowledged, as the pipeline does."""
    events = lambda outcomes: [Event(tenant="local", topic="t", key="k", body=b"{}") for _ in outcomes]  # noqa: E731
    for batch in batches:
        while True:
            with suppress(UnavailableError):
                database.add(batch, events=events)
                break
        done.extend(batch)
    ended.set()


@pytest.mark.kills
def test_an_ingest_goes_on_when_the_server_is_killed_and_started_again(private_server: Callable[..., Any]) -> None:
    server = private_server()
    batches = [[make_entry(make_instance(n * 20 + m, study=n % 7)) for m in range(20)] for n in range(60)]
    done: list[Entry] = []
    ended = threading.Event()
    with closing(MysqlDatabase(of_private(server))) as database:
        worker = threading.Thread(target=ingest, args=(database, batches, done, ended))
        worker.start()
        for kill in (1, 2):
            while len(done) < kill * 200:
                time.sleep(0.005)
            server.stop(signal.SIGKILL)
            acknowledged = list(done)
            time.sleep(0.2)
            server.restart()
            there = database.stored("local", [entry.instance.sop_uid for entry in acknowledged])
            assert len(there) == len(acknowledged)
        assert ended.wait(120)
        worker.join()
        assert database.count(Query(tenant="local", level=Level.INSTANCE)) == 1200
        patients = database.find(Query(tenant="local", level=Level.PATIENT))
        assert sum(int(str(row["NumberOfPatientRelatedInstances"])) for row in patients) == 1200
        assert database.backlog().events >= 1200


@pytest.mark.kills
def test_a_server_that_is_gone_is_said_within_seconds_and_found_again(private_server: Callable[..., Any]) -> None:
    server = private_server()
    with closing(MysqlDatabase(of_private(server, connect_timeout=5, retry_timeout=2))) as database:
        server.stop(signal.SIGKILL)
        start = time.monotonic()
        assert health_of(database).status is HealthStatus.FAILED
        with pytest.raises(UnavailableError):
            database.add([make_entry()])
        with pytest.raises(UnavailableError):
            database.stored("local", ["1.2"])
        assert time.monotonic() - start < 60  # a guard against hanging
        server.restart()
        database.add([make_entry()])
        assert health_of(database).status is not HealthStatus.FAILED


@service
def test_items_of_a_list_are_compared_as_all_text_is(settings: Settings) -> None:
    values = ["山田", "Zürich", "a", "a ", "A", "50%"]
    with closing(MysqlDatabase(settings)) as database:
        database.add([make_entry(make_instance(1, study=n, image_type=("X", text))) for n, text in enumerate(values)])
        for n, text in enumerate(values):
            query = Query(tenant="local", level=Level.INSTANCE, conditions=(OneOf("ImageType", (text,)),))
            assert [row["StudyInstanceUID"] for row in database.find(query)] == [make_instance(1, study=n).study_uid]
