"""The SQLite file: connections to it, transactions, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dicom_common.broker.sqlite._schema import VERSION, bring_up_to_date, version_of
from dicom_common.core import BackendError, DamagedError, RefusedError, TooLargeError, UnavailableError
from dicom_common.toolkit import Backoff, Meaning, Meanings, make_private_file, make_private_folder

__all__ = ["connect", "reading", "translated", "writing"]

_PRIMARY = 0xFF  # the lower byte of an extended result code
_MEANINGS = (
    Meaning(
        DamagedError,
        "The broker's file {path} is damaged: restore it, or move it away to begin anew ({error}).",
        codes=(sqlite3.SQLITE_CORRUPT,),
    ),
    Meaning(
        DamagedError,
        "The broker's file {path} is not an SQLite database: move it, or give the broker another path ({error}).",
        codes=(sqlite3.SQLITE_NOTADB,),
    ),
    Meaning(
        RefusedError,
        "The broker's file {path} cannot be written: check its permissions and those of its folder ({error}).",
        codes=(sqlite3.SQLITE_READONLY,),
    ),
    Meaning(
        RefusedError,
        "The broker's file {path} cannot be opened: check its permissions ({error}).",
        codes=(sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH),
    ),
    Meaning(
        RefusedError,
        "The broker's file {path} cannot be opened or made: check the permissions of its folder ({error}).",
        codes=(sqlite3.SQLITE_CANTOPEN,),
    ),
    Meaning(
        TooLargeError,
        "The broker's file {path} takes no message of this size: keep bodies under 1 GB ({error}).",
        codes=(sqlite3.SQLITE_TOOBIG,),
    ),
    Meaning(
        UnavailableError,
        "The broker's file {path} lies on a disk that is full: free space there, then try again ({error}).",
        codes=(sqlite3.SQLITE_FULL,),
    ),
    Meaning(
        UnavailableError,
        "The broker's file {path} is kept busy by another process: try again ({error}).",
        codes=(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED),
    ),
    Meaning(
        UnavailableError,
        "The broker's file {path} cannot be read or written: try again, and check its disk ({error}).",
        codes=(sqlite3.SQLITE_IOERR,),
    ),
    Meaning(BackendError, "The broker's file {path} failed in an unforeseen way ({error})."),
)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into the BackendErrors that say what to do."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
        raise Meanings(_MEANINGS, {"path": path, "error": error}).error(error, code) from error


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a transaction that writes: it waits for its turn at the beginning, never in the middle."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a transaction that sees one state of the file."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def connect(path: Path, timeout: float) -> sqlite3.Connection:
    """Open the file, and make it or its schema where they are missing.

    Raises:
        BackendError: it cannot be opened, is no database, or not ours.
    """
    try:
        make_private_folder(path.parent)
        make_private_file(path)  # SQLite's own mode would let others read it, its log follows the file's
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        told = (
            f"The broker's file {path} cannot be made ({reason}): name another file in broker.path or change the"
            " permissions."
        )
        if isinstance(error, PermissionError | NotADirectoryError | FileExistsError):
            raise RefusedError(told) from error
        raise UnavailableError(told) from error
    with translated(path):
        connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path, timeout)
        except BaseException:
            connection.close()
            raise
        return connection


def _prepare(connection: sqlite3.Connection, path: Path, timeout: float) -> None:
    _switch_to_wal(connection, timeout)
    connection.execute("PRAGMA synchronous = FULL")  # a commit is on the disk when it returns, in WAL mode too
    connection.execute("PRAGMA journal_size_limit = 67108864")
    if version_of(connection, path) == VERSION:
        return
    with writing(connection):
        bring_up_to_date(connection, version_of(connection, path))


def _switch_to_wal(connection: sqlite3.Connection, timeout: float) -> None:
    """Switch to the write-ahead log; SQLite does not wait by itself for others who switch at the same time."""
    backoff = Backoff(time_limit=timeout, first=0.01, longest=0.05)
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY != sqlite3.SQLITE_BUSY or not backoff.wait():
                raise
        else:
            return
