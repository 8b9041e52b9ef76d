"""The log of web requests, written in batches beside the requests, so that no request waits for a transaction."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Self

from dicom_common.core import DicomCommonError, Event, LogRecord, Logs, Outcome, UnavailableError, WebAccess
from dicom_common.host import Services
from dicom_common.pipeline._events._messages import access_message
from dicom_common.pipeline._settings import TopicSettings

__all__ = ["AccessLog"]

_log = logging.getLogger(__name__)
_PAUSES: Final = (0.1, 0.5, 2.0, 5.0)
"""Seconds before an index that is unavailable is tried again."""
_FULL: Final = 10
"""Batches that may wait; then `write` does."""


class AccessLog:
    """Writes the records of web requests, and their messages, in the background. Thread-safe; a context manager.

    A batch is one transaction of the index: the records, where the database keeps logs (`Logs`), and the messages of
    `webapi_access_queue`, which the relay publishes like all other events. What was written is not lost any more; what
    waits is lost with the process.

    Args:
        services: the index.
        size: how many records share a transaction at most.
        seconds: for how long a record waits for others.

    Attributes:
        lost: how many records could not be written, since it was made.
    """

    def __init__(self, services: Services, *, size: int = 500, seconds: float = 1.0) -> None:
        if size < 1 or not 0 <= seconds <= 60:
            raise ValueError("size has to be at least 1, and seconds from 0 to 60")
        self._services, self._size, self._seconds = services, size, seconds
        self._topic = services.settings("topics", TopicSettings).access
        self._waiting: deque[WebAccess] = deque()
        self._mutex = threading.Lock()
        self._came, self._has_room = threading.Condition(self._mutex), threading.Condition(self._mutex)
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._closing = threading.Event()
        self.lost = 0

    def write(self, access: WebAccess) -> None:
        """Have a record written. It returns at once, unless so much waits that there is no more room.

        Raises:
            DicomCommonError: the log is closed.
        """
        with self._mutex:
            while len(self._waiting) >= _FULL * self._size and not self._is_closed:
                self._has_room.wait()
            if self._is_closed:
                raise DicomCommonError("This access log is closed: make another one.")
            self._waiting.append(access)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dicom-common-access-log", daemon=True)
                self._thread.start()
            if len(self._waiting) in (1, self._size):
                self._came.notify()

    @property
    def is_full(self) -> bool:
        """Whether `write` would wait: who must not, calls it in a thread then."""
        return len(self._waiting) >= _FULL * self._size

    def close(self) -> None:
        """Write what waits, and end the thread; the services stay open. A second call does nothing."""
        with self._mutex:
            self._is_closed = True
            self._came.notify()
            self._has_room.notify_all()
            thread = self._thread
        self._closing.set()
        if thread is not None:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while batch := self._next():
            self._write(batch)

    def _next(self) -> list[WebAccess]:
        """Wait for a batch; none at the end."""
        with self._mutex:
            while not self._waiting and not self._is_closed:
                self._came.wait()
            end = time.monotonic() + self._seconds
            while len(self._waiting) < self._size and not self._is_closed:
                if (left := end - time.monotonic()) <= 0:
                    break
                self._came.wait(left)
            batch = [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]
            self._has_room.notify_all()
            return batch

    def _write(self, batch: Sequence[WebAccess]) -> None:
        """Write a batch in one transaction; where it is refused, in halves, until the record to blame is found."""
        pauses = iter(_PAUSES)
        while True:
            try:
                self._add(batch)
            except UnavailableError as error:
                failure: Exception = error
                pause = next(pauses, None)
                if pause is not None:
                    self._closing.wait(pause)
                    continue
            except Exception as error:  # noqa: BLE001  # whatever one record does to the index, the others go on
                failure = error
                if len(batch) > 1:
                    middle = len(batch) // 2
                    self._write(batch[:middle])
                    self._write(batch[middle:])
                    return
            else:
                return
            break
        self.lost += len(batch)
        # Only its type: the message may quote a record.
        _log.error("%d records of web requests could not be written (%s)", len(batch), type(failure).__name__)

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
