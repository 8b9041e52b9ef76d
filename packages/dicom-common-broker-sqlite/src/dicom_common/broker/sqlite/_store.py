"""The messages of the file, and the records of its groups, as the leases library asks for them."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from dicom_common.broker.leases import Bounds, Change, Fetched, Partition, Record, Version
from dicom_common.broker.sqlite._file import translated, writing
from dicom_common.broker.sqlite._schema import OFFSET_BITS, OFFSET_MASK
from dicom_common.core import Message

__all__ = ["SqliteStore"]

_LONGEST_PAUSE = 0.05
_BOUNDS = """
SELECT p.id, p.first, p.next FROM partitions p JOIN topics t ON t.id = p.topic WHERE t.name = ? ORDER BY p.number
"""


class SqliteStore:
    """A `dicom_common.broker.leases.GroupStore` over one connection; used by one thread at a time.

    Args:
        connection: to the file.
        path: of the file, for messages.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.name, self.clock_error = f"the broker {path}", 0.0
        self._connection, self._path = connection, path
        self._ids: dict[Partition, int] = {}
        self._version = 0
        """Of the file when a record was last read: what came later is a change."""

    def bounds(self, topic: str) -> list[Bounds]:
        """Return the bounds of the partitions; see `GroupStore.bounds`."""
        with translated(self._path):
            rows = self._connection.execute(_BOUNDS, (topic,)).fetchall()
        self._ids |= {Partition(topic, number): identity for number, (identity, _, _) in enumerate(rows)}
        return [Bounds(first, following) for _, first, following in rows]

    def fetch(self, starts: Mapping[Partition, int], limit: int) -> Iterator[Fetched]:
        """Read messages; see `GroupStore.fetch`."""
        ids = [self._ids[partition] for partition in starts]
        query = f"SELECT id, next FROM partitions WHERE id IN ({','.join('?' * len(ids))})"  # noqa: S608  # marks only
        with translated(self._path):
            ends = dict(self._connection.execute(query, ids).fetchall())
            for identity, (partition, start) in zip(ids, starts.items(), strict=True):
                if start >= ends[identity]:
                    continue
                base = identity << OFFSET_BITS
                rows = self._connection.execute(
                    "SELECT id, key, body, headers FROM messages WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
                    (base | start, base | OFFSET_MASK, limit),
                ).fetchall()
                messages = [
                    (
                        place & OFFSET_MASK,
                        Message(key=key, body=body, headers=json.loads(headers) if headers != "{}" else {}),
                    )
                    for place, key, body, headers in rows
                ]
                yield Fetched(partition, messages)
                limit -= len(rows)
                if limit <= 0:
                    return

    def wait(self, starts: Mapping[Partition, int], timeout: float) -> None:
        """Wait until another connection has written anything; see `GroupStore.wait`."""
        del starts
        until, pause = time.monotonic() + timeout, 0.001
        with translated(self._path):
            while self._data_version() == self._version and (left := until - time.monotonic()) > 0:
                time.sleep(min(pause, left))
                pause = min(pause * 1.5, _LONGEST_PAUSE)

    def read(self, names: Sequence[str]) -> dict[str, Record]:
        """Return records by name; see `GroupStore.read`."""
        query = f"SELECT name, value, version FROM records WHERE name IN ({','.join('?' * len(names))})"  # noqa: S608  # marks only
        with translated(self._path):
            self._version = self._data_version()
            return {name: Record(value, version) for name, value, version in self._connection.execute(query, names)}

    def write(self, changes: Sequence[Change]) -> list[Version | None]:
        """Write records in one transaction; see `GroupStore.write`."""
        with translated(self._path), writing(self._connection):
            return [write_record(self._connection, change) for change in changes]

    def names(self, prefix: str) -> list[str]:
        """List the names of records; see `GroupStore.names`."""
        with translated(self._path):
            rows = self._connection.execute(
                "SELECT name FROM records WHERE name >= ? AND name < ? ORDER BY name", (prefix, prefix + "\x7f")
            )
            return [name for (name,) in rows]

    def delete(self, names: Sequence[str]) -> None:
        """Delete records in one transaction; see `GroupStore.delete`."""
        with translated(self._path), writing(self._connection):
            self._connection.executemany("DELETE FROM records WHERE name = ?", [(name,) for name in names])

    def close(self) -> None:
        """Close the connection; see `GroupStore.close`."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def _data_version(self) -> int:
        """Return a number that changes when another connection commits; it costs no disk access."""
        [(version,)] = self._connection.execute("PRAGMA data_version")
        return int(version)


def write_record(connection: sqlite3.Connection, change: Change) -> int | None:
    """Write a record in the transaction of the caller; returns its version, or None where it has another one."""
    name, value, expected = change
    if expected is None:
        made = connection.execute("INSERT OR IGNORE INTO records VALUES (?, ?, 1)", (name, value)).rowcount
        return 1 if made else None
    assert isinstance(expected, int)
    changed = connection.execute(
        "UPDATE records SET value = ?, version = version + 1 WHERE name = ? AND version = ?", (value, name, expected)
    ).rowcount
    return expected + 1 if changed else None
