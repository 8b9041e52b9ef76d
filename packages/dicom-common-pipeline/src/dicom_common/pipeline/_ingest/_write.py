"""Writing the bytes of a batch to the storage: all at once, and never over something that may be needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime

from dicom_common.core import (
    AlreadyExistsError,
    BackendError,
    BatchWrites,
    NotFoundError,
    ObjectInfo,
    Storage,
    Stored,
    UnavailableError,
    Write,
)
from dicom_common.pipeline._ingest._candidate import Candidate, SourceLostError
from dicom_common.pipeline._read import digest_of

__all__ = ["Attempt", "Writer", "stored_at"]

_MAX_ROUNDS = 10
"""What is in the way of a write is gone again only while somebody deletes it: not often in a row."""


@dataclass(slots=True)
class Attempt:
    """A candidate on its way into the storage and the index."""

    position: int
    """Where in the batch it stands."""
    candidate: Candidate
    key: str
    restore: bool = False
    """The index has these very bytes at this key, and the storage has lost them: write them back."""
    written: datetime | None = None
    """When its object was written, as the storage has it: the receipt, which a rebuild of the index finds again."""


class Writer:
    """Writes attempts to a storage; many at once, within bounds, where the storage takes them one by one."""

    def __init__(self, storage: Storage, *, in_flight: int = 32) -> None:
        self._storage = storage
        # Its threads are started with the first batch.
        self._threads = ThreadPoolExecutor(in_flight, thread_name_prefix="storage-write")

    def write(self, attempts: Sequence[Attempt], another_key: Callable[[Attempt], str]) -> dict[int, BackendError]:
        """Make the bytes of all attempts durable and return the errors of those that failed, by position.

        Where an object is in the way at an attempt's key, it is either a copy of the same bytes that a crash or another
        writer left, and is taken for ours; or it is something else, and the attempt gets `another_key`.
        """
        errors: dict[int, BackendError] = {}
        waiting = list(attempts)
        for _ in range(_MAX_ROUNDS):
            in_the_way = []
            for attempt, answer in zip(waiting, self._write_all(waiting), strict=True):
                if isinstance(answer, AlreadyExistsError):
                    in_the_way.append(attempt)
                elif isinstance(answer, BackendError):
                    errors[attempt.position] = answer
                else:
                    attempt.written = answer.modified
            waiting = []
            for attempt in in_the_way:
                try:
                    there = self._storage.stat(attempt.key)
                    attempt.written = there.modified
                    if (there.sha256 or digest_of(self._storage, attempt.key)) != attempt.candidate.instance.sha256:
                        attempt.key = another_key(attempt)
                        waiting.append(attempt)
                except NotFoundError:  # it was there a moment ago: somebody deleted it
                    waiting.append(attempt)
                except BackendError as error:
                    errors[attempt.position] = error
            if not waiting:
                return errors
        lost = UnavailableError("Its place in the storage is written and deleted again and again: try again.")
        return errors | {attempt.position: lost for attempt in waiting}

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def _write_all(self, attempts: Sequence[Attempt]) -> list[ObjectInfo | BackendError]:
        with ExitStack() as stack:
            writes = []
            answers: list[ObjectInfo | BackendError | None] = []
            for attempt in attempts:
                try:
                    source = stack.enter_context(attempt.candidate.source())
                except SourceLostError as error:
                    answers.append(error)
                    continue
                answers.append(None)
                writes.append(
                    Write(
                        key=attempt.key,
                        source=source,
                        if_absent=not attempt.restore,
                        sha256=attempt.candidate.instance.sha256,
                    )
                )
            written = iter(self._batch(writes))
            return [next(written) if answer is None else answer for answer in answers]

    def _batch(self, writes: Sequence[Write]) -> list[ObjectInfo | BackendError]:
        if isinstance(self._storage, BatchWrites):
            return self._storage.write_many(writes)
        if len(writes) == 1:
            return [self._one(writes[0])]
        return list(self._threads.map(self._one, writes))

    def _one(self, write: Write) -> ObjectInfo | BackendError:
        try:
            return self._storage.write(write.key, write.source, if_absent=write.if_absent, sha256=write.sha256)
        except BackendError as error:
            return error
        except Exception as error:  # noqa: BLE001 - what a source raises passes through a storage unchanged
            return SourceLostError(f"It cannot be read again ({type(error).__name__}): send it again.")


def stored_at(tenant: str, attempt: Attempt) -> Stored:
    """Tell what the index has of an attempt that it took."""
    instance = attempt.candidate.instance
    return Stored(
        tenant=tenant,
        study_uid=instance.study_uid,
        series_uid=instance.series_uid,
        sop_uid=instance.sop_uid,
        sop_class_uid=instance.sop_class_uid,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        key=attempt.key,
        size=instance.size,
        sha256=instance.sha256,
    )
