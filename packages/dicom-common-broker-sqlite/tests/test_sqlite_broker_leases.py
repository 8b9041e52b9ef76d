"""Leases of members: what keeps one, what ends it, and what waiting under one costs."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from broker_messages import messages, take

from dicom_common.broker.sqlite import Settings, SqliteBroker


def test_a_member_that_leaves_is_replaced_long_before_its_lease_ends(path: Path) -> None:
    with closing(SqliteBroker(Settings(path=path, lease=3600))) as broker:
        broker.publish("t", messages(40))
        with broker.consume(["t"], "g") as leaving:
            assert len(take(leaving, 40)) == 40
        with broker.consume(["t"], "g") as next_one:
            assert len(take(next_one, 40)) == 40


LEASE = Settings().lease


def test_a_member_that_was_given_up_gets_nothing_of_what_others_took_over(broker: SqliteBroker, clock: Any) -> None:
    broker.publish("t", messages(40))
    late = broker.consume(["t"], "g")
    held = take(late, 20)
    clock.ahead += LEASE + 1
    with broker.consume(["t"], "g") as other:
        again = take(other, 40)
        assert {each.message.body for each in held} <= {each.message.body for each in again}
        assert late.receive(40, timeout=0.2) == [], "two members were given the same at once"
        late.acknowledge(held)  # the work was done: nobody has to do it a third time
        other.acknowledge(again)
    late.close()
    assert broker.backlog("t", "g") == 0


def test_a_waiting_member_keeps_its_lease(path: Path) -> None:
    lease = 5.0  # two thirds of it are left when it is renewed: for so long a busy machine may leave the member alone
    with (
        closing(SqliteBroker(Settings(path=path, lease=lease))) as broker,
        broker.consume(["t"], "g") as waiting,
        broker.consume(["t"], "g") as other,
    ):
        waiting.receive(1, timeout=0)
        other.receive(1, timeout=0)
        other.close()
        left: list[float] = []
        stop = threading.Event()
        watcher = threading.Thread(target=_watch_leases, args=(path, left, stop))
        watcher.start()
        assert waiting.receive(1, timeout=lease + 1) == []
        stop.set()
        watcher.join()
        assert min(left) > 0, "for a moment it counted as dead"
        broker.publish("t", messages(40))
        assert len(take(waiting, 40)) == 40


def test_a_member_that_acknowledges_keeps_its_lease(broker: SqliteBroker, clock: Any) -> None:
    broker.publish("t", messages(40))
    with broker.consume(["t"], "g") as busy:
        held = take(busy, 40)
        for first in (0, 10, 20):
            clock.ahead += LEASE / 2
            busy.acknowledge(held[first : first + 10])
        with broker.consume(["t"], "g") as other:
            assert other.receive(40, timeout=0.3) == [], "for a moment it counted as dead"
        busy.acknowledge(held[30:])


def _watch_leases(path: Path, left: list[float], stop: threading.Event) -> None:
    with closing(sqlite3.connect(path)) as connection:
        while not stop.is_set():
            [(record,)] = connection.execute("SELECT value FROM records WHERE name = 'members/g'")
            left += [until - time.time() for _, until, _ in json.loads(record)["members"].values()]
            time.sleep(0.01)


def test_a_lease_from_before_the_clock_was_set_back_is_void(path: Path) -> None:
    broker = SqliteBroker(Settings(path=path, lease=1))
    broker.publish("t", messages(10))
    dead = broker.consume(["t"], "g")
    assert take(dead, 10)
    with closing(sqlite3.connect(path)) as connection, connection:
        [(record,)] = connection.execute("SELECT value FROM records WHERE name = 'members/g'")
        group = json.loads(record)
        for lease in group["members"].values():
            lease[1] += 10 * 86400
        changed = json.dumps(group).encode()
        connection.execute("UPDATE records SET value = ?, version = version + 1 WHERE name = 'members/g'", (changed,))
    with broker.consume(["t"], "g") as living:
        assert len(take(living, 10)) == 10
    dead.close()
    broker.close()


def test_a_waiting_consumer_hardly_uses_the_processor(broker: SqliteBroker) -> None:
    with broker.consume(["t"], "g") as consumer:
        consumer.receive(1, timeout=0)
        wall, cpu = time.monotonic(), time.process_time()
        consumer.receive(1, timeout=2)
        assert time.process_time() - cpu < (time.monotonic() - wall) / 5
