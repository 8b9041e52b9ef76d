"""Writing the bytes of a batch to the storage: all at once, and never over something that may be needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from dicom_common.core import (
    AlreadyExistsError,
    BackendError,
    BatchWrites,
    DamagedError,
    NotFoundError,
    ObjectInfo,
    Storage,
    UnavailableError,
    Write,
)
from dicom_common.pipeline._concurrent import Threads
from dicom_common.pipeline._ingest._candidate import SourceLostError
from dicom_common.pipeline._ingest._item import Item
from dicom_common.pipeline._read import has_digest

__all__ = ["Writer"]

_MAX_ROUNDS = 10
"""What is in the way of a write is gone again only while another process deletes it: not often in a row."""


class Writer:
    """Writes items to a storage; many at once, within bounds, where the storage takes them one by one."""

    def __init__(self, storage: Storage, *, in_flight: int = 32) -> None:
        self._storage, self._in_flight = storage, in_flight
        self._batches = storage if isinstance(storage, BatchWrites) else None  # asked once: it takes 10 us
        # By process: a forked child has the pool of its parent, and none of the threads.
        self._pools: dict[int, Threads] = {}

    def write(self, items: Sequence[Item], another_key: Callable[[Item], str]) -> dict[Item, BackendError]:
        """Make the bytes of all items durable, and return the errors of those for which that failed.

        Where an object is in the way at an item's key, it is either a copy of the same bytes that a crash or another
        writer left, and is taken for ours; or it is something else, and the item gets `another_key`.
        """
        errors: dict[Item, BackendError] = {}
        waiting = list(items)
        for _ in range(_MAX_ROUNDS):
            in_the_way = []
            for item, answer in zip(waiting, self._write_all(waiting), strict=True):
                if isinstance(answer, AlreadyExistsError):
                    in_the_way.append(item)
                elif isinstance(answer, BackendError):
                    errors[item] = answer
                else:
                    _note_written(item, answer)
            waiting = []
            for item in in_the_way:
                try:
                    if not self._takes(item):
                        item.key = another_key(item)
                        waiting.append(item)
                except NotFoundError:  # it was there a moment ago, and was deleted
                    waiting.append(item)
                except BackendError as error:
                    errors[item] = error
            if not waiting:
                return errors
        lost = UnavailableError("Other processes write and delete its storage key again and again: try again.")
        return errors | dict.fromkeys(waiting, lost)

    def close(self) -> None:
        """End the threads."""
        pool = self._pools.pop(os.getpid(), None)
        if pool is not None:
            pool.shutdown()

    def _takes(self, item: Item) -> bool:
        """Take the object at an item's key for its own if that has the same bytes; tell whether it has."""
        try:
            there = self._storage.stat(item.key)
        except DamagedError:
            return False
        is_same = has_digest(self._storage, there, item.candidate.instance.sha256)
        if is_same:
            _note_written(item, there)
        return is_same

    def _pool(self) -> Threads:
        """Return the threads of this process, which are started when they are needed."""
        pool = self._pools.get(os.getpid())
        if pool is None:  # of two threads that come first, one's is dropped: it has started nothing
            pool = self._pools.setdefault(os.getpid(), Threads(self._in_flight, "storage-write"))
        return pool

    def _write_all(self, items: Sequence[Item]) -> list[ObjectInfo | BackendError]:
        arrived = [item for item in items if item.candidate.streamed and item.candidate.streamed.is_pending]
        if not arrived:
            return self._write_sources(items)
        commits = map(self._commit, arrived) if len(arrived) == 1 else self._pool().map(self._commit, arrived)
        answers = dict(zip(arrived, commits, strict=True))
        others = [item for item in items if item not in answers]
        if others:
            answers |= zip(others, self._write_sources(others), strict=True)
        return [answers[item] for item in items]

    @staticmethod
    def _commit(item: Item) -> ObjectInfo | BackendError:
        """Make an object of bytes that are in the storage already."""
        streamed, sha256 = item.candidate.streamed, item.candidate.instance.sha256
        assert streamed is not None
        try:
            return streamed.commit(item.key, if_absent=not item.restores, sha256=sha256)
        except BackendError as error:
            return error

    def _write_sources(self, items: Sequence[Item]) -> list[ObjectInfo | BackendError]:
        with ExitStack() as stack:
            writes = []
            answers: list[ObjectInfo | BackendError | None] = []
            for item in items:
                held = item.candidate.held
                try:
                    source = stack.enter_context(item.candidate.source()) if held is None else held
                except SourceLostError as error:
                    answers.append(error)
                    continue
                answers.append(None)
                writes.append(
                    Write(
                        key=item.key,
                        source=source,
                        if_absent=not item.restores,
                        sha256=item.candidate.instance.sha256,
                    )
                )
            written = iter(self._batch(writes))
            return [next(written) if answer is None else answer for answer in answers]

    def _batch(self, writes: Sequence[Write]) -> list[ObjectInfo | BackendError]:
        if self._batches is not None:
            return self._batches.write_many(writes)
        if len(writes) == 1:
            return [self._one(writes[0])]
        return list(self._pool().map(self._one, writes))

    def _one(self, write: Write) -> ObjectInfo | BackendError:
        try:
            return self._storage.write(write.key, write.source, if_absent=write.if_absent, sha256=write.sha256)
        except BackendError as error:
            return error
        except Exception as error:  # noqa: BLE001 - what a source raises passes through a storage unchanged
            return SourceLostError(f"It cannot be read again ({type(error).__name__}): send it again.")


def _note_written(item: Item, there: ObjectInfo) -> None:
    item.written = there.modified
    if item.candidate.streamed is not None:
        item.candidate.streamed.key = item.key
