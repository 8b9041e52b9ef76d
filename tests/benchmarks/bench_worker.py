"""Which share of its time a worker spends on anything but reading headers and the index.

A worker takes a queue that is full from the first moment, on the embedded set: servers would make the index and the
storage slower, and the share smaller. What counts as work are the reading of headers (from the storage, and by the
reader) and the calls of the index, on the wall clock; all the rest, the broker included, is overhead. Of calls that
run at once, in the worker's threads, the union of their times is counted, from the end of the first batch on.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from corpus import ct_template, instances
from rows import row, show

from dicom_common.core import Config, Services
from dicom_common.pipeline import Ingest, Received, Worker

_MODULE: Any = importlib.import_module("dicom_common.pipeline._worker")


class _Clock:
    """Adds up the time in which at least one of the calls that it wraps runs."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._running, self._since, self._lock = 0, 0.0, threading.Lock()

    def wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            with self._lock:
                self._running += 1
                if self._running == 1:
                    self._since = time.perf_counter()
            try:
                return call(*arguments, **named)
            finally:
                with self._lock:
                    self._running -= 1
                    if not self._running:
                        self.seconds += time.perf_counter() - self._since

        return timed


@contextmanager
def _timed(services: Services, clock: _Clock) -> Iterator[None]:
    """Wrap what is work: the reading of a header, and every method of the index that a worker calls."""
    reading = _MODULE.open_claim
    database: Any = services.db
    _MODULE.open_claim = clock.wrapped(reading)
    for name in ("add", "stored", "discard"):
        setattr(database, name, clock.wrapped(getattr(database, name)))
    try:
        yield
    finally:
        _MODULE.open_claim = reading


def share_outside(count: int) -> float:
    """Return the share of its time that a worker with a full queue spends on neither headers nor the index."""
    with tempfile.TemporaryDirectory() as folder:
        overrides = {"data": folder, "ingest.mode": "queued", "worker.batch_messages": "50"}
        config = Config.load(overrides=overrides, variables={})
        with Services(config) as services:
            with Ingest(services) as ingest:
                batch = [
                    Received(source=each, name=str(number))
                    for number, each in enumerate(instances(ct_template(128), count))
                ]
                for start in range(0, count, 100):
                    if any(
                        each.status != "queued" for each in ingest.store(batch[start : start + 100], tenant="local")
                    ):
                        raise AssertionError("the benchmark's instances were not all queued")
            services.db.backlog()
            done, first, stop, clock = 0, [0.0, 0.0], threading.Event(), _Clock()

            def told(more: int, dead: int) -> None:
                nonlocal done
                if dead:
                    raise AssertionError("the worker met a dead letter")
                if not done:
                    # The group has been joined, everything has been opened and imported: from here it is measured.
                    first[:] = time.perf_counter(), clock.seconds
                done += more
                if done >= count:
                    stop.set()

            with _timed(services, clock):
                Worker(services, on_progress=told).run(stop)
                end = time.perf_counter()
            return 1 - (clock.seconds - first[1]) / (end - first[0])


def run(count: int = 1000, rounds: int = 5) -> list[dict[str, Any]]:
    """Measure."""
    shares = [share_outside(count) for _ in range(rounds)]
    return [
        row(
            f"worker of {count} instances: time outside headers and index",
            shares,
            0.2,
            better="lower",
            unit="of its time",
        )
    ]


if __name__ == "__main__":
    show(run(*map(int, sys.argv[1:])))
