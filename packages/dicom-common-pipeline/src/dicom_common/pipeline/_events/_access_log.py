"""The log of web requests, written in batches beside the requests, so that no request waits for a transaction."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import Final, NamedTuple, Self

from dicom_common.core import DicomCommonError, Event, LogRecord, Logs, Outcome, UnavailableError, WebAccess
from dicom_common.host import Services
from dicom_common.pipeline._events._messages import access_message
from dicom_common.pipeline._settings import TopicSettings

__all__ = ["AccessLog"]

_log = logging.getLogger(__name__)
_PAUSES: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 20.0)
"""Seconds before an index that is unavailable is tried again: a restart of the database server loses nothing."""
_FULL: Final = 10
"""Batches that may wait; then `write` does."""
_Access = WebAccess | Callable[[], WebAccess]
"""A record, or what makes it."""


class AccessLog:
    """Writes the records of web requests, and their messages, in the background. Thread-safe; a context manager.

    A batch is one transaction of the index: the records, where the database keeps logs (`Logs`), and the messages for
    the topic `access`, which the relay publishes like all other events. What waits is in memory, and is lost if the
    process dies; `close` writes it. A forked child has a queue and a thread of its own, and closes the log itself.

    Args:
        services: the index.
        size: how many records share a transaction at most. Ten times as many may wait.
        seconds: how long a record waits for others, up to 60.
        full_seconds: how long `write` waits for room, before the record is lost.
        close_seconds: how long `close` goes on trying while the index is unavailable.
    """

    def __init__(
        self,
        services: Services,
        *,
        size: int = 500,
        seconds: float = 1.0,
        full_seconds: float = 5.0,
        close_seconds: float = 10.0,
    ) -> None:
        if size < 1 or not 0 <= seconds <= 60:
            raise ValueError("size has to be at least 1, and seconds from 0 to 60")
        topic = services.settings("topics", TopicSettings).access
        self._new_queue = partial(_Queue, services, topic, _Limits(size, seconds, full_seconds, close_seconds))
        self._queues: dict[int, _Queue] = {}

    @property
    def lost(self) -> int:
        """How many records of this process could not be written."""
        return self._queue.lost

    def write(self, access: WebAccess | Callable[[], WebAccess]) -> None:
        """Have a record written. It returns at once; where ten batches wait, it waits for room up to `full_seconds`.

        Args:
            access: the record, or what makes it, once, in the thread that writes: no request waits for that either. It
                keeps in memory what it refers to.

        Raises:
            DicomCommonError: the log is closed.
        """
        self._queue.write(access)

    @property
    def is_full(self) -> bool:
        """Whether `write` would wait: who must not, calls it in a thread then."""
        return self._queue.is_full

    def close(self) -> None:
        """Write what waits, and end the thread; the services stay open. A second call does nothing."""
        self._queue.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _queue(self) -> _Queue:
        """The queue of this process: a forked child has none of its parent's threads, and may have its locks held."""
        queue = self._queues.get(os.getpid())
        return self._queues.setdefault(os.getpid(), self._new_queue()) if queue is None else queue


class _Limits(NamedTuple):
    """See the arguments of `AccessLog`."""

    size: int
    seconds: float
    full_seconds: float
    close_seconds: float


class _Queue:
    """The records that wait in one process, and the thread that writes them."""

    def __init__(self, services: Services, topic: str, limits: _Limits) -> None:
        self._services, self._topic, self._limits = services, topic, limits
        self._waiting: deque[_Access] = deque()
        self._mutex = threading.Lock()
        self._came, self._has_room = threading.Condition(self._mutex), threading.Condition(self._mutex)
        self._closed = threading.Event()
        self._end = float("inf")
        """Until when an index that is unavailable is tried again, once the log is closed."""
        self._thread: threading.Thread | None = None
        self.lost = 0

    @property
    def is_full(self) -> bool:
        """Whether `write` would wait."""
        return len(self._waiting) >= _FULL * self._limits.size

    def write(self, access: _Access) -> None:
        with self._mutex:
            has_room = self._has_room.wait_for(self._may_enter_held, self._limits.full_seconds)
            if self._closed.is_set():
                raise DicomCommonError("This access log is closed: make another one.")
            if has_room:
                self._waiting.append(access)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="dicom-common-access-log", daemon=True)
                    self._thread.start()
                if len(self._waiting) in (1, self._limits.size):
                    self._came.notify()
        if not has_room:
            self._lose(1, "no batch was written for too long")

    def close(self) -> None:
        with self._mutex:
            if not self._closed.is_set():
                self._end = time.monotonic() + self._limits.close_seconds
            self._closed.set()
            self._came.notify()
            self._has_room.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _may_enter_held(self) -> bool:
        return len(self._waiting) < _FULL * self._limits.size or self._closed.is_set()

    def _run(self) -> None:
        while batch := self._next():
            if records := list(self._made(batch)):
                self._write(records)

    def _made(self, batch: Sequence[_Access]) -> Iterator[WebAccess]:
        for one in batch:
            try:
                yield one if isinstance(one, WebAccess) else one()
            except Exception as error:  # noqa: BLE001 - the others go on
                self._lose(1, type(error).__name__)

    def _next(self) -> list[_Access]:
        """Wait for a batch; an empty one is the end."""
        with self._mutex:
            self._came.wait_for(lambda: self._waiting or self._closed.is_set())
            self._came.wait_for(
                lambda: len(self._waiting) >= self._limits.size or self._closed.is_set(), self._limits.seconds
            )
            batch = [self._waiting.popleft() for _ in range(min(self._limits.size, len(self._waiting)))]
            self._has_room.notify_all()
            return batch

    def _write(self, batch: Sequence[WebAccess]) -> None:
        """Write a batch in one transaction; where it is refused, in halves, until the record to blame is found."""
        pauses = iter(_PAUSES)
        while True:
            try:
                self._add(batch)
            except UnavailableError:
                if not self._pause(next(pauses, None)):
                    self._lose(len(batch), "the index is unavailable")
                    return
            except Exception as error:  # noqa: BLE001 - whatever one record does to the index, the others go on
                if len(batch) == 1:
                    self._lose(1, type(error).__name__)  # its message may quote the record
                    return
                middle = len(batch) // 2
                self._write(batch[:middle])
                self._write(batch[middle:])
                return
            else:
                return

    def _pause(self, seconds: float | None) -> bool:
        """Wait before another try; False where there is to be none."""
        if seconds is None:
            return False
        if self._closed.wait(seconds):
            time.sleep(max(0.0, min(seconds, self._end - time.monotonic())))
        return time.monotonic() < self._end

    def _lose(self, records: int, why: str) -> None:
        with self._mutex:
            self.lost += records
        _log.error("%d records of web requests could not be written: %s", records, why)

    def _add(self, batch: Sequence[WebAccess]) -> None:
        db = self._services.db

        def events(_: Sequence[Outcome]) -> Iterator[Event | LogRecord]:
            for record in batch:
                message = access_message(record)
                yield Event(
                    tenant=record.tenant,
                    topic=self._topic,
                    key=message.key,
                    body=message.body,
                    headers=message.headers,
                    id=record.id,
                )
            if isinstance(db, Logs):
                yield from batch

        db.add((), events=events)
