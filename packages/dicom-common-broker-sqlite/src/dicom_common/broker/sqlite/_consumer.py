"""A member of a consumer group."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from dicom_common.broker.sqlite._file import OFFSET_BITS, OFFSET_MASK, reading, translated, writing
from dicom_common.broker.sqlite._membership import Membership
from dicom_common.broker.sqlite._settings import Settings
from dicom_common.core import BackendError, Delivery, Message

__all__ = ["SqliteConsumer"]

_LONGEST_PAUSE = 0.05
_LOOK_SECONDS = 1.0
"""A lease that ends is no write to the file: so often a waiting member looks by itself."""


@dataclass(slots=True)
class _Reading:
    """How far this member has read a partition that it owns."""

    topic: str
    number: int
    cursor: int
    skip: set[int]
    """Offsets from the cursor on that the group acknowledged before."""
    in_flight: set[int] = field(default_factory=set)


class SqliteConsumer:
    """A member of a group; made by `SqliteBroker.consume`. Belongs to one thread; see `Consumer`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        group: str,
        partitions: Mapping[str, list[int]],
        settings: Settings,
    ) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._path = path
        self._group = group
        self._lease = settings.lease
        self._membership = Membership(os.urandom(16).hex(), group, partitions, settings.lease)
        self._places = {
            partition: (topic, number) for topic, ids in partitions.items() for number, partition in enumerate(ids)
        }
        self._ids = {place: partition for partition, place in self._places.items()}
        self._readings: dict[int, _Reading] = {}
        self._turn = 0

    def receive(self, max_messages: int, *, timeout: float) -> list[Delivery]:
        """Wait for messages; see `Consumer.receive`."""
        if max_messages < 1 or timeout < 0:
            raise ValueError("max_messages of a receive must be at least 1, and its timeout not negative")
        deadline = time.monotonic() + timeout
        connection = self._opened()
        with translated(self._path):
            while True:
                version = _data_version(connection)
                if found := self._look(connection, max_messages):
                    return found
                if time.monotonic() >= deadline:
                    return []
                _wait_for_a_change(connection, version, min(deadline, time.monotonic() + self._look_interval()))

    def acknowledge(self, deliveries: Iterable[Delivery]) -> None:
        """Say that deliveries are dealt with; see `Consumer.acknowledge`.

        What another member has taken over meanwhile may be acknowledged, too: the work is done.
        """
        by_partition: dict[int, set[int]] = {}
        for delivery in deliveries:
            partition = self._ids.get((delivery.topic, delivery.partition))
            if partition is None:
                raise ValueError("a delivery that is acknowledged must be of one of the consumer's topics")
            by_partition.setdefault(partition, set()).add(delivery.offset)
        connection = self._opened()
        if not by_partition:
            return
        with translated(self._path), writing(connection):
            for partition, offsets in by_partition.items():
                self._advance(connection, partition, offsets)
            self._membership.renew(connection, time.time())
        for partition, offsets in by_partition.items():
            if (state := self._readings.get(partition)) is not None:
                state.in_flight -= offsets

    def close(self) -> None:
        """Leave the group; see `Consumer.close`. Where the file cannot be written, the lease ends by itself."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self._readings.clear()
        with suppress(sqlite3.Error), writing(connection):
            self._membership.leave(connection)
        with suppress(sqlite3.Error):
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise BackendError(f"The consumer of {self._path} is closed.")
        return self._connection

    def _look_interval(self) -> float:
        return min(_LOOK_SECONDS, self._lease / 4)

    def _look(self, connection: sqlite3.Connection, max_messages: int) -> list[Delivery]:
        """Look once: renew and share where that is due, then take what there is."""
        while True:
            # Who owns what, and the messages, are read in one state: what was taken from us is not delivered by us.
            with reading(connection):
                view = self._membership.view(connection, time.time(), self._busy())
                if view.settled:
                    self._adopt(connection, view.owned)
                    return self._fetch(connection, max_messages, view.draining)
            with writing(connection):
                self._membership.apply(connection, time.time(), self._busy())

    def _busy(self) -> set[int]:
        return {partition for partition, state in self._readings.items() if state.in_flight}

    def _adopt(self, connection: sqlite3.Connection, owned: frozenset[int]) -> None:
        """Forget what is no longer ours and begin what is new."""
        for partition in self._readings.keys() - owned:
            del self._readings[partition]
        for partition in owned & self._places.keys() - self._readings.keys():
            [(position,)] = connection.execute(
                "SELECT position FROM positions WHERE consumers = ? AND partition = ?", (self._group, partition)
            )
            above = connection.execute(
                "SELECT position FROM acknowledged WHERE consumers = ? AND partition = ?", (self._group, partition)
            )
            topic, number = self._places[partition]
            self._readings[partition] = _Reading(topic, number, position, {offset for (offset,) in above})

    def _fetch(self, connection: sqlite3.Connection, max_messages: int, draining: frozenset[int]) -> list[Delivery]:
        found: list[Delivery] = []
        partitions = sorted(self._readings.keys() - draining)
        if not partitions:
            return found
        query = f"SELECT id, next FROM partitions WHERE id IN ({','.join('?' * len(partitions))})"  # noqa: S608  # marks only
        ends = dict(connection.execute(query, partitions).fetchall())
        # Each call begins with another partition, so that a full one does not starve the others.
        self._turn += 1
        start = self._turn % len(partitions)
        for partition in partitions[start:] + partitions[:start]:
            state = self._readings[partition]
            while len(found) < max_messages and state.cursor < ends[partition]:
                found += self._read_on(connection, partition, state, max_messages - len(found), ends[partition])
        return found

    def _read_on(
        self, connection: sqlite3.Connection, partition: int, state: _Reading, limit: int, end: int
    ) -> list[Delivery]:
        base = partition << OFFSET_BITS
        rows = connection.execute(
            "SELECT id, key, body, headers FROM messages WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            (base | state.cursor, base | end, limit),
        ).fetchall()
        found = []
        for identity, key, body, headers in rows:
            offset = identity & OFFSET_MASK
            if offset in state.skip:
                continue
            message = Message(key=key, body=body, headers=json.loads(headers) if headers != "{}" else {})
            found.append(Delivery(topic=state.topic, message=message, partition=state.number, offset=offset))
        state.in_flight.update(delivery.offset for delivery in found)
        state.cursor = (rows[-1][0] & OFFSET_MASK) + 1 if len(rows) == limit else end
        return found

    def _advance(self, connection: sqlite3.Connection, partition: int, offsets: set[int]) -> None:
        """Acknowledge offsets of a partition: the position moves over all that are acknowledged without a gap."""
        place = (self._group, partition)
        [(position, end)] = connection.execute(
            "SELECT position, next FROM positions JOIN partitions ON id = partition"
            " WHERE consumers = ? AND partition = ?",
            place,
        )
        if not all(0 <= offset < end for offset in offsets):
            raise ValueError("a delivery that is acknowledged must be of a message that was published")
        before = {
            offset
            for (offset,) in connection.execute(
                "SELECT position FROM acknowledged WHERE consumers = ? AND partition = ?", place
            )
        }
        done = before | offsets
        while position in done:
            position += 1
        connection.execute(
            "UPDATE positions SET position = ? WHERE consumers = ? AND partition = ?", (position, *place)
        )
        connection.execute(
            "DELETE FROM acknowledged WHERE consumers = ? AND partition = ? AND position < ?", (*place, position)
        )
        connection.executemany(
            "INSERT OR IGNORE INTO acknowledged VALUES (?, ?, ?)",
            [(*place, offset) for offset in offsets - before if offset > position],
        )


def _data_version(connection: sqlite3.Connection) -> int:
    """Return a number that changes when another connection commits; it costs no disk access."""
    [(version,)] = connection.execute("PRAGMA data_version")
    return int(version)


def _wait_for_a_change(connection: sqlite3.Connection, version: int, until: float) -> None:
    pause = 0.001
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(pause, left))
        if _data_version(connection) != version:
            return
        pause = min(pause * 1.5, _LONGEST_PAUSE)
