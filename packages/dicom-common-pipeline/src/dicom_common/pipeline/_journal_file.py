"""The small SQLite file in the data folder from which interrupted work goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from dicom_common.core import BackendError, UnavailableError
from dicom_common.toolkit import make_private_file, make_private_folder

__all__ = ["journal_table", "open_journal"]


def open_journal(file: Path, prepare: Callable[[sqlite3.Connection], None], *, busy: str) -> sqlite3.Connection:
    """Open a journal for this process alone, until it is closed or the process dies.

    Losing a journal costs time and nothing else, so it is not synchronised with the disk.

    Args:
        file: where it is, or will be.
        prepare: brings the tables to what is needed, in a transaction.
        busy: the message where another process has it.

    Raises:
        UnavailableError: another process has it.
        BackendError: the file cannot be used.
    """
    try:
        make_private_folder(file.parent)
        make_private_file(file)
        database = sqlite3.connect(file, isolation_level=None, timeout=0, check_same_thread=False)
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        with database:
            database.execute("BEGIN EXCLUSIVE")
            prepare(database)
    except (OSError, sqlite3.Error) as error:
        if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise UnavailableError(busy) from error
        raise BackendError(f"The journal {file} cannot be used: {error}. Delete it and try again.") from error
    return database


def journal_table(name: str, columns: str, *, version: int) -> Callable[[sqlite3.Connection], None]:
    """Return what prepares a journal of one table, which is made anew where it is of another version.

    Args:
        name: of the table.
        columns: as SQL has them.
        version: of the columns.
    """

    def prepare(database: sqlite3.Connection) -> None:
        (found,) = database.execute("PRAGMA user_version").fetchone()
        if found != version:
            database.execute(f"DROP TABLE IF EXISTS {name}")
            database.execute(f"CREATE TABLE {name} ({columns}) WITHOUT ROWID")
            database.execute(f"PRAGMA user_version = {version}")

    return prepare
