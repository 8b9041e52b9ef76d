"""The instances of one store request, each on its way into the ingest as soon as it has come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import BinaryIO, cast

from anyio.abc import TaskGroup

from dicom_common.core import Origin
from dicom_common.pipeline import HELD, MOST_HELD, IngestReason, Received, Result, Status
from dicom_common.web._call import Call
from dicom_common.web._errors import HttpError
from dicom_common.web._stow._feed import Feed

__all__ = ["Intake", "Outcome", "UnsupportedPart"]

_WHEN_CROWDED = 64 * 1024
"""Bytes of an instance that are held where the process holds too much."""
_BATCH = 1024 * 1024
_BATCH_PARTS = 16
"""What has come so far is handed over when it is so much; the rest at the end, by one call of a thread."""
_MOST_WAITING = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class UnsupportedPart:
    """A part that is not read: it is not of the media type that this request stores."""


Outcome = Result | UnsupportedPart
_Answers = Sequence[Result] | Sequence[Future[Result]]


class Intake:
    """Takes the parts of one request. Methods are called from the event loop, in the order of the body.

    Args:
        call: the request.
        study_uid: the only study that is taken; None: any.
        tasks: in which instances are stored while further ones arrive.
    """

    def __init__(self, call: Call, study_uid: str | None, tasks: TaskGroup) -> None:
        self._call, self._site, self._study_uid, self._tasks = call, call.site, study_uid, tasks
        client = call.request.client
        self._origin = Origin(source="stow", ip=client.host if client else None, user=call.user)
        self._outcomes: list[Outcome | Future[Result] | None] = []
        self._part: list[bytes] = []
        self._size = 0
        self._feed: Feed | None = None
        self._is_read = False
        self._waiting: list[Received] = []
        self._waiting_size = 0
        self._is_storing = False
        self._progress = asyncio.Event()
        self._uploads = 0

    def begin(self, *, is_supported: bool) -> None:
        """Begin a part."""
        self._is_read, self._feed = is_supported, None
        self._outcomes.append(None if is_supported else UnsupportedPart())

    async def add(self, piece: bytes) -> None:
        """Take a piece of the part."""
        if not self._is_read:
            return
        if self._feed is None:
            self._part.append(piece)
            self._size += len(piece)
            HELD.add(len(piece))
            if self._size <= (_WHEN_CROWDED if HELD.is_crowded else MOST_HELD):
                return
            self._feed = Feed()
            self._uploads += 1
            self._tasks.start_soon(self._upload, self._feed, len(self._outcomes) - 1)
            piece = self._drop()
        await self._feed.put(piece)

    async def end(self) -> None:
        """The part is complete."""
        if not self._is_read:
            return
        if self._feed is not None:
            self._feed.end()
            self._feed = None
            return
        number = len(self._outcomes) - 1
        data = self._drop()
        HELD.add(len(data))
        self._waiting.append(self._received(data, number))
        self._waiting_size += len(data)
        if not self._is_storing and (self._waiting_size >= _BATCH or len(self._waiting) >= _BATCH_PARTS):
            self._is_storing = True
            self._tasks.start_soon(self._hand_over)
        while self._is_storing and self._waiting_size > _MOST_WAITING:
            await self._step()

    def break_off(self) -> None:
        """The body ended within a part: nothing of that is kept. What was complete is stored."""
        self._drop()
        if self._feed is not None:
            self._feed.break_off()

    async def finish(self) -> list[Outcome]:
        """Wait for the answers of all complete parts, and return them in their order."""
        while self._is_storing:
            await self._step()
        await self._store(self._site.store_calls.store)
        while self._uploads:
            await self._step()
        futures = [one for one in self._outcomes if isinstance(one, Future)]
        if futures:
            await self._site.lanes.store.run(_wait, futures)
        done = [one.result() if isinstance(one, Future) else one for one in self._outcomes]
        return [one for one in done if one is not None]

    def close(self) -> None:
        """Let go of what is held."""
        self.break_off()
        HELD.add(-self._take()[1])

    async def _hand_over(self) -> None:
        """Submit what waits, until nothing does."""
        try:
            while self._waiting:
                await self._store(self._submit_all)
                self._moved_on()
        finally:
            self._is_storing = False
            self._moved_on()

    async def _store(self, function: Callable[..., Awaitable[_Answers]]) -> None:
        """Have what waits stored."""
        batch, size = self._take()
        if not batch:
            return
        answers: _Answers
        try:
            answers = await function(batch, tenant=self._call.tenant, study_uid=self._study_uid)
        except HttpError:
            answers = [_busy(one) for one in batch]
        finally:
            HELD.add(-size)
        for number, received in enumerate(batch):
            self._outcomes[int(received.name)] = answers[number]

    async def _submit_all(
        self, batch: Sequence[Received], *, tenant: str, study_uid: str | None
    ) -> Sequence[Future[Result]]:
        lane = self._site.lanes.store
        async with lane.turn():
            return await lane.run(self._site.ingest.submit_all, batch, tenant=tenant, study_uid=study_uid)

    async def _upload(self, feed: Feed, number: int) -> None:
        """Store an instance while it arrives."""
        lane, received = self._site.lanes.upload, self._received(cast("BinaryIO", feed), number)
        ingest = self._site.ingest
        try:
            async with lane.turn():
                (self._outcomes[number],) = await lane.run(
                    ingest.store, [received], tenant=self._call.tenant, study_uid=self._study_uid
                )
        except HttpError:
            self._outcomes[number] = _busy(received)
        finally:
            feed.forget()
            self._uploads -= 1
            self._moved_on()

    def _received(self, source: bytes | BinaryIO, number: int) -> Received:
        return Received(source=source, name=str(number), origin=self._origin)

    def _drop(self) -> bytes:
        """Return what of the part is held, and hold it no more."""
        data = self._part[0] if len(self._part) == 1 else b"".join(self._part)
        HELD.add(-self._size)
        self._part, self._size = [], 0
        return data

    def _take(self) -> tuple[list[Received], int]:
        """Return what waits and its size, which is held until it is stored."""
        taken = self._waiting, self._waiting_size
        self._waiting, self._waiting_size = [], 0
        return taken

    async def _step(self) -> None:
        await self._progress.wait()

    def _moved_on(self) -> None:
        self._progress.set()
        self._progress = asyncio.Event()


def _wait(futures: Sequence[Future[Result]]) -> None:
    for one in futures:
        one.exception()


def _busy(received: Received) -> Result:
    """Answer an instance that the server has no turn for."""
    message = "The server has too many requests: send it again later."
    return Result(
        name=received.name, status=Status.REJECTED, reason=IngestReason.STORAGE_BUSY, message=message, retry=True
    )
