"""Threads for blocking calls: a lane for each sort of work, so that a slow ingest starves no search."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import TypeVar

import anyio

from dicom_common.web._errors import HttpError
from dicom_common.web._tracing import Tracing

__all__ = ["PIECE", "Lane", "Turn", "pieces"]

T = TypeVar("T")
PIECE = 1 << 19
"""Bytes to which the small chunks of an answer are joined, to be handed to the network at once. Each piece stops the
thread that reads for some 0.2 ms: half as large ones take a tenth longer. Larger ones are memory for each request."""
_AHEAD = 2
"""Pieces that are read before they are asked for."""


class Lane:
    """A bounded number of requests at work, and a bounded number that wait for their turn.

    Args:
        name: for messages.
        size: how many are at work at once, each with one thread at most.
        waiting: how many more may wait.
        tracing: makes a span for each call; None: tracing is off.
    """

    def __init__(self, name: str, size: int, waiting: int, tracing: Tracing | None = None) -> None:
        self.name, self._tracing = name, tracing
        self.most_waiting = waiting
        self._turns = asyncio.Semaphore(size)
        # Not those of anyio: with its limiters they cost a search a tenth of its time.
        self._threads = ThreadPoolExecutor(size, f"dicom-common-{name}")
        self.waiting = self.at_work = 0
        """How many wait for their turn now, and how many are at work."""

    def busy(self) -> HttpError:
        """Return the answer to a request that there is no room for."""
        return HttpError(503, f"The server has too many requests to {self.name}: try again.", {"retry-after": "1"})

    def turn(self) -> Turn:
        """Return a turn, within which a request is at work: `async with`, or `begin` and `end`."""
        return Turn(self, self._turns)

    async def run(self, function: Callable[..., T], *arguments: object, **named: object) -> T:
        """Call a function that blocks, in a thread. Where the client goes away, its result is still waited for."""
        return await self._run(self._seen(function), *arguments, **named)

    def run_here(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function that does not block, in the event loop."""
        return self._seen(function)(*arguments)

    def _seen(self, function: Callable[..., T]) -> Callable[..., T]:
        """Return the function, with a span for its call where tracing is on."""
        if self._tracing is None:
            return function
        name = getattr(function, "__name__", type(function).__name__).strip("_")
        return partial(self._tracing.work, f"{self.name}: {name}", function)

    async def _run(self, function: Callable[..., T], *arguments: object, **named: object) -> T:
        answer = self._begin(function, *arguments, **named)
        with anyio.CancelScope(shield=True):
            await answer
        return answer.result()

    def _begin(self, function: Callable[..., T], *arguments: object, **named: object) -> asyncio.Future[T]:
        """Have a thread call a function."""
        call = partial(copy_context().run, function, *arguments, **named)
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        # Not `run_in_executor`: its chain of two futures takes longer than a hand-over.
        self._threads.submit(_answer, call, answer)
        return answer

    async def iterate(self, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
        """Iterate over bytes whose iterator blocks, by calls of a thread.

        While a piece is with the caller, the next ones are read. The iterator is closed at the end, in a thread, if it
        can be.
        """
        ahead = _Ahead(chunks)
        reading = self._begin(ahead.read)
        try:
            while (piece := await ahead.next()) is not None:
                if ahead.resumes():
                    reading = self._begin(ahead.read)
                yield piece
        finally:
            ahead.stop()
            with anyio.CancelScope(shield=True):
                await asyncio.wait((reading,))
            await self.close_iterator(chunks)

    async def close_iterator(self, chunks: Iterator[bytes]) -> None:
        """Close an iterator in a thread, if it can be closed; the caller's cancellation waits for it."""
        close = getattr(chunks, "close", None)
        if close is not None:
            await self._run(close)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()


class Turn:
    """A request's turn in a lane: an asynchronous context manager."""

    def __init__(self, lane: Lane, turns: asyncio.Semaphore) -> None:
        self._lane, self._turns = lane, turns

    async def begin(self) -> None:
        """Be at work, as soon as there is room.

        Raises:
            HttpError: 503, too many wait already.
        """
        lane = self._lane
        if self._turns.locked():
            if lane.waiting >= lane.most_waiting:
                raise lane.busy()
            lane.waiting += 1
            try:
                await self._turns.acquire()
            finally:
                lane.waiting -= 1
        else:
            await self._turns.acquire()
        lane.at_work += 1

    def end(self) -> None:
        """Let the next one be at work."""
        self._lane.at_work -= 1
        self._turns.release()

    async def __aenter__(self) -> None:
        await self.begin()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


def _answer(call: Callable[[], T], answer: asyncio.Future[T]) -> None:
    """Call a function in this thread, and have the event loop of a future set it."""
    try:
        settle = partial(answer.set_result, call())
    except BaseException as error:  # noqa: BLE001 - the caller raises it
        settle = partial(answer.set_exception, error)
    with suppress(RuntimeError):  # a loop that has been closed waits for nothing
        answer.get_loop().call_soon_threadsafe(_settle, answer, settle)


def _settle(answer: asyncio.Future[T], settle: Callable[[], None]) -> None:
    if not answer.cancelled():
        settle()


class _Ahead:
    """Pieces that a thread reads ahead of the event loop. Make it in the loop, and begin `read`.

    The thread goes on while there is room, so that it does not wait for the loop after each piece, nor the loop for it:
    to wake the other one takes either of them some 0.1 ms.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._loop = chunks, asyncio.get_running_loop()
        self._came = asyncio.Event()
        self._pieces: deque[bytes | None] = deque()
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        """Guards the two below: a thread that ends, and who begins the next one, have to agree."""
        self._is_reading, self._is_over = True, False

    def read(self) -> None:
        """Read until there is no room, or to the end; in a thread."""
        while self._goes_on():
            try:
                piece = next(self._chunks, None)
            except BaseException as error:  # noqa: BLE001 - the caller raises it, behind what came before
                self._error, piece = error, None
            self._is_over = self._is_over or piece is None
            self._pieces.append(piece)
            with suppress(RuntimeError):  # a loop that has been closed waits for nothing
                self._loop.call_soon_threadsafe(self._came.set)

    def _goes_on(self) -> bool:
        with self._lock:
            self._is_reading = len(self._pieces) < _AHEAD and not self._is_over
            return self._is_reading

    def resumes(self) -> bool:
        """Tell whether `read` has come to its end while there is room again: then it has to be begun."""
        with self._lock:
            ended = not self._is_reading and not self._is_over and len(self._pieces) < _AHEAD
            self._is_reading = self._is_reading or ended
            return ended

    async def next(self) -> bytes | None:
        """Return the next piece; None at the end.

        Raises:
            BaseException: what reading raised.
        """
        while not self._pieces:
            self._came.clear()
            if not self._pieces:
                await self._came.wait()
        piece = self._pieces.popleft()
        if piece is None and self._error is not None:
            raise self._error
        return piece

    def stop(self) -> None:
        """Read no more."""
        self._is_over = True


def pieces(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Join small chunks to pieces of about 512 KiB."""
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
