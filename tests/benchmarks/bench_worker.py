"""Where a worker's time goes: the share that it spends neither in reading headers nor in the index.

Needs servers: `python3 tools/services.py start kafka postgres`, and `eval "$(python3 tools/services.py env)"`.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from uuid import uuid4

from bench_relay import missing_servers, postgres
from corpus import ct_template, instances
from rows import row, show

from dicom_common.core import Migrations
from dicom_common.host import Services
from dicom_common.pipeline import Ingest, Received, Status, Worker
from dicom_common.pipeline._worker import _worker


class Spans:
    """When something was being done, by any thread."""

    def __init__(self) -> None:
        self._lock, self._spans = threading.Lock(), list[tuple[float, float]]()

    def noting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the same function, each call of which is noted."""

        def noted(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                with self._lock:
                    self._spans.append((start, time.perf_counter()))

        return noted

    def begin(self) -> float:
        """Return when the first began."""
        return min(start for start, _ in self._spans)

    def total(self) -> float:
        """Return the seconds in which at least one was being done."""
        total, end = 0.0, 0.0
        for start, stop in sorted(self._spans):
            total += max(0.0, stop - max(start, end))
            end = max(end, stop)
        return total


class Noted:
    """A backend, each call of whose methods is noted."""

    def __init__(self, backend: Any, spans: Spans) -> None:
        self._backend, self._spans = backend, spans

    def __getattr__(self, name: str) -> Any:
        """Return a method that is noted; of a database `add` is asked for its events while it runs."""
        found = getattr(self._backend, name)
        return self._spans.noting(found) if callable(found) else found


def outside(chosen: dict[str, str], files: list[bytes]) -> tuple[float, float]:
    """Queue files and let one worker index them; return the share outside, and messages a second."""
    with tempfile.TemporaryDirectory() as folder, Services.from_file(overrides={"data": folder, **chosen}) as services:
        if isinstance(services.db, Migrations):
            services.db.migrate()
        with Ingest(services) as ingest:
            for start in range(0, len(files), 200):
                received = [Received(source=data, name="bench") for data in files[start : start + 200]]
                answers = ingest.store(received, tenant="local")
                if any(answer.status is not Status.QUEUED for answer in answers):
                    raise AssertionError("the benchmark's files were not all queued")
        spans = Spans()
        read = vars(_worker)["open_claim"]
        vars(_worker)["open_claim"] = spans.noting(read)
        services._opened["db"] = Noted(services.db, spans)
        stop, left, times = threading.Event(), [len(files)], [0.0]

        def on_progress(done: int, _: int) -> None:
            times[0] = time.perf_counter()
            left[0] -= done
            if left[0] <= 0:
                stop.set()

        try:
            Worker(services, on_progress=on_progress).run(stop)
        finally:
            vars(_worker)["open_claim"] = read
        taken = times[0] - spans.begin()  # joining the group, which happens once, comes before
        return 1 - spans.total() / taken, len(files) / taken


def settings_of(database: dict[str, str] | None) -> dict[str, str]:
    """Give the settings of a new installation: the embedded set, or servers."""
    mark = uuid4().hex[:8]
    chosen = {f"topics.{kind}": f"bench-{kind}-{mark}" for kind in ("storage", "log", "state", "image")}
    chosen["ingest.mode"] = "queued"
    if database is not None:
        servers = f'["{os.environ["DICOM_COMMON_TEST_KAFKA"]}"]'
        chosen |= {"broker.backend": "kafka", "broker.servers": servers, "broker.partitions": "4", **database}
    return chosen


def run(count: int = 2000, rounds: int = 5) -> list[dict[str, Any]]:
    """Measure with the embedded set, and with PostgreSQL and Kafka."""
    if missing := missing_servers("kafka", "postgres"):
        print(f"bench_worker: {missing}", file=sys.stderr)
        return []
    files = list(instances(ct_template(64), count))
    rows = []
    for name, place in (("the embedded set", nullcontext), ("PostgreSQL and Kafka", postgres)):
        shares, rates = [], []
        for _ in range(rounds):
            with place() as database:
                share, rate = outside(settings_of(database), files)
            shares.append(share)
            rates.append(rate)
        unit = f"of the time ({statistics.median(rates):.0f} instances/s)"
        rows.append(row(f"worker on {name}: outside of headers and index", shares, 0.2, better="lower", unit=unit))
    return rows


if __name__ == "__main__":
    show(run(*map(int, sys.argv[1:])))
