"""Calls of a backend that are held until a test lets them go, and senders that wait for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from dicom_common.pipeline import Ingest, Received, Result

LIMIT = 60.0
"""Seconds after which a test takes what does not answer for hung."""


class Gate:
    """Holds the calls of a backend's method, and notes how much each of them had."""

    def __init__(self, backend: Any, method: str) -> None:
        self._real, self._open = getattr(backend, method), threading.Event()
        self.arrived = threading.Semaphore(0)
        self.sizes: list[int] = []
        self.failure: Exception | None = None
        setattr(backend, method, self._call)  # a moment is chosen, nothing is replaced

    def _call(self, content: Sequence[Any], **named: Any) -> Any:
        self.sizes.append(len(content))
        self.arrived.release()
        assert self._open.wait(LIMIT)
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        return self._real(content, **named)

    def wait(self) -> None:
        assert self.arrived.acquire(timeout=LIMIT)

    def open(self) -> None:
        self._open.set()


def received(data: bytes) -> Received:
    return Received(source=data, name="made")


def submit(ingest: Ingest, *sources: bytes, tenant: str = "local") -> list[Future[Result]]:
    return [ingest.submit(received(source), tenant=tenant) for source in sources]


def answers(futures: Sequence[Future[Result]]) -> list[Result]:
    return [future.result(LIMIT) for future in futures]


def statuses(futures: Sequence[Future[Result]]) -> list[str]:
    return [str(result.status) for result in answers(futures)]


@contextmanager
def thread(work: Callable[[], object]) -> Iterator[threading.Thread]:
    running = threading.Thread(target=work)
    running.start()
    yield running
    running.join(LIMIT)
    assert not running.is_alive()


def wait_until_waiting(ingest: Ingest, number: int) -> None:
    end = time.monotonic() + LIMIT
    while len(ingest._groups.identities()) < number:
        assert time.monotonic() < end
        time.sleep(0.005)
