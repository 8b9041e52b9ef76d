"""Where objects lie before they get their name.

On Linux a file is written without any name (O_TMPFILE) in the folder that it is for, and linked there when it is whole:
nothing is left behind by a crash, and the file system keeps it near its neighbours. (Files that are made in one folder
and renamed to others all come from the allocation group of the first: making one took ext4 5 times as long, measured.)
Elsewhere, and for replacing an object, it has a name in a folder of this writer's own first.

Each writer holds a lock on a file beside its folder for as long as it lives. Whoever opens the storage takes every lock
that is free, which are those of the dead, and deletes what they left. The kernel frees a lock when its process ends,
however that happens.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress

from dicom_common.core import RESERVED_SEGMENT
from dicom_common.storage.filesystem._folders import Folder

__all__ = ["StagedFile", "Staging", "clean_stale", "fresh_name"]

_AREA = (RESERVED_SEGMENT.encode(), b"writing")
_LOCK = b".lock"
_FLAGS = os.O_WRONLY | os.O_CLOEXEC
_NO_TMPFILE = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL}
_DELETED = {errno.ENOENT, errno.EPERM}
"""What a file system says to a new file in a folder that a `delete` has just taken away; EPERM is what ext4 says."""


class StagedFile:
    """A file that is being written; it has no name, or one in the writer's own folder. Close it in any case."""

    __slots__ = ("_name", "_staging", "fd", "size")

    def __init__(self, staging: Staging, fd: int, name: bytes | None) -> None:
        self.fd, self.size = fd, 0
        self._staging = staging
        self._name = name

    def append(self, data: memoryview) -> None:
        """Write more bytes."""
        written = 0
        while written < len(data):
            written += os.write(self.fd, data[written:])
        self.size += written

    def link(self, folder: Folder, name: bytes) -> None:
        """Give it a name; a hard link is the one way that never replaces another file.

        Raises:
            FileExistsError: the name is taken.
            FileNotFoundError: the folder was deleted.
        """
        if self._name is None:
            os.link(f"/proc/self/fd/{self.fd}", name, dst_dir_fd=folder.fd, follow_symlinks=True)
        else:
            source = self._staging.folder.fd
            os.link(self._name, name, src_dir_fd=source, dst_dir_fd=folder.fd, follow_symlinks=False)

    def replace(self, folder: Folder, name: bytes) -> None:
        """Give it a name that may be taken.

        Raises:
            IsADirectoryError: the name is a folder's.
            FileNotFoundError: the folder was deleted.
        """
        if self._name is None:
            mine = fresh_name()
            self.link(self._staging.folder, mine)
            self._name = mine
        os.rename(self._name, name, src_dir_fd=self._staging.folder.fd, dst_dir_fd=folder.fd)

    def close(self) -> None:
        """Close it; where it still has only its first name, it is gone."""
        os.close(self.fd)
        if self._name is not None:
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._staging.folder.fd)


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
        self._name, self._lock = _claim(self._area)
        os.mkdir(self._name, 0o700, dir_fd=self._area.fd)
        self.folder = self._area.child(self._name)
        # Without /proc a file without a name cannot get one.
        self._anonymous = hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd")  # noqa: PTH112  # a constant of the system, no path of ours

    def create(self, folder: Folder, mode: int) -> StagedFile:
        """Create a file that is to get a name in `folder`."""
        if self._anonymous:
            try:
                return StagedFile(self, os.open(".", _FLAGS | os.O_TMPFILE, mode, dir_fd=folder.fd), None)
            except OSError as error:
                if error.errno in _NO_TMPFILE:
                    self._anonymous = False  # this file system cannot
                elif error.errno not in _DELETED:
                    raise
        name = fresh_name()
        flags = _FLAGS | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        return StagedFile(self, os.open(name, flags, mode, dir_fd=self.folder.fd), name)

    def close(self) -> None:
        """Delete the folder and free the lock; only in the process that made them."""
        with suppress(OSError):
            _remove(self._area, self._name)
        os.close(self._lock)


def fresh_name() -> bytes:
    """Make a name that no other writer has: random, not counted, because a forked child may share the folder."""
    return os.urandom(16).hex().encode()


def clean_stale(root: Folder) -> None:
    """Delete what writers left that do not live any more. What cannot be deleted is left, and does no harm."""
    with suppress(OSError):
        area = root
        for segment in _AREA:
            area = area.child(segment)
        for name in os.listdir(area.fd):  # noqa: PTH208  # by descriptor
            if os.fsencode(name).endswith(_LOCK):
                with suppress(OSError):
                    _remove_if_dead(area, os.fsencode(name)[: -len(_LOCK)])


def _claim(area: Folder) -> tuple[bytes, int]:
    """Make a lock file under a fresh name and lock it; a cleaner may take and delete it in between, hence the loop."""
    while True:
        name = fresh_name()
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
        for file in os.listdir(folder.fd):  # noqa: PTH208  # by descriptor
            os.unlink(os.fsencode(file), dir_fd=folder.fd)
        os.rmdir(name, dir_fd=area.fd)
    os.unlink(name + _LOCK, dir_fd=area.fd)
