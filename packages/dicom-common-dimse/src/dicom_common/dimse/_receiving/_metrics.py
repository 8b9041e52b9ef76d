"""What the application entity does, in numbers, for Prometheus. A label is a peer's name in the configuration."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

__all__ = ["Metrics"]

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)


class Metrics:
    """The metrics of one process; of all processes that share the port, where there are several."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._requests = Counter(
            "dicom_common_dimse_requests",
            "Requests, by their final status.",
            ("peer", "operation", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "dicom_common_dimse_request_seconds",
            "Seconds from the command of a request to its final response.",
            ("operation",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._bytes = Counter(
            "dicom_common_dimse_received_bytes", "Bytes of data sets of requests.", ("peer",), registry=registry
        )
        self._associations = Gauge(
            "dicom_common_dimse_associations",
            "Associations that are open.",
            ("peer",),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._accepted = Counter(
            "dicom_common_dimse_associations_accepted", "Associations.", ("peer",), registry=registry
        )
        self._rejected = Counter(
            "dicom_common_dimse_associations_rejected", "Associations that were rejected.", ("why",), registry=registry
        )
        self.registry = registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            # The processes keep their numbers in files of a common folder, and each can show the sums.
            self.registry = CollectorRegistry()
            MultiProcessCollector(self.registry)  # type: ignore[no-untyped-call]  # has no types

    def begin(self, peer: str) -> None:
        """Count an association that was accepted."""
        self._accepted.labels(peer).inc()
        self._associations.labels(peer).inc()

    def end(self, peer: str) -> None:
        """Count its end."""
        self._associations.labels(peer).dec()

    def reject(self, why: str) -> None:
        """Count an association that was rejected."""
        self._rejected.labels(why).inc()

    def count_request(self, peer: str, operation: str, status: int, seconds: float, size: int) -> None:
        """Count a request."""
        self._requests.labels(peer, operation, f"{status:04X}").inc()
        self._seconds.labels(operation).observe(seconds)
        if size:
            self._bytes.labels(peer).inc(size)
