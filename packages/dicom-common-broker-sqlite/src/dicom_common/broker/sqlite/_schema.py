"""The schema of the file, and how a file of an earlier version becomes one of this version."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from dicom_common.broker.leases import Partition, import_position
from dicom_common.core import RefusedError

__all__ = ["OFFSET_BITS", "OFFSET_MASK", "VERSION", "bring_up_to_date", "version_of"]

_APPLICATION = 0x64636D62  # "dcmb": whose file it is, in its header
VERSION = 2
OFFSET_BITS = 40
OFFSET_MASK = (1 << OFFSET_BITS) - 1

# The id of a message is its partition's id and its offset there, in one number. So the messages of a partition lie
# side by side in the file, new ones are appended, and no other index has to be written.
_SCHEMA = """
CREATE TABLE topics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY,
    topic INTEGER NOT NULL REFERENCES topics,
    number INTEGER NOT NULL,
    first INTEGER NOT NULL DEFAULT 0,  -- the offset of the first message that is kept
    next INTEGER NOT NULL DEFAULT 0,   -- the offset of the message that comes next
    UNIQUE (topic, number)
);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    published REAL NOT NULL,
    key TEXT NOT NULL,
    body BLOB NOT NULL,
    headers TEXT NOT NULL
);
CREATE TABLE records (                 -- what the leases library keeps of groups
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    version INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL);
"""


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the schema; 0 for an empty file.

    Raises:
        RefusedError: it is not a file of this broker, or of a version that is newer.
    """
    [(application,)] = connection.execute("PRAGMA application_id")
    [(version,)] = connection.execute("PRAGMA user_version")
    if application == _APPLICATION and version > VERSION:
        raise RefusedError(
            f"The broker's file {path} was made by a newer version of dicom-common-broker-sqlite: upgrade this one."
        )
    if application == _APPLICATION:
        return int(version)
    [(tables,)] = connection.execute("SELECT count(*) FROM sqlite_master")
    if tables or application:
        raise RefusedError(f"The file {path} is another program's database: give the broker a file of its own.")
    return 0


def bring_up_to_date(connection: sqlite3.Connection, version: int) -> None:
    """Make the schema, or change an earlier one, in the transaction of the caller; another process may have done it."""
    if version == VERSION:
        return
    for statement in _SCHEMA.split(";\n"):
        if version == 0 or "CREATE TABLE records" in statement:
            connection.execute(statement)
    if version == 1:
        _move_positions(connection)
    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _move_positions(connection: sqlite3.Connection) -> None:
    """Make records of what version 1 kept of groups in tables of its own; members join again by themselves."""
    for group, identity, position, topic, number in connection.execute(
        "SELECT s.consumers, p.id, s.position, t.name, p.number FROM positions s"
        " JOIN partitions p ON p.id = s.partition JOIN topics t ON t.id = p.topic"
    ).fetchall():
        above = connection.execute(
            "SELECT position FROM acknowledged WHERE consumers = ? AND partition = ?", (group, identity)
        )
        name, value, _ = import_position(Partition(topic, number), group, position, (offset for (offset,) in above))
        connection.execute("INSERT INTO records VALUES (?, ?, 1)", (name, value))
    for table in ("acknowledged", "positions", "members"):
        connection.execute(f"DROP TABLE {table}")
