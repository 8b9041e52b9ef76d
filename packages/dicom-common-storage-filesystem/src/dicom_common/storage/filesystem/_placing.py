"""How a file that was written gets its name: at once, whole, and so that a power failure does not take it back."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from dicom_common.core import AlreadyExistsError, RefusedError, UnavailableError
from dicom_common.storage.filesystem._folders import Folder, KnownFolders, Walked
from dicom_common.storage.filesystem._staging import StagedFile

__all__ = ["exists", "place", "prune", "segments_of"]

_TRIES = 1000


def segments_of(key: str) -> tuple[list[bytes], bytes]:
    """Split a key into the names of its folders and the name of its file."""
    *folders, name = key.encode().split(b"/")
    return folders, name


def exists(folder: Folder, name: bytes) -> bool:
    """Tell whether there is an object of this name in the folder."""
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder.fd, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def place(  # noqa: PLR0913  # all of them are needed, and no object would hold them together for longer
    root: Folder, known: KnownFolders, file: StagedFile, key: str, walked: Walked, *, if_absent: bool
) -> Walked:
    """Give a file the name of its key.

    Args:
        root: the root of the storage.
        known: makes the folders where they are missing.
        file: what was written.
        key: where it is to be.
        walked: the key's folder as it was found before the file was written.
        if_absent: do not replace an object.

    Returns:
        The key's folder, which has to be synced now.

    Raises:
        AlreadyExistsError: `if_absent`, and an object is there.
        RefusedError: the key is another key's folder, goes through an object, or a symbolic link is in its way.
        OSError: the file system failed.
    """
    folders, name = segments_of(key)
    for _ in range(_TRIES):
        try:
            try:
                file.link(walked.folder, name)
            except FileExistsError:
                if if_absent:
                    raise
                file.replace(walked.folder, name)
        except FileNotFoundError:
            # The folder was empty, and a `delete` took it away: make it again.
            with suppress(FileNotFoundError):
                walked = known.make(root, folders)
        except (FileExistsError, IsADirectoryError):
            _make_way(walked.folder, name)
        else:
            return walked
    raise UnavailableError("The folder of a storage key is deleted again and again while it is written: try again.")


def prune(chain: list[Folder], folders: list[bytes]) -> Folder:
    """Delete folders that are empty, from the last one upwards; returns the last one that is left.

    Args:
        chain: the open folders, the root first.
        folders: their names, without the root's.
    """
    # A writer that is about to use such a folder finds it gone when it places its file, and makes it again.
    with suppress(OSError):
        while len(chain) > 1:
            os.rmdir(folders[len(chain) - 2], dir_fd=chain[-2].fd)
            chain.pop()
    return chain[-1]


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
    if not stat.S_ISDIR(mode):
        raise RefusedError("The name of the storage key is taken by what is no object, such as a symbolic link.")
    try:
        os.rmdir(name, dir_fd=folder.fd)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RefusedError("The storage key is the folder of other objects, so it cannot be one.") from error
