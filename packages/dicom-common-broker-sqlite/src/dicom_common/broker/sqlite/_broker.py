"""The broker itself."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dicom_common.broker.sqlite._consumer import SqliteConsumer
from dicom_common.broker.sqlite._file import OFFSET_BITS, connect, translated, writing
from dicom_common.broker.sqlite._health import check_file
from dicom_common.broker.sqlite._retention import drop_old
from dicom_common.broker.sqlite._settings import Settings
from dicom_common.broker.sqlite._topics import ensure_topic, partition_of, partitions_of
from dicom_common.core import (
    BackendError,
    Health,
    Message,
    PublishError,
    TooLargeError,
    UnavailableError,
    validate_topic,
)

__all__ = ["SqliteBroker"]

_SWEEP_SECONDS = 600.0
_JOIN = {  # by `from_start`
    True: "INSERT OR IGNORE INTO positions (consumers, partition, position) SELECT ?, id, first FROM partitions"
    " WHERE id = ?",
    False: "INSERT OR IGNORE INTO positions (consumers, partition, position) SELECT ?, id, next FROM partitions"
    " WHERE id = ?",
}
_BACKLOG = """
SELECT coalesce(sum(
    p.next - max(p.first, coalesce(s.position, 0))
    - (SELECT count(*) FROM acknowledged a WHERE a.consumers = s.consumers AND a.partition = p.id)
), 0)
FROM topics t JOIN partitions p ON p.topic = t.id
LEFT JOIN positions s ON s.partition = p.id AND s.consumers = ?
WHERE t.name = ?
"""
_INHERITED: list[sqlite3.Connection] = []
"""Connections of a parent process. Closing one in a forked child could delete the log under the parent."""


class SqliteBroker:
    """Topics in a SQLite file, for the threads and processes of one machine.

    A message's partition follows from its key. A group's members share the partitions of a topic among themselves; each
    partition belongs to one member at a time, which is how messages of one key keep their order.

    Args:
        settings: where, and how.

    Raises:
        BackendError: the file cannot be opened or made.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = Path(os.path.abspath(settings.path))  # noqa: PTH100  # resolve() would follow symbolic links
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._connection: sqlite3.Connection | None = connect(self._path, settings.timeout)
        self._closed = False
        self._next_sweep = 0.0

    def publish(self, topic: str, messages: Sequence[Message]) -> None:
        """Publish in one transaction: all messages or none; see `Broker.publish`."""
        validate_topic(topic)
        if not messages:
            return
        if max(len(message.body) for message in messages) > self._settings.max_message_bytes:
            raise TooLargeError(
                f"The broker {self._path} takes no message of more than {self._settings.max_message_bytes} bytes: raise"
                " broker.max_message_bytes."
            )
        try:
            with self._connected() as connection:
                with writing(connection):
                    self._append(connection, topic, messages)
                self._sweep(connection)
        except UnavailableError as error:
            raise PublishError(str(error), tuple(range(len(messages)))) from error

    def consume(self, topics: Sequence[str], group: str, *, from_start: bool = True) -> SqliteConsumer:
        """Join a group; see `Broker.consume`. Topics that are missing are made."""
        if not topics or not group:
            raise ValueError("a consumer needs a group and at least one topic")
        partitions: dict[str, list[int]] = {}
        with self._connected() as connection, writing(connection):
            for topic in topics:
                ids = partitions[topic] = ensure_topic(connection, validate_topic(topic), self._settings.partitions)
                connection.executemany(_JOIN[from_start], [(group, partition) for partition in ids])
        connection = connect(self._path, self._settings.timeout)
        return SqliteConsumer(connection, self._path, group, partitions, self._settings)

    def backlog(self, topic: str, group: str) -> int:
        """Count what the group has not acknowledged; see `Broker.backlog`. For an unknown group, all that is kept."""
        validate_topic(topic)
        with self._connected() as connection:
            [(count,)] = connection.execute(_BACKLOG, (group, topic))
            return int(count)

    def forget(self, group: str) -> None:
        """Forget a group; see `Groups.forget`."""
        with self._connected() as connection, writing(connection):
            for table in ("positions", "acknowledged", "members"):
                connection.execute(f"DELETE FROM {table} WHERE consumers = ?", (group,))  # noqa: S608  # our own names

    def create_topics(self, topics: Iterable[str]) -> None:
        """Make the topics that are missing; see `Broker.create_topics`."""
        names = [validate_topic(topic) for topic in topics]
        with self._connected() as connection:
            if all(partitions_of(connection, name) for name in names):
                return
            with writing(connection):
                for name in names:
                    ensure_topic(connection, name, self._settings.partitions)

    def check(self) -> Health:
        """Write to the file and tell how much is in it; see `Broker.check`."""
        if self._closed:
            raise BackendError(f"The broker {self._path} is closed.")
        return check_file(self._path)

    def close(self) -> None:
        """Close the file; see `Broker.close`. Consumers live on until they are closed themselves."""
        self._closed = True
        if os.getpid() == self._process:
            with self._lock:
                connection, self._connection = self._connection, None
            if connection is not None:
                with suppress(sqlite3.Error):
                    connection.close()

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Give the connection to one thread at a time."""
        if os.getpid() != self._process:
            # A forked child: SQLite forbids to use the parent's connection, and the lock may be held by a thread
            # that exists only in the parent.
            self._lock = threading.Lock()
            self._process = os.getpid()
            if self._connection is not None:
                _INHERITED.append(self._connection)
                self._connection = None
        with self._lock, translated(self._path):
            if self._closed:
                raise BackendError(f"The broker {self._path} is closed.")
            if self._connection is None:
                self._connection = connect(self._path, self._settings.timeout)
            yield self._connection

    def _append(self, connection: sqlite3.Connection, topic: str, messages: Sequence[Message]) -> None:
        partitions = ensure_topic(connection, topic, self._settings.partitions)
        now = time.time()
        next_offset: dict[int, int] = {}
        rows = []
        for message in messages:
            partition = partitions[partition_of(message.key, len(partitions))]
            offset = next_offset.get(partition)
            if offset is None:
                [(offset,)] = connection.execute("SELECT next FROM partitions WHERE id = ?", (partition,))
            next_offset[partition] = offset + 1
            headers = json.dumps(dict(message.headers)) if message.headers else "{}"
            rows.append((partition << OFFSET_BITS | offset, now, message.key, message.body, headers))
        connection.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?)", rows)
        connection.executemany(
            "UPDATE partitions SET next = ? WHERE id = ?", [(end, partition) for partition, end in next_offset.items()]
        )

    def _sweep(self, connection: sqlite3.Connection) -> None:
        """Drop old messages now and then. The publish is done: that sweeping fails must not make it fail."""
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + _SWEEP_SECONDS
        with suppress(sqlite3.Error):
            drop_old(connection, time.time(), self._settings.keep_days, self._settings.drop_unacknowledged_days)
