"""Topics and their partitions."""

from __future__ import annotations

import sqlite3

__all__ = ["ensure_topic", "partitions_of"]


def partitions_of(connection: sqlite3.Connection, topic: str) -> list[int]:
    """Return the ids of a topic's partitions, in the order of their numbers; none where there is no such topic."""
    rows = connection.execute(
        "SELECT p.id FROM partitions p JOIN topics t ON t.id = p.topic WHERE t.name = ? ORDER BY p.number", (topic,)
    )
    return [partition for (partition,) in rows]


def ensure_topic(connection: sqlite3.Connection, topic: str, partitions: int) -> list[int]:
    """Make a topic where it is missing, in the transaction of the caller; returns the ids of its partitions."""
    there = partitions_of(connection, topic)
    if there:
        return there
    connection.execute("INSERT INTO topics (name) VALUES (?)", (topic,))
    [(identity,)] = connection.execute("SELECT id FROM topics WHERE name = ?", (topic,))
    connection.executemany(
        "INSERT INTO partitions (topic, number) VALUES (?, ?)", [(identity, number) for number in range(partitions)]
    )
    return partitions_of(connection, topic)
