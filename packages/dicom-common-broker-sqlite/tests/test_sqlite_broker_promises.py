from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dicom_common.broker.sqlite import Settings, SqliteBroker
from dicom_common.broker.sqlite._consumer import SqliteConsumer
from dicom_common.core import (
    BackendError,
    ConfigError,
    DamagedError,
    Delivery,
    HealthStatus,
    Message,
    PublishError,
    RefusedError,
    TooLargeError,
    UnavailableError,
)
from dicom_common.testing import health_of

FORK = multiprocessing.get_context("fork")
DAY = 86_400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "events.sqlite"


@pytest.fixture
def broker(path: Path) -> Iterator[SqliteBroker]:
    with closing(SqliteBroker(Settings(path=path, lease=1))) as broker:
        yield broker


def messages(count: int, start: int = 0) -> list[Message]:
    return [Message(key=f"k{number}", body=b"%d" % number) for number in range(start, start + count)]


def take(consumer: SqliteConsumer, count: int) -> list[Delivery]:
    taken: list[Delivery] = []
    deadline = time.monotonic() + 30
    while len(taken) < count and time.monotonic() < deadline:
        taken += consumer.receive(count - len(taken), timeout=1)
    return taken


def partitions(deliveries: list[Delivery]) -> set[int]:
    return {delivery.partition for delivery in deliveries}


