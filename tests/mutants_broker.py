"""Faults in the broker in SQLite."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import replace
from typing import Any

from mutants import mutant

from dicom_common.broker.leases import GroupConsumer as Consumer
from dicom_common.broker.leases._members import Membership
from dicom_common.broker.leases._names import ALL_OFFSETS
from dicom_common.broker.sqlite import SqliteBroker as Broker, _broker, _file
from dicom_common.broker.sqlite._health import check_file
from dicom_common.broker.sqlite._store import SqliteStore
from dicom_common.core import BackendError, Message, PublishError, validate_topic

B = "broker"


# Publishing


@mutant(
    B,
    _broker,
    "connect",
    "durable",
    survives="only a power failure shows it: what a killed process wrote is in the page cache, and SQLite syncs in C,"
    " where no contract sees it. The broker's own tests read PRAGMA synchronous from each connection.",
)
def lost_fsync(original: Any, *arguments: Any) -> Any:
    connection = original(*arguments)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


@mutant(B, Broker, "_append", "large_batch")
def loses_the_last_of_a_batch(original: Any, self: Any, connection: Any, topic: str, messages: Any) -> None:
    original(self, connection, topic, messages[:-1] if len(messages) > 1 else messages)


@mutant(B, Broker, "_append", "large_batch")
def takes_a_thousand_at_most(original: Any, self: Any, connection: Any, topic: str, messages: Any) -> None:
    original(self, connection, topic, messages[:1000])


@mutant(B, Broker, "publish", "killed_publisher")
def acknowledges_before_it_has_published(original: Any, self: Any, topic: str, messages: Any) -> None:
    validate_topic(topic)
    self._connected().__enter__  # noqa: B018  # it may be closed
    if self._closed:
        raise BackendError("It is closed.")
    waiting = getattr(self, "waiting", None)
    if waiting is None:
        waiting = self.waiting = []

        def later() -> None:
            while not self._closed:
                time.sleep(0.05)
                while waiting:
                    original(self, *waiting.pop(0))

        threading.Thread(target=later, daemon=True).start()
    waiting.append((topic, messages))


@mutant(B, _broker, "partition_of", "order")
def shares_out_the_messages_of_a_key(_original: Any, _key: str, partitions: int) -> Any:
    return random.randrange(partitions)


@mutant(B, Broker, "_append", "arrives_as")
def drops_headers(original: Any, self: Any, connection: Any, topic: str, messages: Any) -> None:
    original(self, connection, topic, [Message(key=each.key, body=each.body) for each in messages])


@mutant(B, Broker, "_append", "arrives_as")
def strips_keys(original: Any, self: Any, connection: Any, topic: str, messages: Any) -> None:
    original(self, connection, topic, [replace(each, key=each.key.strip()[:255]) for each in messages])


@mutant(B, Broker, "publish", "nothing_published")
def refuses_an_empty_batch(original: Any, self: Any, topic: str, messages: Any) -> None:
    if not messages:
        raise PublishError("There is nothing to publish.", ())
    original(self, topic, messages)


@mutant(B, _broker, "validate_topic", "no_topic")
def takes_any_topic(_original: Any, name: str) -> Any:
    return name


@mutant(B, Broker, "create_topics", "creating_topics")
def creates_topics_anew(original: Any, self: Any, topics: Any) -> None:
    names = list(topics)
    original(self, names)
    with self._connected() as connection, _file.writing(connection):
        for name in names:
            connection.execute(
                "UPDATE partitions SET first = next WHERE topic IN (SELECT id FROM topics WHERE name = ?)", (name,)
            )


# Receiving


@mutant(B, Consumer, "receive", "larger_than")
def gives_more_than_was_asked_for(original: Any, self: Any, max_messages: int, *, timeout: float) -> Any:
    return original(self, max_messages + 2 if max_messages > 0 else max_messages, timeout=timeout)


@mutant(B, Consumer, "receive", "senseless")
def takes_senseless_limits(original: Any, self: Any, max_messages: int, *, timeout: float) -> Any:
    return original(self, max(max_messages, 1), timeout=max(timeout, 0))


@mutant(B, Consumer, "receive", "woken")
def does_not_wait(original: Any, self: Any, max_messages: int, *, timeout: float) -> Any:
    return original(self, max_messages, timeout=min(timeout, 0))


@mutant(B, Consumer, "receive", "order")
def gives_the_latest_first(original: Any, self: Any, max_messages: int, *, timeout: float) -> Any:
    return original(self, max_messages, timeout=timeout)[::-1]


@mutant(B, Consumer, "receive", "not_acknowledged")
def acknowledges_what_it_gives(original: Any, self: Any, max_messages: int, *, timeout: float) -> Any:
    found = original(self, max_messages, timeout=timeout)
    self.acknowledge(found)
    return found


@mutant(B, Consumer, "_delivered", "same_consumer")
def gives_the_same_again(original: Any, self: Any, found: Any) -> Any:
    before = {partition: reading.cursor for partition, reading in self._readings.items()}
    delivered = original(self, found)
    if len(delivered) > 1:
        for partition, reading in self._readings.items():
            reading.cursor = before[partition]
    return delivered


@mutant(B, Consumer, "receive", "one_place")
def counts_places_for_itself(original: Any, self: Any, max_messages: int, *, timeout: float) -> Any:
    found = original(self, max_messages, timeout=timeout)
    start = self.__dict__.get("given", 0)
    self.given = start + len(found)
    self.places = {**self.__dict__.get("places", {}), **{start + n: one for n, one in enumerate(found)}}
    return [replace(one, offset=start + n) for n, one in enumerate(found)]


@mutant(B, Consumer, "receive", "several_topics")
def mixes_topics_up(original: Any, self: Any, max_messages: int, *, timeout: float) -> Any:
    first = min(self._partitions)
    return [replace(one, topic=first) for one in original(self, max_messages, timeout=timeout)]


# Acknowledging


@mutant(B, Consumer, "acknowledge", "backlog")
def loses_acknowledgements(_original: Any, self: Any, _deliveries: Any) -> None:
    self._opened()


@mutant(B, Consumer, "acknowledge", "any_order")
def acknowledges_all_below(original: Any, self: Any, deliveries: Any) -> None:
    found = list(deliveries)
    below = [replace(one, offset=offset) for one in found for offset in range(one.offset + 1)]
    original(self, below)


@mutant(B, Consumer, "acknowledge", "backlog")
def acknowledges_all_but_the_last(original: Any, self: Any, deliveries: Any) -> None:
    original(self, list(deliveries)[:-1])


@mutant(B, Consumer, "acknowledge", "only_member")
def acknowledges_later(original: Any, self: Any, deliveries: Any) -> None:
    waiting = self.__dict__.setdefault("waiting", [])
    waiting += list(deliveries)
    if len(waiting) > 20:
        original(self, waiting[:])
        waiting.clear()


# Groups and members


@mutant(B, Broker, "consume", "two_groups")
def has_one_group(original: Any, self: Any, topics: Any, _group: str, **named: Any) -> Any:
    return original(self, topics, "all", **named)


@mutant(B, Broker, "consume", "new_group")
def always_begins_at_the_first(original: Any, self: Any, topics: Any, group: str, *, from_start: bool = True) -> Any:
    del from_start
    return original(self, topics, group)


@mutant(B, Broker, "consume", "known")
def begins_again_each_time(original: Any, self: Any, topics: Any, group: str, *, from_start: bool = True) -> Any:
    if from_start:
        self.forget(group)
    return original(self, topics, group, from_start=from_start)


@mutant(B, Broker, "consume", "known")
def skips_what_waits_for_a_known_group(
    original: Any, self: Any, topics: Any, group: str, *, from_start: bool = True
) -> Any:
    if not from_start:
        self.forget(group)
    return original(self, topics, group, from_start=from_start)


@mutant(B, Broker, "backlog", "backlog")
def counts_all_that_is_kept(original: Any, self: Any, topic: str, _group: str) -> Any:
    return original(self, topic, "nobody")


@mutant(B, Broker, "backlog", "backlog")
def counts_ten_at_most(original: Any, self: Any, topic: str, group: str) -> Any:
    return min(original(self, topic, group), 10)


@mutant(B, Membership, "_is_alive", "killed_member")
def forgets_that_leases_end(_original: Any, _self: Any, _name: str, _member: Any) -> Any:
    return True


@mutant(B, Membership, "_is_alive", "living_member")
def takes_what_others_own(_original: Any, _self: Any, _name: str, _member: Any) -> Any:
    return False


@mutant(B, Membership, "__init__", "order")
def ends_leases_at_once(original: Any, self: Any, member: str, *arguments: Any) -> None:
    partitions, lease, clock_error = arguments
    original(self, member, partitions, lease / 100, clock_error)


@mutant(B, Membership, "leaving", "sooner_after_its_close")
def keeps_what_it_had(_original: Any, _self: Any, group: Any) -> Any:
    return group


@mutant(B, Broker, "forget", "forgotten")
def forgets_no_group(_original: Any, _self: Any, _group: str) -> None:
    return None


@mutant(B, Broker, "forget", "forgotten")
def forgets_every_group(original: Any, self: Any, group: str) -> None:
    original(self, group)
    with self._connected() as connection:
        store = SqliteStore(connection, self._path)
        store.delete(store.names(ALL_OFFSETS))


# Life


@mutant(B, Broker, "check", "closing")
def is_well_when_it_is_closed(_original: Any, self: Any) -> Any:
    return check_file(self._path)


@mutant(B, Consumer, "close", "closing")
def gives_on_after_its_close(_original: Any, _self: Any) -> None:
    return None
