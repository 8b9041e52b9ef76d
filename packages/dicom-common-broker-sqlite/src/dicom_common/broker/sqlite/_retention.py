"""Which messages are dropped: those that are old enough and that no known group still has to see."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from dicom_common.broker.leases import Partition, lowest_position
from dicom_common.broker.sqlite._file import writing
from dicom_common.broker.sqlite._schema import OFFSET_BITS, OFFSET_MASK
from dicom_common.broker.sqlite._settings import Settings
from dicom_common.broker.sqlite._store import SqliteStore

__all__ = ["drop_old"]

_CHUNK = 500
"""Messages of one transaction: publishers wait for no longer."""


def drop_old(connection: sqlite3.Connection, path: Path, settings: Settings, now: float) -> int:
    """Drop what is old at a moment (seconds since 1970); returns how many messages."""
    store, dropped = SqliteStore(connection, path), 0
    for partition, base in _partitions(connection):
        while _oldest(connection, base) <= now - settings.keep_days * 86400:
            with writing(connection):
                if not (count := _drop_some(connection, base, lowest_position(store, partition), settings, now)):
                    break
                dropped += count
    return dropped


def _partitions(connection: sqlite3.Connection) -> list[tuple[Partition, int]]:
    """Return each partition, and the number that its messages' ids begin with."""
    query = "SELECT p.id, t.name, p.number FROM partitions p JOIN topics t ON t.id = p.topic"
    return [
        (Partition(topic, number), identity << OFFSET_BITS) for identity, topic, number in connection.execute(query)
    ]


def _oldest(connection: sqlite3.Connection, base: int) -> float:
    """Tell when the oldest message was published, without a transaction: it is young nearly always."""
    row = connection.execute(
        "SELECT published FROM messages WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1", (base, base | OFFSET_MASK)
    ).fetchone()
    return float("inf") if row is None else float(row[0])


def _drop_some(connection: sqlite3.Connection, base: int, seen: int | None, settings: Settings, now: float) -> int:
    rows = connection.execute(
        "SELECT id, published FROM messages WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
        (base, base | OFFSET_MASK, _CHUNK),
    ).fetchall()
    end = None
    for identity, published in rows:
        days, drop_days = (now - published) / 86400, settings.drop_unacknowledged_days
        unseen = seen is not None and identity & OFFSET_MASK >= seen  # without any group, no reader has to see it
        if days < settings.keep_days or (unseen and (drop_days is None or days < drop_days)):
            break
        end = identity
    if end is None:
        return 0
    count = connection.execute("DELETE FROM messages WHERE id BETWEEN ? AND ?", (base, end)).rowcount
    first = (end & OFFSET_MASK) + 1
    connection.execute("UPDATE partitions SET first = ? WHERE id = ?", (first, base >> OFFSET_BITS))
    return int(count)
