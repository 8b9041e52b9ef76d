"""Reading regular files only: a pipe would be waited for, and a device has no end."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

__all__ = ["NotRegularError", "read_regular"]

_CHUNK = 1 << 16


class NotRegularError(OSError):
    """A file is a pipe, a socket or a device."""


def read_regular(file: Path, judge: Callable[[os.stat_result], None] | None = None) -> bytes:
    """Return the content of a file.

    Args:
        file: where it is; a link is followed.
        judge: looks at the status of the file before it is read, and raises to refuse it: at its mode or its owner.

    Raises:
        NotRegularError: it is a pipe or a device; it is not waited for.
        OSError: it cannot be read.
    """
    # Not blocking: opening a named pipe would wait for its writer.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode):
            raise NotRegularError(errno.EINVAL, "it is a pipe or a device, not a regular file")
        if judge is not None:
            judge(status)
        return b"".join(iter(lambda: os.read(descriptor, _CHUNK), b""))
    finally:
        os.close(descriptor)
