"""Where objects are written before they get their name: a folder of this writer's own, on the same file system.

Each writer holds a lock on a file beside its folder for as long as it lives. Whoever opens the storage takes every lock
that is free, which are those of the dead, and deletes what they left. The kernel frees a lock when its process ends,
however that happens.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from dicom_common.core import RESERVED_SEGMENT
from dicom_common.storage.filesystem._folders import Folder

__all__ = ["Staging", "clean_stale"]

_AREA = (RESERVED_SEGMENT.encode(), b"writing")
_LOCK = b".lock"


class Staging:
    """This writer's own folder.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, root: Folder) -> None:
        self._area = root
        for segment in _AREA:
            with suppress(FileExistsError):
                os.mkdir(segment, 0o700, dir_fd=self._area.fd)
            self._area = self._area.child(segment)
        self._process = os.getpid()
        self._name, self._lock = _claim(self._area)
        os.mkdir(self._name, 0o700, dir_fd=self._area.fd)
        self.folder = self._area.child(self._name)

    def create(self, mode: int) -> tuple[bytes, int]:
        """Create a file; returns its name in `folder` and a descriptor for writing."""
        name = os.urandom(16).hex().encode()  # random, not counted: a forked child shares this folder
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return name, os.open(name, flags, mode, dir_fd=self.folder.fd)

    def discard(self, name: bytes) -> None:
        """Delete a file that is not wanted any more, if it is there."""
        with suppress(OSError):
            os.unlink(name, dir_fd=self.folder.fd)

    def close(self) -> None:
        """Delete the folder and free the lock; in a forked child it is still the parent's, and stays."""
        if os.getpid() == self._process:
            with suppress(OSError):
                _remove(self._area, self._name)
        os.close(self._lock)


def clean_stale(root: Folder) -> None:
    """Delete what writers left that do not live any more. What cannot be deleted is left: it harms nobody."""
    with suppress(OSError):
        area = root
        for segment in _AREA:
            area = area.child(segment)
        # A descriptor of its own: the position in a listing belongs to the descriptor.
        for name in os.listdir(area.child(b".").fd):
            if os.fsencode(name).endswith(_LOCK):
                with suppress(OSError):
                    _remove_if_dead(area, os.fsencode(name)[: -len(_LOCK)])


def _claim(area: Folder) -> tuple[bytes, int]:
    """Make a lock file under a fresh name and lock it; a cleaner may take and delete it in between, hence the loop."""
    while True:
        name = os.urandom(16).hex().encode()
        lock = os.open(name + _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=area.fd)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock).st_nlink:
                return name, lock
        except BlockingIOError:
            pass
        except OSError:
            os.close(lock)
            raise
        os.close(lock)


def _remove_if_dead(area: Folder, name: bytes) -> None:
    lock = os.open(name + _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=area.fd)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its writer lives
        _remove(area, name)
    finally:
        os.close(lock)


def _remove(area: Folder, name: bytes) -> None:
    """Delete a writer's folder, then its lock file: a folder without a lock file would never be found again."""
    with suppress(FileNotFoundError):
        folder = area.child(name)
        for file in os.listdir(folder.fd):
            os.unlink(os.fsencode(file), dir_fd=folder.fd)
        os.rmdir(name, dir_fd=area.fd)
    os.unlink(name + _LOCK, dir_fd=area.fd)
