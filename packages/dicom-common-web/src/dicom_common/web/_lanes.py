"""Threads for blocking calls: a lane for each sort of work, so that a slow ingest starves no search."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread

from dicom_common.web._errors import HttpError

__all__ = ["PIECE", "Lane", "pieces"]

T = TypeVar("T")
PIECE = 1 << 20
"""Bytes of an answer that are read, and handed to the network, at once."""


class Lane:
    """A bounded number of requests at work, and a bounded number that wait for their turn.

    Args:
        name: for messages.
        size: how many are at work at once, each with one thread at most.
        waiting: how many more may wait.
    """

    def __init__(self, name: str, size: int, waiting: int) -> None:
        self.name = name
        self._turns = anyio.CapacityLimiter(size)
        self._threads = anyio.CapacityLimiter(size)
        self.most_waiting = waiting
        self.waiting = 0
        """How many wait for their turn now."""

    @property
    def at_work(self) -> int:
        """How many are at work now."""
        return int(self._turns.borrowed_tokens)

    def busy(self) -> HttpError:
        """Return the answer to a request that there is no room for."""
        return HttpError(503, f"The server has too many requests to {self.name}: try again.", {"retry-after": "1"})

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Be at work.

        Raises:
            HttpError: 503, too many wait already.
        """
        if self._turns.available_tokens == 0 and self.waiting >= self.most_waiting:
            raise self.busy()
        self.waiting += 1
        try:
            # Not the task: one request of a task may begin another one.
            turn = object()
            await self._turns.acquire_on_behalf_of(turn)
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._turns.release_on_behalf_of(turn)

    async def run(self, function: Callable[..., T], *arguments: object, **named: object) -> T:
        """Call a function that blocks, in a thread. Where the client goes away, its result is still waited for."""
        return await anyio.to_thread.run_sync(partial(function, *arguments, **named), limiter=self._threads)

    async def iterate(self, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
        """Iterate over bytes whose iterator blocks, in pieces of about a MiB, each by one call of a thread.

        The iterator is closed at the end, in a thread, if it can be.
        """
        try:
            while (piece := await self.run(_next, chunks)) is not None:
                yield piece
        finally:
            await self.close(chunks)

    async def close(self, chunks: Iterator[bytes]) -> None:
        """Close an iterator in a thread, if it can be closed; the caller's cancellation waits for it."""
        close = getattr(chunks, "close", None)
        if close is not None:
            with anyio.CancelScope(shield=True):
                await self.run(close)


def _next(chunks: Iterator[bytes]) -> bytes | None:
    return next(chunks, None)


def pieces(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Join small chunks to pieces of about a MiB."""
    waiting: list[bytes] = []
    size = 0
    try:
        for chunk in chunks:
            waiting.append(chunk)
            size += len(chunk)
            if size >= PIECE:
                yield b"".join(waiting) if len(waiting) > 1 else chunk
                waiting.clear()
                size = 0
        if waiting:
            yield b"".join(waiting)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
