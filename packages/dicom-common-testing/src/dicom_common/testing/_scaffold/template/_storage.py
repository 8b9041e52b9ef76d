"""The storage `example`: objects in one SQLite file, in chunks. Put your own store in its place."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from dicom_common.core import (
    AlreadyExistsError,
    DamagedError,
    Health,
    HealthStatus,
    NotFoundError,
    ObjectInfo,
    Source,
    UnavailableError,
    validate_key,
)

CHUNK = 1 << 20
SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL, modified TEXT NOT NULL, sha256 TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS chunk (
    object INTEGER NOT NULL REFERENCES object ON DELETE CASCADE, number INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (object, number)
) STRICT;
"""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The keys of the table `[storage]`."""

    file: Path = Path("example.sqlite")
    """Where the objects are; a relative path is relative to the data folder."""
    time_limit: float = 60.0
    """Seconds to wait for another writer."""


class ExampleStorage:
    """Objects in one SQLite file. The methods promise what `dicom_common.core.Storage` says."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._closed = False
        with self._translated():
            settings.file.parent.mkdir(parents=True, exist_ok=True)
            self._connection().executescript(SCHEMA)

    def write(self, key: str, source: Source, *, if_absent: bool = False, sha256: str | None = None) -> ObjectInfo:
        """Write an object in one transaction: it is there whole, or not at all."""
        validate_key(key)
        stream = io.BytesIO(source) if isinstance(source, bytes | bytearray | memoryview) else source
        digest, size, modified = hashlib.sha256(), 0, datetime.now(UTC)
        with self._transaction() as connection:
            found = connection.execute("SELECT id FROM object WHERE key = ?", (key,)).fetchone()
            if found and if_absent:
                raise AlreadyExistsError("There is already an object of this key.")
            connection.execute("DELETE FROM object WHERE key = ?", (key,))
            row = (key, modified.isoformat())
            sql = "INSERT INTO object (key, size, modified, sha256) VALUES (?, 0, ?, '')"
            number = connection.execute(sql, row).lastrowid
            for index, chunk in enumerate(_full_chunks(stream)):
                digest.update(chunk)
                size += len(chunk)
                connection.execute("INSERT INTO chunk VALUES (?, ?, ?)", (number, index, chunk))
            if sha256 is not None and sha256.lower() != digest.hexdigest():
                raise DamagedError("The bytes do not have the digest that was given with them; nothing was written.")
            sql = "UPDATE object SET size = ?, sha256 = ? WHERE id = ?"
            connection.execute(sql, (size, digest.hexdigest(), number))
        return ObjectInfo(key=key, size=size, modified=modified, sha256=digest.hexdigest())

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Iterate over a range of an object."""
        if start < 0 or (length is not None and length < 0):
            raise ValueError("start and length of a range are not negative")
        chunks = self._chunks(validate_key(key), start, length)
        next(chunks)  # opens the object now: who replaces it later does not change what is read
        return chunks

    def _chunks(self, key: str, start: int, length: int | None) -> Iterator[bytes]:
        # A connection of its own: its transaction is a snapshot, and lasts as long as the caller takes.
        with self._translated(), closing(self._connect()) as connection:
            connection.execute("BEGIN")
            found = connection.execute("SELECT id, size FROM object WHERE key = ?", (key,)).fetchone()
            if found is None:
                raise NotFoundError("There is no object of this key.")
            number, size = found
            yield b""
            end = size if length is None else min(size, start + length)
            while start < end:
                index, offset = divmod(start, CHUNK)
                sql = "SELECT substr(data, ?, ?) FROM chunk WHERE object = ? AND number = ?"
                chunk = connection.execute(sql, (offset + 1, end - start, number, index)).fetchone()[0]
                yield chunk
                start += len(chunk)

    def stat(self, key: str) -> ObjectInfo:
        """Tell what is known of an object."""
        sql = "SELECT key, size, modified, sha256 FROM object WHERE key = ?"
        with self._translated():
            row = self._connection().execute(sql, (validate_key(key),)).fetchone()
        if row is None:
            raise NotFoundError("There is no object of this key.")
        return _info(*row)

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectInfo]:
        """Iterate over the objects, in pages: no lock is held between two of them."""
        sql = (
            "SELECT key, size, modified, sha256 FROM object WHERE key > ? AND key >= ? AND substr(key, 1, ?) = ? "
            "ORDER BY key LIMIT 1000"
        )
        while True:
            with self._translated():
                rows = self._connection().execute(sql, (after, prefix, len(prefix), prefix)).fetchall()
            yield from (_info(*row) for row in rows)
            if not rows:
                return
            after = rows[-1][0]

    def delete(self, key: str) -> None:
        """Delete an object; one that is not there is no error."""
        validate_key(key)
        with self._transaction() as connection:
            connection.execute("DELETE FROM object WHERE key = ?", (key,))

    def check(self) -> Health:
        """Write and take back a row. What it raises is an answer too: the host makes a `Health` of it."""
        with self._transaction() as connection:
            connection.execute("INSERT INTO object (key, size, modified, sha256) VALUES ('', 0, '', '')")
            connection.execute("DELETE FROM object WHERE key = ''")
        return Health(status=HealthStatus.OK, detail="can be written")

    def close(self) -> None:
        """Close the connections of all threads."""
        self._closed = True
        while self._connections:
            self._connections.pop().close()
        self._local = threading.local()

    def _connection(self) -> sqlite3.Connection:
        """Return this thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
            self._connections.append(connection)
        return connection

    def _connect(self) -> sqlite3.Connection:
        if self._closed:
            raise UnavailableError("The storage is closed.")
        connection = sqlite3.connect(
            self._settings.file, timeout=self._settings.time_limit, isolation_level=None, check_same_thread=False
        )
        connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit at the end of the block, or undo all of it."""
        with self._translated():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Let no error of SQLite out: callers know only the errors of dicom_common.core."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise UnavailableError(f"The storage file {self._settings.file.name} cannot be used: {error}") from error


def _full_chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Cut a stream into chunks of one size, however little it gives at a time: `read` counts on the size."""
    waiting = bytearray()
    while part := stream.read(CHUNK):
        waiting += part
        while len(waiting) >= CHUNK:
            yield bytes(waiting[:CHUNK])
            del waiting[:CHUNK]
    if waiting:
        yield bytes(waiting)


def _info(key: str, size: int, modified: str, sha256: str) -> ObjectInfo:
    return ObjectInfo(key=key, size=size, modified=datetime.fromisoformat(modified), sha256=sha256)
