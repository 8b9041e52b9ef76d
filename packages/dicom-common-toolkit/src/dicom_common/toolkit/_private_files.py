"""Making files and folders that only their owner may read and write, whatever the umask is."""

from __future__ import annotations

import errno
import os
import stat
import threading
from contextlib import suppress
from pathlib import Path

__all__ = ["make_private_file", "make_private_folder", "others_may"]

_FILE, _FOLDER = 0o600, 0o700
_MAKING = threading.Lock()
"""Held until a new file is closed again. To close any descriptor of a file ends the locks that this process holds on it
(fcntl, POSIX), those of a SQLite connection too: so call this before this process connects to it."""


def make_private_folder(path: Path) -> None:
    """Make a folder of mode 0700, and those above it that are missing. One that is there keeps its mode.

    Raises:
        OSError: it cannot be made, or something else has its name.
    """
    missing = []
    above = path
    while not above.exists() and above != above.parent:
        missing.append(above)
        above = above.parent
    for folder in reversed(missing):
        try:
            folder.mkdir(_FOLDER)
        except FileExistsError:
            continue  # another process was faster, and its mode is as private as ours
        if stat.S_IMODE(folder.stat().st_mode) != _FOLDER:  # an umask took bits of the owner
            folder.chmod(_FOLDER)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def make_private_file(path: Path) -> None:
    """Make an empty file of mode 0600, for a library that would open it with a mode of its own.

    A file that is there is not opened and keeps its mode. Of a link to a file that is not there, that file is made.

    Raises:
        OSError: it cannot be made.
    """
    with _MAKING, suppress(FileExistsError):
        descriptor = os.open(os.path.realpath(path), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE)
        try:
            os.fchmod(descriptor, _FILE)  # an umask may have taken bits of the owner
        finally:
            os.close(descriptor)


def others_may(path: Path) -> str:
    """Return a sentence that warns of a file that its group or everybody may read or write; empty: only the owner may.

    Raises:
        OSError: it is not there.
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & 0o077:
        return ""
    return f"Other users may open {path} (mode {mode:04o}), which holds data of patients: run chmod 600 on it."
