"""Which messages are dropped: those that are old enough and that no known group still has to see."""

from __future__ import annotations

import sqlite3

from dicom_common.broker.sqlite._file import OFFSET_BITS, OFFSET_MASK, writing

__all__ = ["drop_old"]

_CHUNK = 500
"""Messages of one transaction: publishers wait for no longer."""


def drop_old(connection: sqlite3.Connection, now: float, keep_days: float, drop_days: float | None) -> int:
    """Drop what is old; returns how many messages."""
    dropped = 0
    for (partition,) in connection.execute("SELECT id FROM partitions").fetchall():
        while count := _drop_some(connection, partition, now, keep_days, drop_days):
            dropped += count
    return dropped


def _drop_some(
    connection: sqlite3.Connection, partition: int, now: float, keep_days: float, drop_days: float | None
) -> int:
    base = partition << OFFSET_BITS
    oldest = connection.execute(
        "SELECT published FROM messages WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1", (base, base | OFFSET_MASK)
    ).fetchone()
    if oldest is None or oldest[0] > now - keep_days * 86400:
        return 0  # without a write transaction: this is the answer nearly always
    with writing(connection):
        # Without any group, no reader has to see them.
        [(seen,)] = connection.execute(
            "SELECT coalesce(min(position), (SELECT next FROM partitions WHERE id = ?1)) FROM positions"
            " WHERE partition = ?1",
            (partition,),
        )
        rows = connection.execute(
            "SELECT id, published FROM messages WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
            (base, base | OFFSET_MASK, _CHUNK),
        ).fetchall()
        end = None
        for identity, published in rows:
            days = (now - published) / 86400
            unseen = identity & OFFSET_MASK >= seen
            if days < keep_days or (unseen and (drop_days is None or days < drop_days)):
                break
            end = identity
        if end is None:
            return 0
        count = connection.execute("DELETE FROM messages WHERE id BETWEEN ? AND ?", (base, end)).rowcount
        first = (end & OFFSET_MASK) + 1
        connection.execute("UPDATE partitions SET first = ? WHERE id = ?", (first, partition))
        connection.execute("UPDATE positions SET position = max(position, ?) WHERE partition = ?", (first, partition))
        connection.execute("DELETE FROM acknowledged WHERE partition = ? AND position < ?", (partition, first))
        return int(count)
