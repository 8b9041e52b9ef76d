"""A file that is held open for reading in many places."""

from __future__ import annotations

import os
from pathlib import Path

from dicom_common.core import BackendError
from dicom_common.storage.filesystem._errors import translated

__all__ = ["OpenFile"]


class OpenFile:
    """An object as an open file; see `OpenObject`.

    Args:
        descriptor: of the file; it is closed with this.
        root: the folder of the storage, for messages.
    """

    def __init__(self, descriptor: int, root: Path) -> None:
        self._descriptor, self._root = descriptor, root

    def read_into(self, buffer: bytearray | memoryview, position: int) -> int:
        """Read into a buffer; see `OpenObject.read_into`."""
        if position < 0:
            raise ValueError("the position of a read must not be negative")
        descriptor = self._descriptor
        if descriptor < 0:
            raise BackendError("An object was read after it had been closed.")
        with translated(self._root, "reading"):
            done = os.preadv(descriptor, [buffer], position)
            view = memoryview(buffer)
            while 0 < done < len(view) and (more := os.preadv(descriptor, [view[done:]], position + done)):
                done += more
        return done

    def close(self) -> None:
        """Close the file; see `OpenObject.close`."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
