"""What the server does, in numbers: for Prometheus. No label has anything of a request but its endpoint and status."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from dicom_common.pipeline import Result

__all__ = ["Metrics"]

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)
_LABELS = 512
"""Combinations of labels whose numbers are remembered; there are fewer endpoints and statuses."""


class Metrics:
    """The metrics of one process; of all processes that share the port, where there are several."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._requests = Counter(
            "dicom_common_web_requests", "Requests that were answered.", ("endpoint", "status"), registry=registry
        )
        self._seconds = Histogram(
            "dicom_common_web_request_seconds",
            "Seconds from the head of a request to the end of its answer.",
            ("endpoint",),
            buckets=_SECONDS,
            registry=registry,
        )
        # To find the numbers of a label takes longer than to count: labels are few, and known after the first request.
        self._requests_of = lru_cache(_LABELS)(self._requests.labels)
        self._seconds_of = lru_cache(_LABELS)(self._seconds.labels)
        self._stores = Counter(
            "dicom_common_web_stores",
            "Parts of store requests, by their outcome.",
            ("status",),
            registry=registry,
        )
        self._work = Gauge(
            "dicom_common_web_lane_requests",
            "Requests at work, and waiting for their turn.",
            ("lane", "state"),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._backlog = Gauge(
            "dicom_common_web_outbox_events",
            "Events that wait to be published.",
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self._registry = registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            # The processes keep their numbers in files of a common folder, and each can show the sums.
            self._registry = CollectorRegistry()
            MultiProcessCollector(self._registry)  # type: ignore[no-untyped-call]  # has no types

    def count_request(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests_of(endpoint, status).inc()
        self._seconds_of(endpoint).observe(seconds)

    def count_stores(self, outcomes: Iterable[object]) -> None:
        """Count the parts of a store request: by the status of their results, or as not read."""
        for one in outcomes:
            self._stores.labels(str(one.status) if isinstance(one, Result) else "not-read").inc()

    def show_lanes(self, lanes: Mapping[str, tuple[int, int]]) -> None:
        """Show how many requests each lane has at work and waiting."""
        for name, (at_work, waiting) in lanes.items():
            self._work.labels(name, "at-work").set(at_work)
            self._work.labels(name, "waiting").set(waiting)

    def show_backlog(self, events: int) -> None:
        """Show how many events wait."""
        self._backlog.set(events)

    def exposition(self) -> bytes:
        """Return all of them in Prometheus' text format."""
        return generate_latest(self._registry)
