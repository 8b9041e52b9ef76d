"""What SQLite's errors mean. No message repeats SQLite's own: it may quote what was bound."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from dicom_common.core import BackendError, DamagedError, RefusedError, UnavailableError
from dicom_common.toolkit import Meaning, Meanings

__all__ = ["translate"]

_MEANINGS = (
    Meaning(
        UnavailableError,
        "Another process held the index {path} for longer than db.busy_timeout: try again, or raise the time.",
        codes=(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED),
    ),
    Meaning(
        UnavailableError,
        "The disk of the index {path} is full: free some space and try again.",
        codes=(sqlite3.SQLITE_FULL,),
    ),
    Meaning(
        UnavailableError,
        "The index {path} could not be read or written (an I/O error): check the disk and its free space.",
        codes=(sqlite3.SQLITE_IOERR,),
    ),
    Meaning(
        UnavailableError,
        "There is not enough memory for the index {path}: try again, or lower db.cache_mb.",
        codes=(sqlite3.SQLITE_NOMEM,),
    ),
    Meaning(
        RefusedError,
        "The index {path} cannot be opened for writing: give this user the right to write the file and its folder.",
        codes=(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH),
    ),
    Meaning(
        BackendError, "{path} is not an SQLite database: name another file in db.path.", codes=(sqlite3.SQLITE_NOTADB,)
    ),
    Meaning(
        DamagedError,
        "The index {path} is damaged: move it away and run `dicom-common reconcile --rebuild`.",
        codes=(sqlite3.SQLITE_CORRUPT,),
    ),
    Meaning(BackendError, "The index {path} failed in an unforeseen way ({name}): report it."),
)


def translate(error: BaseException, path: Path) -> BackendError:
    """Return what an error of the driver means to the caller, in one sentence."""
    code = getattr(error, "sqlite_errorcode", None)
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    primary = None if code is None else code & 0xFF  # the lower byte
    return Meanings(_MEANINGS, {"path": path}).error(error, primary, name=name)
