"""The broker's file: shared by processes, on disk at each commit, and refused by name where it cannot be used."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from broker_messages import messages

from dicom_common.broker.sqlite import Settings, SqliteBroker
from dicom_common.broker.sqlite._store import SqliteStore
from dicom_common.core import BackendError, DamagedError, HealthStatus, Message, PublishError, RefusedError
from dicom_common.testing import health_of

FORK = multiprocessing.get_context("fork")


def in_child(work: Callable[[], str]) -> str:
    receiving, sending = FORK.Pipe(duplex=False)
    process = FORK.Process(target=lambda: sending.send(work()))
    process.start()
    sending.close()
    assert receiving.poll(60)
    answer = receiving.recv()
    process.join(60)
    assert isinstance(answer, str)
    return answer


def test_many_processes_may_make_the_file_at_once(path: Path) -> None:
    def work(number: int) -> None:
        with closing(SqliteBroker(Settings(path=path))) as broker:
            broker.publish("t", messages(5, start=number * 5))

    workers = [FORK.Process(target=work, args=(number,)) for number in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 6
    with closing(SqliteBroker(Settings(path=path))) as broker:
        assert broker.backlog("t", "g") == 30


def test_a_forked_child_uses_a_connection_of_its_own(broker: SqliteBroker) -> None:
    broker.publish("t", messages(1))

    def work() -> str:
        broker.publish("t", messages(1, start=1))
        broker.close()
        return "done"

    assert in_child(work) == "done"
    broker.publish("t", messages(1, start=2))
    assert broker.backlog("t", "g") == 3


def test_a_file_that_is_no_database_is_named(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"something else that is long enough to be looked at" * 100)
    with pytest.raises(DamagedError, match=str(path)):
        SqliteBroker(Settings(path=path))


def test_another_programs_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE theirs (a)")
    with pytest.raises(RefusedError, match="another program"):
        SqliteBroker(Settings(path=path))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


def test_a_file_of_a_newer_version_is_refused(broker: SqliteBroker, path: Path) -> None:
    broker.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(RefusedError, match="newer version"):
        SqliteBroker(Settings(path=path))


def test_a_full_disk_is_said_and_loses_nothing(path: Path) -> None:
    def work() -> str:
        # A file-size limit stops a write in its middle as a full disk does, and needs no disk of its own.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        broker = SqliteBroker(Settings(path=path))
        broker.publish("t", messages(10))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
        try:
            broker.publish("t", [Message(key="k", body=bytes(4 << 20))])
        except PublishError as error:
            return f"{broker.backlog('t', 'g')} {error}"
        return "no error"

    answer = in_child(work)
    assert answer.startswith(f"10 The broker's file {path} ")
    with closing(SqliteBroker(Settings(path=path))) as broker:
        assert broker.backlog("t", "g") == 10
        broker.publish("t", messages(1))
        assert health_of(broker).status is not HealthStatus.FAILED


def test_a_folder_that_must_not_be_written_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    for parent in folder.parents:
        if "pytest-" in str(parent):
            parent.chmod(0o755)

    def work() -> str:
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        said = []
        for path in (folder / "events.sqlite", folder / "new" / "events.sqlite"):
            try:
                SqliteBroker(Settings(path=path))
            except BackendError as error:
                said.append(f"{type(error).__name__} {error}")
        return "\n".join(said)

    first, second = in_child(work).splitlines()
    assert first.startswith("RefusedError")
    assert second.startswith("RefusedError")
    assert str(folder) in first


def test_check_fails_where_the_file_cannot_be_used(broker: SqliteBroker, path: Path) -> None:
    assert health_of(broker).status is HealthStatus.OK
    broker.publish("t", messages(7))
    assert health_of(broker).facts["messages"] == 7
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        health = health_of(broker)
        assert health.status is HealthStatus.FAILED
        assert "busy" in health.detail


def test_every_commit_reaches_the_disk(broker: SqliteBroker) -> None:
    with broker._connected() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    consumer = broker.consume(["t"], "g")
    store = consumer._opened()
    assert isinstance(store, SqliteStore)
    assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    consumer.close()
