"""Bytes that a lane's threads read ahead: in order, to their end or their error, and no more than is allowed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dicom_common.web._lanes import Lane


class _Source:
    """Pieces that are counted when they are read; it knows whether it was closed."""

    def __init__(self, count: int, *, pause: float = 0.0, error: Exception | None = None) -> None:
        self._count, self._pause, self._error = count, pause, error
        self.given, self.is_closed = 0, False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self.given == self._count:
            raise self._error or StopIteration
        time.sleep(self._pause)
        self.given += 1
        return b"%d" % self.given

    def close(self) -> None:
        self.is_closed = True


def _run(work: Any) -> None:
    lane = Lane("retrieve", 2, 2)
    try:
        asyncio.run(asyncio.wait_for(work(lane), 60))
    finally:
        lane.close()


@pytest.mark.parametrize("reading", [0.0, 0.002], ids=["a fast reader", "a slow reader"])
@pytest.mark.parametrize("taking", [None, 0.0, 0.002], ids=["taken at once", "taken in turns", "taken slowly"])
def test_pieces_come_in_order_and_the_iterator_is_closed(reading: float, taking: float | None) -> None:
    async def work(lane: Lane) -> None:
        source = _Source(200, pause=reading)
        pieces = []
        async for piece in lane.iterate(source):
            pieces.append(int(piece))
            if taking is not None:
                await asyncio.sleep(taking)
        assert pieces == list(range(1, 201))
        assert source.is_closed

    _run(work)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_an_error_comes_behind_the_pieces_before_it(count: int) -> None:
    async def work(lane: Lane) -> None:
        source = _Source(count, error=OSError("the disk is gone"))
        pieces: list[int] = []

        async def take() -> None:
            async for piece in lane.iterate(source):
                pieces.append(int(piece))  # noqa: PERF401 - those before the error count

        with pytest.raises(OSError, match="the disk is gone"):
            await take()
        assert pieces == list(range(1, count + 1))
        assert source.is_closed

    _run(work)


def test_few_pieces_are_read_ahead_of_a_caller_who_takes_none() -> None:
    async def work(lane: Lane) -> None:
        source = _Source(1000)
        chunks = lane.iterate(source)
        async for _ in chunks:
            await asyncio.sleep(0.1)
            break
        assert source.given <= 4
        await chunks.aclose()  # type: ignore[attr-defined]  # it is a generator
        assert source.is_closed

    _run(work)


def test_a_caller_who_is_cancelled_leaves_a_closed_iterator() -> None:
    async def work(lane: Lane) -> None:
        source = _Source(1000, pause=0.02)

        async def take() -> None:
            async for _ in lane.iterate(source):
                pass

        taking = asyncio.create_task(take())
        await asyncio.sleep(0.1)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        assert source.is_closed
        assert source.given < 1000

    _run(work)
