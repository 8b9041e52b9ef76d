"""What stays of requests: metrics by peer, and the records of the access log."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from dicom_common.core import DicomCommonError, WebAccess, uuid7
from dicom_common.dimse._peers import Peer
from dicom_common.dimse._receiving._command_set import Operation
from dicom_common.dimse._receiving._site import Site

__all__ = ["Record", "Records"]

_NAMES: Final = {one.value: one.name.replace("_", "-") for one in Operation}
_NOT_ANSWERED: Final = 0xFFFF
"""The status in records of a request whose association ended before its answer: no service has it."""


@dataclass(slots=True)
class Record:
    """One request, and how it was answered."""

    peer: Peer
    operation: int
    status: int = _NOT_ANSWERED
    """That of its last response."""
    bytes: int = 0
    """Of its data set."""
    began: float = field(default_factory=time.perf_counter)

    @property
    def name(self) -> str:
        """The name of the operation; that of an unknown one says no more."""
        return _NAMES.get(self.operation, "unknown")


class Records:
    """The requests of one association.

    Each leaves a record in the access log, but C-ECHO, which is about nothing, and C-STORE: those of an association
    share one, as those of a STOW-RS request do; the ingest records each instance.

    Args:
        site: where they are kept.
        peer: who asks.
        called: the AE title by which it has called.
    """

    def __init__(self, site: Site, peer: Peer, *, called: str) -> None:
        self._site, self._peer, self._called = site, peer, called
        self._stores, self._failures, self._bytes, self._seconds, self._status = 0, 0, 0, 0.0, 0
        site.metrics.begin(peer.name)

    def add(self, record: Record) -> None:
        """Record a request that was answered, or will never be."""
        seconds = time.perf_counter() - record.began
        self._site.metrics.count_request(self._peer.name, record.name, record.status, seconds, record.bytes)
        if record.operation == Operation.C_STORE:
            self._stores += 1
            self._bytes += record.bytes
            self._seconds += seconds
            if _is_failure(record.status):
                self._failures += 1
                self._status = self._status or record.status
        elif record.operation != Operation.C_ECHO:
            self._log(record.name, record.status, seconds, record.bytes)

    def close(self) -> None:
        """Record what the association brought in all."""
        self._site.metrics.end(self._peer.name)
        if self._stores:
            query = f"instances={self._stores}&failed={self._failures}"
            self._log("C-STORE", self._status, self._seconds, self._bytes, query=query)

    def _log(self, method: str, status: int, seconds: float, size: int, *, query: str = "") -> None:
        if not self._peer.tenant:
            return
        record = WebAccess(
            id=str(uuid7()),
            time=datetime.now(UTC) - timedelta(seconds=seconds),
            tenant=self._peer.tenant,
            method=method,
            path=f"/dimse/{self._called}",
            status=status,
            query=query,
            peer=self._peer.address,
            user=self._peer.user or self._peer.settings.ae_title,
            content_length=size,
            duration_ms=round(seconds * 1000, 3),
        )
        with suppress(DicomCommonError):  # the log is closed: the association was broken off at the end of the process
            self._site.access_log.write(record)


def _is_failure(status: int) -> bool:
    """Tell whether a status is neither success nor a warning (PS3.7 annex C)."""
    return status != 0 and status >> 12 != 0xB and status not in (0x0001, 0x0107, 0x0116)
