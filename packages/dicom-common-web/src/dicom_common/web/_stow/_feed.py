"""From the event loop to a thread: bytes that arrive are read like a file that cannot seek."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

__all__ = ["Feed"]

_MOST_HELD = 1 << 20


class Feed:
    """Bytes that the event loop puts in, and one thread reads. It holds about a MiB. Make it in the loop."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._changed = threading.Condition()
        self._is_over = self._is_broken = self._is_unread = False
        self._loop = asyncio.get_running_loop()
        self._has_room = asyncio.Event()

    async def put(self, piece: bytes) -> None:
        """Add bytes; waits while so much is held that the reader has to go first."""
        with self._changed:
            if self._is_unread:
                return
            self._pieces.append(piece)
            self._held += len(piece)
            self._changed.notify()
            if self._held < _MOST_HELD:
                return
            self._has_room = asyncio.Event()
        await self._has_room.wait()

    def end(self) -> None:
        """All bytes are there."""
        with self._changed:
            self._is_over = True
            self._changed.notify()

    def break_off(self) -> None:
        """There will be no more bytes, and some are missing: the reader must keep nothing."""
        with self._changed:
            self._is_broken = True
            self._changed.notify()

    def forget(self) -> None:
        """The reader has ended: what is put in is dropped. From the event loop."""
        with self._changed:
            self._is_unread = True
            self._pieces.clear()
            self._held = 0
        self._has_room.set()

    def seekable(self) -> bool:
        """Tell that it is read once."""
        return False

    def read(self, size: int = -1) -> bytes:
        """Return `size` bytes, fewer only at the end; from the thread.

        Raises:
            OSError: it was broken off.
        """
        taken: list[bytes] = []
        while size and (piece := self._next(size)):
            taken.append(piece)
            size -= len(piece) if size > 0 else 0
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def _next(self, most: int) -> bytes:
        with self._changed:
            while not (self._pieces or self._is_over or self._is_broken):
                self._changed.wait()
            if self._is_broken:
                raise OSError("the sender stopped before the end of the body")
            if not self._pieces:
                return b""
            piece = self._pieces.popleft()
            if 0 < most < len(piece):
                self._pieces.appendleft(piece[most:])
                piece = piece[:most]
            was_full = self._held >= _MOST_HELD
            self._held -= len(piece)
            is_awaited = was_full and self._held < _MOST_HELD
        if is_awaited:
            self._loop.call_soon_threadsafe(self._has_room.set)
        return piece
