"""How a file that was written gets its name: at once, whole, and so that a power failure does not take it back."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field

from dicom_common.core import AlreadyExistsError, RefusedError, UnavailableError
from dicom_common.storage.filesystem._folders import Folder, KnownFolders
from dicom_common.storage.filesystem._staging import Staging

__all__ = ["Placer", "Unsynced", "segments_of"]

_TRIES = 1000


def segments_of(key: str) -> tuple[list[bytes], bytes]:
    """Split a key into the names of its folders and the name of its file."""
    *folders, name = key.encode().split(b"/")
    return folders, name


@dataclass(slots=True)
class Unsynced:
    """The folders that must be synced before a write counts as done; of many writes, each folder once."""

    folders: dict[bytes, Folder] = field(default_factory=dict)
    """By path: folders that got a new name in them."""
    made: dict[bytes, tuple[Folder, int]] = field(default_factory=dict)
    """By path: for each folder that is not known to be durable, its parent and its inode number."""

    def targets(self) -> dict[bytes, Folder]:
        """Tell what to sync, by path, each folder once."""
        parents = {path.rpartition(b"/")[0]: parent for path, (parent, _) in self.made.items()}
        return parents | self.folders


class Placer:
    """Gives names to staged files."""

    def __init__(self, root: Folder, known: KnownFolders) -> None:
        self._root = root
        self._known = known

    def place(self, staging: Staging, staged: bytes, key: str, *, if_absent: bool, unsynced: Unsynced) -> None:
        """Move a staged file to its key; `unsynced` gets the folders that must be synced then.

        Raises:
            AlreadyExistsError: `if_absent`, and an object is there; `unsynced` then holds what makes that one durable.
            RefusedError: the key is another key's folder, goes through an object, or a symbolic link is in its way.
            OSError: the file system failed.
        """
        folders, name = segments_of(key)
        for _ in range(_TRIES):
            try:
                folder, made = self._known.make(self._root, folders)
                unsynced.made.update(made)
                unsynced.folders[b"".join(b"/" + segment for segment in folders)] = folder
                if if_absent:
                    # A hard link is the one way to give a name that POSIX promises not to replace another.
                    os.link(staged, name, src_dir_fd=staging.folder.fd, dst_dir_fd=folder.fd, follow_symlinks=False)
                    staging.discard(staged)
                else:
                    os.rename(staged, name, src_dir_fd=staging.folder.fd, dst_dir_fd=folder.fd)
            except FileNotFoundError:
                continue  # the folder was empty and another thread's `delete` took it away: make it again
            except (FileExistsError, IsADirectoryError):
                _make_way(folder, name)
            except NotADirectoryError as error:
                raise RefusedError(
                    "The storage key goes through a name that is an object or a symbolic link: a key must not be the"
                    " folder of another."
                ) from error
            else:
                return
        raise UnavailableError("The folder of a storage key is deleted again and again while it is written: try again.")

    def exists(self, key: str, unsynced: Unsynced) -> bool:
        """Tell whether an object is there; if so, `unsynced` gets what makes its name durable."""
        folders, name = segments_of(key)
        path, folder, made = b"", self._root, {}
        try:
            for segment in folders:
                parent, folder = folder, folder.child(segment)
                path += b"/" + segment
                made[path] = parent, os.fstat(folder.fd).st_ino
            there = stat.S_ISREG(os.stat(name, dir_fd=folder.fd, follow_symlinks=False).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False
        if there:
            unsynced.made.update((at, entry) for at, entry in made.items() if not self._known.knows(at, entry[1]))
            unsynced.folders[path] = folder
        return there

    def synced(self, unsynced: Unsynced, paths: Iterable[bytes]) -> None:
        """Remember which folders are durable now that those at `paths` were synced."""
        done = set(paths)
        for path, (_, inode) in unsynced.made.items():
            if path.rpartition(b"/")[0] in done:
                self._known.synced(path, inode)


def _make_way(folder: Folder, name: bytes) -> None:
    """Find out what has the name; return if another try may succeed.

    An empty folder is what a crash left between making folders and placing the file: it is deleted.
    """
    try:
        mode = os.stat(name, dir_fd=folder.fd, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISREG(mode):
        raise AlreadyExistsError("An object is already there under this storage key.")
    if stat.S_ISDIR(mode):
        try:
            os.rmdir(name, dir_fd=folder.fd)
        except FileNotFoundError:
            return
        except OSError as error:
            raise RefusedError("The storage key is the folder of other objects, so it cannot be one.") from error
        return
    raise RefusedError("The name of the storage key is taken by a file that is no object, such as a symbolic link.")
