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

from dicom_common.broker.leases import GroupConsumer, backlog, forget, join, partition_of
from dicom_common.broker.sqlite._file import connect, reading, translated, writing
from dicom_common.broker.sqlite._health import check_file
from dicom_common.broker.sqlite._retention import drop_old
from dicom_common.broker.sqlite._schema import OFFSET_BITS
from dicom_common.broker.sqlite._settings import Settings
from dicom_common.broker.sqlite._store import SqliteStore
from dicom_common.broker.sqlite._topics import ensure_topic, partitions_of
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

    def consume(self, topics: Sequence[str], group: str, *, from_start: bool = True) -> GroupConsumer:
        """Join a group; see `Broker.consume`. Topics that are missing are made."""
        self.create_topics(topics)
        store = SqliteStore(connect(self._path, self._settings.timeout), self._path)
        try:
            return join(store, topics, group, lease=self._settings.lease, from_start=from_start)
        except BaseException:
            store.close()
            raise

    def backlog(self, topic: str, group: str) -> int:
        """Count what the group has not acknowledged; see `Broker.backlog`. For an unknown group, all that is kept."""
        validate_topic(topic)
        with self._connected() as connection, reading(connection):
            return backlog(SqliteStore(connection, self._path), topic, group)

    def forget(self, group: str) -> None:
        """Forget a group; see `Groups.forget`."""
        with self._connected() as connection:
            forget(SqliteStore(connection, self._path), group)

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
        with suppress(sqlite3.Error, BackendError):
            drop_old(connection, self._path, self._settings, time.time())
