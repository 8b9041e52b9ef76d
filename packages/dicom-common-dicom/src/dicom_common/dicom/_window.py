"""The bytes of an instance as the scanner sees them: a window that moves forward over memory, a file or a stream.

A memory map of a file would be simpler and no faster, because the digest needs every byte anyway; and a file that
another process shortens meanwhile would kill the process (SIGBUS).
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol

from dicom_common.core import DicomError
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._settings import ReaderSettings

__all__ = ["Feed", "Inflater", "MemoryFeed", "StreamFeed", "Window"]

_CHUNK = 1 << 18
_SKIP = 1 << 20
_RATIO_FROM = 16 << 20
_ANY_HEADER = zlib.MAX_WBITS | 32
"""Of zlib (RFC 1950) or gzip (RFC 1952), whichever is there."""


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
    """Inflates a deflated data set (PS3.5 A.5), never further than the settings allow.

    How much it takes and gives at a time depends on nothing but what was asked for: so do its limits.

    Args:
        feed: the deflated bytes.
        settings: the limits.
        wrapped: called if the stream has the header of RFC 1950 or RFC 1952, which PS3.5 A.5 does not allow.
    """

    def __init__(self, feed: Feed, settings: ReaderSettings, wrapped: Callable[[], None]) -> None:
        self._feed = feed
        self._settings = settings
        self._wrapped = wrapped
        self._inflate: Any = None
        self._taken = 0
        self._given = 0

    def pull(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size > 0 and (data := self._some(size)):
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def drop(self, size: int) -> int:
        dropped = 0
        while dropped < size and (data := self.pull(min(_CHUNK, size - dropped))):
            dropped += len(data)
        return dropped

    def _some(self, size: int) -> bytes:
        while self._inflate is None or not self._inflate.eof:
            source = self._inflate.unconsumed_tail if self._inflate is not None else b""
            if not source:
                source = _all_of(self._feed, _CHUNK)
                self._taken += len(source)
            if self._inflate is None:
                self._inflate = self._start(source)
            try:
                data: bytes = self._inflate.decompress(source, size)
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

    def _start(self, source: bytes) -> Any:
        """Take the stream as what the standard says it is; if it cannot be that, as one with a header."""
        try:
            zlib.decompressobj(-zlib.MAX_WBITS).decompress(source, 1)
        except zlib.error:
            try:
                zlib.decompressobj(_ANY_HEADER).decompress(source, 1)
            except zlib.error:
                pass  # neither: the first attempt to read will say so
            else:
                self._wrapped()
                return zlib.decompressobj(_ANY_HEADER)
        return zlib.decompressobj(-zlib.MAX_WBITS)

    def _check(self) -> None:
        taken = self._taken - len(self._inflate.unconsumed_tail)
        too_fast = self._given > _RATIO_FROM and self._given > taken * self._settings.max_inflate_ratio
        if too_fast or self._given > self._settings.max_inflated_bytes:
            raise DicomError(
                Reason.INFLATES_TOO_MUCH,
                "The deflated data set grows beyond reader.max_inflated_bytes or reader.max_inflate_ratio; "
                "raise them if the sender is trusted.",
            )


def _all_of(feed: Feed, size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0 and (data := feed.pull(size)):
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


class Window:
    """`buffer` holds the bytes from `base` on. Without a feed it holds all there are.

    Args:
        buffer: the first bytes.
        feed: where the others come from.
        keep: how many bytes before a position stay in the buffer when it moves on.
        chunk: how many bytes are taken from the feed at a time.
    """

    __slots__ = ("_chunk", "_feed", "_keep", "base", "buffer", "end")

    def __init__(self, buffer: bytes, feed: Feed | None = None, *, keep: int = 0, chunk: int = _CHUNK) -> None:
        self.buffer = buffer
        self.base = 0
        self.end: int | None = len(buffer) if feed is None else None
        """Where the bytes end, once that has been met."""
        self._feed = feed
        self._keep = keep
        self._chunk = max(chunk, keep)

    def seen(self, limit: int) -> tuple[bytes, int, int]:
        """Give the buffer, its position, and the position behind it, `limit` at most."""
        return self.buffer, self.base, min(self.base + len(self.buffer), limit)

    def move(self, position: int, need: int) -> None:
        """Have `need` bytes from `position` on in the buffer, or as many as there are. Only ever forward."""
        feed = self._feed
        if feed is None:
            return
        have = self.base + len(self.buffer)
        if position + need <= have:
            return
        jump = position - have
        if jump > self._keep:
            dropped = feed.drop(jump)
            if dropped < jump:
                self._feed, self.end = None, have + dropped
                return
            self.buffer, self.base, have = b"", position, position
        start = max(self.base, position - self._keep)
        parts = [self.buffer[start - self.base :]]
        end = position + need
        while have < end:
            data = feed.pull(max(self._chunk, end - have))
            if not data:
                self._feed, self.end = None, have
                break
            parts.append(data)
            have += len(data)
        self.buffer = b"".join(parts)
        self.base = start
