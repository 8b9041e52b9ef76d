"""A stream as of a socket, for tests of what the reader reads from."""

from __future__ import annotations

import io


class Dribble(io.RawIOBase):
    """A stream that cannot be sought in, and gives a few bytes at a time, as a socket does."""

    def __init__(self, data: bytes, at_once: int) -> None:
        self._data, self._at_once = data, at_once

    def read(self, size: int = -1) -> bytes:
        size = min(size if size >= 0 else len(self._data), self._at_once)
        data, self._data = self._data[:size], self._data[size:]
        return data
