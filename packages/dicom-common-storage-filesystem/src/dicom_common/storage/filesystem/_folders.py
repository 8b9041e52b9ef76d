"""Folders by descriptor: how a path is walked without ever following a symbolic link.

A path is opened one segment after the other, each relative to the open folder above it and with O_NOFOLLOW. So
whatever is swapped under the root meanwhile, no call leaves it. Names are bytes: the locale must not change them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

__all__ = ["Folder", "KnownFolders", "open_folder"]

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

    def make(self, root: Folder, segments: Sequence[bytes]) -> tuple[Folder, dict[bytes, tuple[Folder, int]]]:
        """Walk down from the root and make what is missing.

        Returns:
            The folder, and what must be synced before it counts as durable: by path, the parent and the inode number.

        Raises:
            FileNotFoundError: a folder was deleted under us; walk again.
            OSError: a segment is an object or a symbolic link, or there is no permission.
        """
        folder, path, unsynced = root, b"", {}
        for segment in segments:
            parent, made = folder, False
            try:
                folder = parent.child(segment)
            except FileNotFoundError:
                made = _make(parent, segment, self._mode)
                folder = parent.child(segment)
                if made:
                    os.fchmod(folder.fd, self._mode)  # mkdir's mode is cut by the umask
            path += b"/" + segment
            inode = os.fstat(folder.fd).st_ino
            if made or not self.knows(path, inode):
                unsynced[path] = parent, inode
        return folder, unsynced

    def knows(self, path: bytes, inode: int) -> bool:
        """Tell whether a folder's name is known to be on the disk."""
        return self._inodes.get(path) == inode

    def synced(self, path: bytes, inode: int) -> None:
        """Note that the parent of a folder was synced."""
        if len(self._inodes) >= self._LIMIT:
            self._inodes.clear()
        self._inodes[path] = inode


def _make(parent: Folder, segment: bytes, mode: int) -> bool:
    try:
        os.mkdir(segment, mode, dir_fd=parent.fd)
    except FileExistsError:
        return False  # another writer was faster
    return True
