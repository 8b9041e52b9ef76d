"""What is to be written: its size, its digest, and its bytes in parts."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import BinaryIO

from dicom_common.core import Source

__all__ = ["Bytes", "digest_of", "parts_of", "whole", "wide"]

Bytes = bytes | memoryview
_PIECE = 1 << 20


def wide(source: Source) -> tuple[Source, int]:
    """Return the source, bytes as a view of single bytes, and how many are left in it.

    The size of a file decides how it is sent, and no more: what is written is what it gives until its end.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        view = memoryview(source).cast("B")
        return view, len(view)
    start = source.tell()
    end = source.seek(0, io.SEEK_END)
    source.seek(start)
    return source, end - start


def whole(source: Source, size: int) -> Bytes:
    """Return all bytes of a small source."""
    if isinstance(source, bytes | bytearray | memoryview):
        return memoryview(source)
    body = _filled(source, size + 1)  # one more: it may have grown
    if len(body) <= size:
        return body
    grown: list[Bytes] = [body]
    while piece := source.read(_PIECE):
        grown.append(piece)
    return b"".join(grown)


def parts_of(source: Source, size: int) -> Iterator[tuple[Bytes, bool]]:
    """Iterate over the bytes in parts of `size`, each with whether it is the last; there is at least one."""
    if isinstance(source, bytes | bytearray | memoryview):
        view = memoryview(source)
        for start in range(0, len(view), size):
            yield view[start : start + size], start + size >= len(view)
        return
    ahead = b""
    while True:
        part = _filled(source, size, ahead)
        # One byte ahead, not one part: whether this is the last one must not cost the memory of another.
        ahead = source.read(1) if len(part) == size else b""
        yield part, not ahead
        if not ahead:
            return
        del part  # before the next one is read


def digest_of(source: Source) -> str:
    """Tell the SHA-256 of a source, and leave it where it stood."""
    if isinstance(source, bytes | bytearray | memoryview):
        return hashlib.sha256(source).hexdigest()
    start, digest = source.tell(), hashlib.sha256()
    while piece := source.read(_PIECE):
        digest.update(piece)
    source.seek(start)
    return digest.hexdigest()


def _filled(source: BinaryIO, size: int, begin: bytes = b"") -> memoryview:
    """Read until there are `size` bytes with those of `begin`; fewer only at the end.

    A file may give less than it is asked for. Pieces are copied into one buffer: joining them would take the memory of
    a part once more.
    """
    buffer = memoryview(bytearray(size))
    buffer[: len(begin)] = begin
    position = len(begin)
    while position < size and (piece := source.read(min(_PIECE, size - position))):
        buffer[position : position + len(piece)] = piece
        position += len(piece)
    return buffer[:position]
