"""Where an instance is read from: bytes, a file, or an object elsewhere that is read by ranges."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from dicom_common.dicom import ReadRange

__all__ = ["Ranges", "Source", "opened"]


class Ranges(NamedTuple):
    """An object that lies elsewhere: a function for range reads, and its size in bytes."""

    read: ReadRange
    size: int


Source = bytes | bytearray | memoryview | mmap.mmap | os.PathLike[str] | Ranges
"""An instance as received: its bytes, a memory map, the path of its file (not text), or `Ranges`."""


@contextmanager
def opened(source: Source) -> Iterator[Ranges]:
    """Give range reads of a source; a file is open as long as the context."""
    if isinstance(source, Ranges):
        yield source
    elif isinstance(source, os.PathLike):
        with open(source, "rb", buffering=0) as file:  # noqa: PTH123  # any path-like
            descriptor = file.fileno()
            yield Ranges(lambda offset, length: _read_all(descriptor, offset, length), os.fstat(descriptor).st_size)
    else:
        buffer = source
        yield Ranges(lambda offset, length: bytes(buffer[offset : offset + length]), len(buffer))


def _read_all(descriptor: int, offset: int, length: int) -> bytes:
    """Read as many bytes as there are: one call of the system ends at 2 GiB, and may end before."""
    data = os.pread(descriptor, length, offset)
    if len(data) == length or not data:
        return data
    pieces, position = [data], offset + len(data)
    while piece := os.pread(descriptor, offset + length - position, position):
        pieces.append(piece)
        position += len(piece)
    return b"".join(pieces)
