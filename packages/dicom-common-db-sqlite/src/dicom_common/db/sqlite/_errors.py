"""From SQLite's errors to ours. No message repeats SQLite's own: it may quote what was bound."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from dicom_common.core import BackendError, DamagedError, RefusedError, UnavailableError

__all__ = ["translate"]

_NO_RIGHT = (
    RefusedError,
    "The index {} cannot be opened for writing: give this user the right to write the file and its folder.",
)
_LOCKED = (
    UnavailableError,
    "Another process held the index {} for longer than db.busy_timeout: try again, or raise the time.",
)
_MEANING: dict[int, tuple[type[BackendError], str]] = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: (UnavailableError, "The disk of the index {} is full: free some space and try again."),
    sqlite3.SQLITE_IOERR: (
        UnavailableError,
        "The index {} could not be read or written (an I/O error): look at the disk and its free space.",
    ),
    sqlite3.SQLITE_NOMEM: (
        UnavailableError,
        "There is not enough memory for the index {}: try again, or lower db.cache_mb.",
    ),
    sqlite3.SQLITE_READONLY: _NO_RIGHT,
    sqlite3.SQLITE_PERM: _NO_RIGHT,
    sqlite3.SQLITE_CANTOPEN: _NO_RIGHT,
    sqlite3.SQLITE_AUTH: _NO_RIGHT,
    sqlite3.SQLITE_NOTADB: (BackendError, "{} is not an SQLite database: name another file in db.path."),
    sqlite3.SQLITE_CORRUPT: (
        DamagedError,
        "The index {} is damaged: move it away and run `dicom-common reconcile --rebuild`.",
    ),
}


def translate(error: BaseException, path: Path) -> BackendError:
    """Return what an error of the driver means to the caller, in one sentence."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and (code & 0xFF) in _MEANING:  # the lower byte is the primary code
        kind, sentence = _MEANING[code & 0xFF]
        return kind(sentence.format(path))
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    return BackendError(f"The index {path} failed in a way that was not foreseen ({name}): please report it.")
