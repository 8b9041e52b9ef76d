"""Storing what several requests have at the same time by one call of the ingest.

Each request would need a thread for its one instance otherwise, and the threads would wait for each other more than
they store. A request calls for all that wait, itself among them; those that come meanwhile are the next call. So a lone
request waits for no other, and no timer is needed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from dicom_common.pipeline import Ingest, Received, Result
from dicom_common.web._errors import HttpError
from dicom_common.web._lanes import Lane

__all__ = ["StoreCalls"]

_LARGEST = 64
"""Instances after which a call takes no more of other requests."""


@dataclass(slots=True, eq=False)
class _Waiting:
    """What one request has to store."""

    received: Sequence[Received]
    moved_on: asyncio.Event = field(default_factory=asyncio.Event)
    """It has its answers, or may call."""
    answers: Sequence[Result] | Exception | None = None


class StoreCalls:
    """Brings instances to the ingest. Methods are called from the event loop.

    Args:
        ingest: stores them.
        lane: whose threads call it.
        at_once: calls for the same tenant and study at once. A second one writes while the first one indexes, which
            pays where the storage is far away; with files of this machine the two threads cost more than they save.
    """

    def __init__(self, ingest: Ingest, lane: Lane, *, at_once: int) -> None:
        self._ingest, self._lane, self._at_once = ingest, lane, at_once
        self._waiting: dict[tuple[str, str | None], list[_Waiting]] = {}
        self._calls = Counter[tuple[str, str | None]]()

    async def store(self, received: Sequence[Received], *, tenant: str, study_uid: str | None) -> Sequence[Result]:
        """Store instances, as `Ingest.store` does.

        Raises:
            HttpError: 503, too much waits already.
            DicomCommonError: the ingest is closed.
        """
        key, mine = (tenant, study_uid), _Waiting(received)
        waiting = self._waiting.setdefault(key, [])
        if len(waiting) >= self._lane.most_waiting:
            raise self._lane.busy()
        waiting.append(mine)
        try:
            while mine.answers is None:
                if self._calls[key] < self._at_once:
                    await self._call(key)
                else:
                    mine.moved_on = asyncio.Event()
                    await mine.moved_on.wait()
        finally:
            if mine in waiting:
                waiting.remove(mine)
            self._wake(key)
        if isinstance(mine.answers, Exception):
            raise mine.answers
        return mine.answers

    async def _call(self, key: tuple[str, str | None]) -> None:
        """Store what waits, and answer it."""
        self._calls[key] += 1
        taken: list[_Waiting] = []
        answers: Sequence[Result] | Exception = HttpError(503, "The server is stopping: send the request again.")
        try:
            async with self._lane.turn():
                taken = _take(self._waiting[key])
                batch = [one for waiting in taken for one in waiting.received]
                answers = await self._lane.run(self._ingest.store, batch, tenant=key[0], study_uid=key[1])
        except Exception as error:  # noqa: BLE001 - each of them learns of it
            taken, answers = taken or _take(self._waiting[key]), error
        finally:
            self._calls[key] -= 1
            begin = 0
            for one in taken:
                end = begin + len(one.received)
                one.answers, begin = answers if isinstance(answers, Exception) else answers[begin:end], end
                one.moved_on.set()

    def _wake(self, key: tuple[str, str | None]) -> None:
        """Let the next one call, if it may; forget what nothing waits for."""
        waiting = self._waiting.get(key)
        if waiting and self._calls[key] < self._at_once:
            waiting[0].moved_on.set()
        elif not waiting and not self._calls[key]:
            self._waiting.pop(key, None)
            del self._calls[key]


def _take(waiting: list[_Waiting]) -> list[_Waiting]:
    """Take requests from those that wait: up to a number of instances, and the first always."""
    number, size = 0, 0
    while number < len(waiting) and (not number or size + len(waiting[number].received) <= _LARGEST):
        size += len(waiting[number].received)
        number += 1
    taken = waiting[:number]
    del waiting[:number]
    return taken
