"""The bytes of an object, a range at a time."""

from __future__ import annotations

from collections.abc import Callable

from dicom_common.storage.object import Body, Found

__all__ = ["RangesBody"]


class RangesBody(Body):
    """Reads range after range of one version: the SDK hands over a range as a whole, and never a stream.

    Args:
        found: the object.
        first: the first range.
        start: where it begins.
        end: where the bytes that are wanted end.
        fetch: gets the bytes from a place on, a range of them.
    """

    def __init__(self, found: Found, first: bytes, start: int, end: int, fetch: Callable[[int, int], bytes]) -> None:
        self.found = found
        self._ahead = memoryview(first)
        self._position = start + len(first)
        self._end = end
        self._fetch = fetch

    def read(self, size: int) -> bytes:
        """See `Body`."""
        if not self._ahead and self._position < self._end:
            self._ahead = memoryview(self._fetch(self._position, self._end - self._position))
            self._position += len(self._ahead)
        piece, self._ahead = self._ahead[:size], self._ahead[size:]
        return bytes(piece)

    def close(self) -> None:
        """See `Body`. No connection is held between two ranges."""
        self._ahead = memoryview(b"")
        self._end = 0