def age(path: Path, days: float) -> None:
    """Make all messages older, as time would."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE messages SET published = published - ?", (days * DAY,))


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


# Members


def test_three_members_share_eight_partitions_evenly(path: Path) -> None:
    with closing(SqliteBroker(Settings(path=path))) as broker:
        members = [broker.consume(["t"], "g") for _ in range(3)]
        for _ in range(3):
            for member in members:
                member.receive(1, timeout=0)
        broker.publish("t", messages(400))
        shares = [partitions(member.receive(400, timeout=1)) for member in members]
        assert sorted(len(share) for share in shares) == [2, 3, 3]
        assert set.union(*shares) == set(range(8))
        for member in members:
            member.close()


def test_a_member_that_leaves_is_replaced_long_before_its_lease_ends(path: Path) -> None:
    with closing(SqliteBroker(Settings(path=path, lease=3600))) as broker:
        broker.publish("t", messages(40))
        with broker.consume(["t"], "g") as leaving:
            assert len(take(leaving, 40)) == 40
        with broker.consume(["t"], "g") as next_one:
            assert len(take(next_one, 40)) == 40


def test_what_is_in_flight_changes_hands_only_when_it_is_acknowledged(path: Path) -> None:
    with (
        closing(SqliteBroker(Settings(path=path))) as broker,
        broker.consume(["t"], "g") as first,
        broker.consume(["t"], "g") as second,
    ):
        broker.publish("t", messages(80))
        held = take(first, 80)
        second.receive(1, timeout=0)
        assert first.receive(1, timeout=0) == []
        assert second.receive(80, timeout=0.3) == []
        first.acknowledge(held)
        first.receive(1, timeout=0)
        broker.publish("t", messages(80, start=80))
        shares = partitions(second.receive(80, timeout=1)), partitions(first.receive(80, timeout=1))
        assert [len(share) for share in shares] == [4, 4]
        assert not shares[0] & shares[1]


def test_more_members_than_partitions_wait_without_harm(path: Path) -> None:
    with closing(SqliteBroker(Settings(path=path, partitions=1, lease=1))) as broker:
        broker.publish("t", messages(5))
        with broker.consume(["t"], "g") as first, broker.consume(["t"], "g") as second:
            assert len(take(first, 5)) == 5
            assert second.receive(5, timeout=0.2) == []
            first.close()
            assert len(take(second, 5)) == 5


def test_a_member_that_always_has_something_in_flight_still_gives_up_what_is_too_much(path: Path) -> None:
    with (
        closing(SqliteBroker(Settings(path=path, partitions=2))) as broker,
        broker.consume(["t"], "g") as busy,
        broker.consume(["t"], "g") as new,
    ):
        broker.publish("t", messages(2000))
        held = [busy.receive(10, timeout=1) for _ in range(6)]
        assert partitions(held[-2] + held[-1]) == {0, 1}
        new.receive(1, timeout=0)
        for _ in range(50):  # a pipeline: it takes more before it acknowledges what it has
            held.append(busy.receive(10, timeout=0))
            busy.acknowledge(held.pop(0))
            if new.receive(10, timeout=0):
                break
        else:
            pytest.fail("the new member was given nothing")


def test_a_member_that_was_given_up_gets_nothing_of_what_others_took_over(broker: SqliteBroker) -> None:
    broker.publish("t", messages(40))
    late = broker.consume(["t"], "g")
    held = take(late, 20)
    time.sleep(1.2)  # longer than its lease
    with broker.consume(["t"], "g") as other:
        again = take(other, 40)
        assert {each.message.body for each in held} <= {each.message.body for each in again}
        assert late.receive(40, timeout=0.2) == [], "two members were given the same at once"
        late.acknowledge(held)  # the work was done: nobody has to do it a third time
        other.acknowledge(again)
    late.close()
    assert broker.backlog("t", "g") == 0


def test_a_waiting_member_keeps_its_lease(broker: SqliteBroker, path: Path) -> None:
    with broker.consume(["t"], "g") as waiting, broker.consume(["t"], "g") as other:
        waiting.receive(1, timeout=0)
        other.receive(1, timeout=0)
        other.close()
        left: list[float] = []
        stop = threading.Event()
        watcher = threading.Thread(target=_watch_leases, args=(path, left, stop))
        watcher.start()
        assert waiting.receive(1, timeout=2.5) == []
        stop.set()
        watcher.join()
        assert min(left) > 0, "for a moment it counted as dead"
        broker.publish("t", messages(40))
        assert len(take(waiting, 40)) == 40


def test_a_member_that_acknowledges_keeps_its_lease(broker: SqliteBroker) -> None:
    broker.publish("t", messages(40))
    with broker.consume(["t"], "g") as busy:
        held = take(busy, 40)
        for first in (0, 10, 20):
            time.sleep(0.5)  # half of its lease
            busy.acknowledge(held[first : first + 10])
        with broker.consume(["t"], "g") as other:
            assert other.receive(40, timeout=0.3) == [], "for a moment it counted as dead"
        busy.acknowledge(held[30:])


def _watch_leases(path: Path, left: list[float], stop: threading.Event) -> None:
    with closing(sqlite3.connect(path)) as connection:
        while not stop.is_set():
            left += [lease - time.time() for (lease,) in connection.execute("SELECT lease FROM members")]
            time.sleep(0.01)


def test_a_lease_from_before_the_clock_was_set_back_is_void(broker: SqliteBroker, path: Path) -> None:
    broker.publish("t", messages(10))
    dead = broker.consume(["t"], "g")
    assert take(dead, 10)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE members SET lease = lease + 10 * 86400")
    with broker.consume(["t"], "g") as living:
        assert len(take(living, 10)) == 10
    dead.close()


def test_a_waiting_consumer_hardly_uses_the_processor(broker: SqliteBroker) -> None:
    with broker.consume(["t"], "g") as consumer:
        consumer.receive(1, timeout=0)
        wall, cpu = time.monotonic(), time.process_time()
        consumer.receive(1, timeout=2)
        assert time.process_time() - cpu < (time.monotonic() - wall) / 5


def test_acknowledging_what_was_never_published_is_refused(broker: SqliteBroker) -> None:
    broker.publish("t", messages(1))
    with broker.consume(["t"], "g") as consumer:
        [delivery] = take(consumer, 1)
        for change in ({"offset": delivery.offset + 1}, {"partition": 99}, {"topic": "other"}, {"offset": -1}):
            values = {"topic": delivery.topic, "partition": delivery.partition, "offset": delivery.offset, **change}
            with pytest.raises(ValueError, match="acknowledged"):
                consumer.acknowledge([Delivery(message=delivery.message, **values)])  # type: ignore[arg-type]  # of mixed types
    assert broker.backlog("t", "g") == 1


def test_single_acknowledgements_out_of_order_survive_a_close(broker: SqliteBroker) -> None:
    broker.publish("t", messages(80))
    with broker.consume(["t"], "g") as consumer:
        deliveries = take(consumer, 80)
        consumer.acknowledge(deliveries[1::2])
        assert broker.backlog("t", "g") == 40
    with broker.consume(["t"], "g") as consumer:
        again = take(consumer, 40)
        assert {each.message.body for each in again} == {each.message.body for each in deliveries[0::2]}
        assert consumer.receive(1, timeout=0) == []


# Retention


def test_old_messages_go_when_all_groups_have_acknowledged_them(broker: SqliteBroker, path: Path) -> None:
    broker.publish("t", messages(40))
    with broker.consume(["t"], "fast") as fast, broker.consume(["t"], "slow") as slow:
        fast.acknowledge(take(fast, 40))
        slow.acknowledge(take(slow, 40)[:30])
    age(path, 8)
    before = broker.backlog("t", "slow")
    with closing(SqliteBroker(Settings(path=path))) as other:
        other.publish("t", messages(1, start=100))  # the first publish of a process sweeps
        assert other.backlog("t", "slow") == before + 1 == 11
        assert other.backlog("t", "fast") == 1
        kept = other.backlog("t", "new")
        assert 11 <= kept < 41, "nothing was dropped, or something that was not acknowledged"
        with other.consume(["t"], "slow") as consumer:
            assert len(take(consumer, 11)) == 11
        with other.consume(["t"], "new") as consumer:
            assert len(take(consumer, kept)) == kept


def test_young_messages_stay_though_all_have_acknowledged_them(broker: SqliteBroker, path: Path) -> None:
    broker.publish("t", messages(20))
    with broker.consume(["t"], "g") as consumer:
        consumer.acknowledge(take(consumer, 20))
    age(path, 6)
    with closing(SqliteBroker(Settings(path=path))) as other:
        other.publish("t", messages(1))
        assert other.backlog("t", "new") == 21


def test_unacknowledged_messages_go_only_where_the_settings_say_so(broker: SqliteBroker, path: Path) -> None:
    broker.publish("t", messages(1500))
    broker.consume(["t"], "gone").close()
    age(path, 100)
    with closing(SqliteBroker(Settings(path=path))) as other:
        other.publish("t", messages(1))
        assert other.backlog("t", "gone") == 1501
    with closing(SqliteBroker(Settings(path=path, drop_unacknowledged_days=30))) as other:
        other.publish("t", messages(1))
        assert other.backlog("t", "gone") == other.backlog("t", "new") == 2
        with other.consume(["t"], "gone") as consumer:
            assert len(take(consumer, 2)) == 2


def test_what_no_group_ever_wanted_goes_too(broker: SqliteBroker, path: Path) -> None:
    broker.publish("t", messages(1200))
    age(path, 8)
    with closing(SqliteBroker(Settings(path=path))) as other:
        other.publish("t", messages(1))
        assert other.backlog("t", "new") == 1


# The file


def test_topics_keep_their_number_of_partitions(broker: SqliteBroker, path: Path) -> None:
    broker.publish("t", messages(100))
    with closing(SqliteBroker(Settings(path=path, partitions=2))) as other:
        other.publish("t", messages(100))
        other.publish("new", messages(100))
        with other.consume(["t", "new"], "g") as consumer:
            taken = take(consumer, 300)
    assert partitions([each for each in taken if each.topic == "t"]) == set(range(8))
    assert partitions([each for each in taken if each.topic == "new"]) == {0, 1}


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


def test_a_file_that_is_kept_busy_is_said_and_nothing_is_half_published(path: Path) -> None:
    with closing(SqliteBroker(Settings(path=path, timeout=0.2))) as broker:
        broker.publish("t", messages(1))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(PublishError, match="busy") as caught:
                broker.publish("t", messages(3))
            assert caught.value.failed == (0, 1, 2)
            assert isinstance(caught.value, UnavailableError)
            other.execute("ROLLBACK")
        broker.publish("t", messages(3))
        assert broker.backlog("t", "g") == 4


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


def test_messages_may_not_be_dropped_before_they_are_kept() -> None:
    with pytest.raises(ConfigError, match="drop_unacknowledged_days"):
        Settings(keep_days=7, drop_unacknowledged_days=3)


def test_every_commit_reaches_the_disk(broker: SqliteBroker) -> None:
    with broker._connected() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    consumer = broker.consume(["t"], "g")
    assert consumer._opened().execute("PRAGMA synchronous").fetchone() == (2,)
    consumer.close()


def test_a_message_that_is_too_large_is_told_and_nothing_of_its_batch_is_there(path: Path) -> None:
    with closing(SqliteBroker(Settings(path=path, max_message_bytes=10))) as broker:
        broker.publish("topic", [Message(key="k", body=bytes(10))])
        with pytest.raises(TooLargeError, match=r"broker\.max_message_bytes"):
            broker.publish("topic", [Message(key="k", body=b"small"), Message(key="k", body=bytes(11))])
        assert broker.backlog("topic", "readers") == 1
