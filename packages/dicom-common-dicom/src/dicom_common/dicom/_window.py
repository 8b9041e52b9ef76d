"""The bytes of an instance as the scanner sees them: a window that moves forward over memory, a file or a stream.

A memory map of a file would be simpler and no faster, because the digest needs every byte anyway; and a file that
another process shortens meanwhile would kill the process (SIGBUS).
"""

from __future__ import annotations

import hashlib
import zlib
from typing import BinaryIO, Protocol

from dicom_common.core import DicomError
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._settings import ReaderSettings

__all__ = ["Feed", "Inflater", "MemoryFeed", "StreamFeed", "Window"]

_CHUNK = 1 << 18
_SKIP = 1 << 20
_RATIO_FROM = 16 << 20


class Feed(Protocol):
    """Where the bytes behind the window come from, in order, each once."""

    def pull(self, size: int) -> bytes:
        """Give up to `size` bytes, none only at the end."""
        ...

    def drop(self, size: int) -> int:
        """Pass over up to `size` bytes without keeping them; give how many there were."""
        ...


class StreamFeed:
    """Reads a binary file to its end, hashing what passes."""

    def __init__(self, stream: BinaryIO, seen: bytes = b"") -> None:
        self._stream = stream
        self._digest = hashlib.sha256(seen)
        self.size = len(seen)
        self._seen = memoryview(seen)

    def pull(self, size: int) -> bytes:
        if self._seen:
            data = bytes(self._seen[:size])
            self._seen = self._seen[size:]
            return data
        # A raw, non-blocking stream may answer None; it has nothing to offer a reader that waits for the end.
        data = self._stream.read(size) or b""
        self._digest.update(data)
        self.size += len(data)
        return data

    def drop(self, size: int) -> int:
        dropped = 0
        while dropped < size and (data := self.pull(min(_SKIP, size - dropped))):
            dropped += len(data)
        return dropped

    def unread(self, data: bytes) -> None:
        """Take back what was pulled last, to be pulled again."""
        self._seen = memoryview(data + bytes(self._seen))

    def finish(self) -> tuple[int, str]:
        """Read to the end; give the size and the SHA-256 of all bytes."""
        while self.drop(_SKIP):
            pass
        return self.size, self._digest.hexdigest()


class MemoryFeed:
    """Bytes that are in memory already, piece by piece."""

    def __init__(self, data: memoryview, start: int = 0) -> None:
        self._data = data
        self._position = start

    def pull(self, size: int) -> bytes:
        data = bytes(self._data[self._position : self._position + size])
        self._position += len(data)
        return data

    def drop(self, size: int) -> int:
        size = min(size, len(self._data) - self._position)
        self._position += size
        return size


class Inflater:
    """Inflates a deflated data set (PS3.5 A.5), never further than the settings allow."""

    def __init__(self, feed: Feed, settings: ReaderSettings) -> None:
        self._feed = feed
        self._settings = settings
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._taken = 0
        self._given = 0

    def pull(self, size: int) -> bytes:
        while not self._inflate.eof:
            source = self._inflate.unconsumed_tail
            if not source:
                source = self._feed.pull(_CHUNK)
                self._taken += len(source)
            try:
                data = self._inflate.decompress(source, size)
            except zlib.error:
                raise DicomError(
                    Reason.BAD_DEFLATE, "The deflated data set is damaged; ask the sender for a new copy."
                ) from None
            if data:
                self._given += len(data)
                self._check()
                return data
            if not source:
                raise DicomError(Reason.TRUNCATED, "The deflated data set ends early; ask the sender for a new copy.")
        return b""

    def drop(self, size: int) -> int:
        dropped = 0
        while dropped < size and (data := self.pull(min(_CHUNK, size - dropped))):
            dropped += len(data)
        return dropped

    def _check(self) -> None:
        taken = self._taken - len(self._inflate.unconsumed_tail)
        too_fast = self._given > _RATIO_FROM and self._given > taken * self._settings.max_inflate_ratio
        if too_fast or self._given > self._settings.max_inflated_bytes:
            raise DicomError(
                Reason.INFLATES_TOO_MUCH,
                "The deflated data set grows beyond reader.max_inflated_bytes or reader.max_inflate_ratio; "
                "raise them if the sender is trusted.",
            )


class Window:
    """`buffer` holds the bytes from `base` on. Without a feed it holds all there are.

    `size` is how many bytes there should be in all; None where only their end will tell. `most` is how many may be
    taken into the buffer, one after the other.
    """

    __slots__ = ("_feed", "_most", "base", "buffer", "size")

    def __init__(
        self, buffer: bytes, feed: Feed | None = None, *, size: int | None = None, most: int = 1 << 62
    ) -> None:
        self.buffer = buffer
        self.base = 0
        self.size = len(buffer) if feed is None else size
        self._feed = feed
        self._most = most

    def move(self, position: int, need: int) -> None:
        """Have `need` bytes from `position` on in the buffer, or as many as there are. Only ever forward."""
        if self._feed is None:
            return
        have = self.base + len(self.buffer)
        if position + need <= have:
            return
        if position > have:
            if self._feed.drop(position - have) < position - have:
                self._feed = None
                return
            parts: list[bytes] = []
            size = 0
        else:
            parts = [self.buffer[position - self.base :]]
            size = len(parts[0])
        while size < need:
            if self._most <= 0:
                raise DicomError(
                    Reason.TOO_LARGE, "The header is longer than reader.max_header; raise it to read the data set."
                )
            data = self._feed.pull(max(_CHUNK, need - size) if need > _CHUNK else _CHUNK)
            if not data:
                self._feed = None
                break
            parts.append(data)
            size += len(data)
            self._most -= len(data)
        self.buffer = b"".join(parts)
        self.base = position
