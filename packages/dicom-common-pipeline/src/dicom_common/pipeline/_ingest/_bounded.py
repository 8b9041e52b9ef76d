"""Opening a regular file without ever waiting, and reading a source no further than an object may be long."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from dicom_common.core import DicomError
from dicom_common.pipeline._ingest._reasons import IngestReason

__all__ = ["Bounded", "open_regular", "require_size"]

_BEGINNING = 64 << 10
"""Bytes by which a refused object is named."""


def require_size(size: int, limit: int) -> None:
    """Refuse a size above the limit in bytes.

    Raises:
        DicomError: it is above, `object-too-large`.
    """
    if size > limit:
        raise _too_large(limit)


class Bounded:
    """A binary file that is read from where it stands, and no further than an object may be long.

    It does not believe the file's own size: a stream may have none, and a file may grow while it is read. What is
    read first is also put into `beginning`.
    """

    def __init__(self, stream: BinaryIO, limit: int, beginning: list[bytes]) -> None:
        self._stream, self._limit, self._left = stream, limit, limit + 1
        self._beginning, self._to_begin = beginning, _BEGINNING

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes.

        Raises:
            DicomError: `object-too-large`, there is more than the limit, by which one byte too many was read.
            BlockingIOError: the stream has nothing yet, and does not wait: that is not its end.
        """
        data: bytes | None = self._stream.read(min(size, self._left) if size >= 0 else self._left)
        if data is None:
            raise BlockingIOError(errno.EAGAIN, "it does not wait for its bytes; pass a stream that blocks")
        self._left -= len(data)
        if self._to_begin > 0:
            self._beginning.append(data)
            self._to_begin -= len(data)
        if self._left <= 0:
            raise _too_large(self._limit)
        return data


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading.

    It is looked at before and after: a file that is replaced by a named pipe meanwhile is not waited for, and a
    device, for which opening may mean something, is hardly ever opened.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    _require_regular(path.stat().st_mode)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _require_regular(os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")  # buffered: what reads so many bytes gets them, also from a slow file system
    except BaseException:
        os.close(descriptor)
        raise


def _require_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is not a regular file")


def _too_large(limit: int) -> DicomError:
    message = f"It is larger than {limit} bytes: raise ingest.max_object_bytes to take it."
    return DicomError(IngestReason.OBJECT_TOO_LARGE, message)
