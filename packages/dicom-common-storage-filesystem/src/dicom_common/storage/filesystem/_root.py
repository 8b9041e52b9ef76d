"""The root folder: made where it is missing, durably."""

from __future__ import annotations

import os
from pathlib import Path

from dicom_common.storage.filesystem._folders import Folder

__all__ = ["open_root"]


def open_root(path: Path, mode: int) -> Folder:
    """Open the root and make it where it is missing. The root itself may be a symbolic link: the operator's choice.

    Raises:
        OSError: it cannot be made or opened.
    """
    missing = []
    above = path
    while not above.exists():
        missing.append(above)
        above = above.parent
    for folder in reversed(missing):
        folder.mkdir(mode, exist_ok=True)
        descriptor = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return Folder(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
