"""Folders by descriptor: how a path is walked without ever following a symbolic link.

A path is opened one segment after the other, each relative to the open folder above it and with O_NOFOLLOW. So
whatever is swapped under the root meanwhile, no call leaves it. Names are bytes: the locale must not change them.
"""

from __future__ import annotations

import os
from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import dataclass

from dicom_common.core import RefusedError, UnavailableError

__all__ = ["Folder", "KnownFolders", "RecentFolders", "Walked", "open_folder"]

_TRIES = 1000
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """An open folder. It is closed with its last reference.

    Were it closed by hand, a thread in the middle of a call could meet a descriptor that is closed, or worse, one that
    the kernel has given to another file meanwhile.
    """

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self) -> None:
        os.close(self.fd)

    def child(self, name: bytes) -> Folder:
        """Open a folder in this one; a symbolic link is refused by the kernel (ENOTDIR or ELOOP)."""
        return Folder(os.open(name, _FLAGS, dir_fd=self.fd))


def open_folder(root: Folder, segments: Sequence[bytes]) -> Folder:
    """Walk down from the root.

    Raises:
        OSError: a segment is missing, no folder, or a symbolic link.
    """
    folder = root
    for segment in segments:
        folder = folder.child(segment)
    return folder


class RecentFolders:
    """The folders that were walked to last: the instances of a series lie in one, and are read one after the other.

    What is returned is the folder that has the path now. The kernel may follow a symbolic link to compare it, but only
    a folder that was walked to without one is the same.
    """

    _LIMIT = 16

    def __init__(self) -> None:
        self._folders: dict[bytes, tuple[Folder, tuple[int, int]]] = {}

    def open(self, root: Folder, segments: Sequence[bytes]) -> Folder:
        """Do what `open_folder` does, by one call of the kernel for a folder that is known.

        Raises:
            OSError: as `open_folder`.
        """
        path = b"/".join(segments)
        if (known := self._folders.get(path)) is not None:
            with suppress(OSError):
                if _identity(os.stat(path, dir_fd=root.fd, follow_symlinks=False)) == known[1]:
                    return known[0]
        folder = open_folder(root, segments)
        if len(self._folders) >= self._LIMIT:
            self._folders.clear()
        self._folders[path] = folder, _identity(os.fstat(folder.fd))
        return folder

    def forget(self) -> None:
        """Close those that are not in use."""
        self._folders.clear()


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


@dataclass(frozen=True, slots=True)
class Walked:
    """The folder of a key, and what must be synced before a new name in it is durable."""

    folder: Folder
    unsynced: dict[bytes, Folder]
    """By path: the folder itself, and the parents of those above it that are not known to be durable."""
    unknown: dict[bytes, int]
    """By path: the inode numbers of the folders that are durable once their parents are synced."""


class KnownFolders:
    """Which folders' names are known to be on the disk, so that not every write has to sync all the folders above.

    A folder is durable when the one above it was synced after it was made. It does not matter who made it: a process
    that finds a folder cannot tell whether its maker has synced yet. So the first use of each folder syncs its parent,
    later ones do not. A folder is known by path and inode number: one that was deleted and made again is another.
    """

    _LIMIT = 100_000

    def __init__(self, mode: int) -> None:
        self._mode = mode
        self._inodes: dict[bytes, int] = {}

    def make(self, root: Folder, segments: Sequence[bytes]) -> Walked:
        """Walk down from the root and make what is missing.

        Raises:
            RefusedError: a segment is an object or a symbolic link.
            UnavailableError: folders are deleted as fast as they are made.
            OSError: the file system failed.
        """
        for _ in range(_TRIES):
            try:
                return self._walk(root, segments)
            except FileNotFoundError:
                continue  # a `delete` took away a folder that was still empty
            except NotADirectoryError as error:
                raise RefusedError(
                    "The storage key goes through a name that is an object or a symbolic link: a key must not be the"
                    " folder of another."
                ) from error
        raise UnavailableError("The folder of a storage key is deleted again and again while it is made: try again.")

    def synced(self, walked: Walked, paths: Container[bytes]) -> None:
        """Note which folders are durable, now that those at `paths` were synced."""
        if len(self._inodes) >= self._LIMIT:
            self._inodes.clear()
        for path, inode in walked.unknown.items():
            if path.rpartition(b"/")[0] in paths:
                self._inodes[path] = inode

    def _walk(self, root: Folder, segments: Sequence[bytes]) -> Walked:
        folder, path = root, b""
        unsynced: dict[bytes, Folder] = {}
        unknown: dict[bytes, int] = {}
        for segment in segments:
            parent, made = folder, False
            try:
                folder = parent.child(segment)
            except FileNotFoundError:
                made = _make(parent, segment, self._mode)
                folder = parent.child(segment)
                if made:
                    os.fchmod(folder.fd, self._mode)  # mkdir's mode is cut by the umask
            above, path = path, path + b"/" + segment
            inode = os.fstat(folder.fd).st_ino
            if made or self._inodes.get(path) != inode:
                unsynced[above] = parent
                unknown[path] = inode
        unsynced[path] = folder
        return Walked(folder, unsynced, unknown)


def _make(parent: Folder, segment: bytes, mode: int) -> bool:
    try:
        os.mkdir(segment, mode, dir_fd=parent.fd)
    except FileExistsError:
        return False  # another writer was faster
    return True
