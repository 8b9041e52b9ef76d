"""The root folder: made where it is missing, durably."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from dicom_common.core import UnavailableError
from dicom_common.storage.filesystem._folders import Folder

__all__ = ["open_root"]


def open_root(path: Path, mode: int, *, make: bool) -> Folder:
    """Open the root, and make it where it is missing. The root itself may be a symbolic link: the operator's choice.

    Args:
        path: where it is.
        mode: the permission bits of what is made, whatever the umask is.
        make: else a root that is missing is an error.

    Raises:
        UnavailableError: it is missing and not to be made.
        OSError: it cannot be made or opened.
    """
    if not make and not path.exists():
        raise UnavailableError(f"The storage folder {path} is not there: mount its disk, or make the folder.")
    missing = []
    above = path
    while not above.exists():
        missing.append(above)
        above = above.parent
    for folder in reversed(missing):
        with suppress(FileExistsError):
            folder.mkdir(mode)
            folder.chmod(mode)  # mkdir's mode is cut by the umask
        descriptor = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return Folder(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
