"""Files that wait for a backend that is unavailable: the restart of a server must not end a long ingest."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from dicom_common.pipeline._ingest._reasons import IngestReason
from dicom_common.pipeline._ingest._results import Received, Result

__all__ = ["RetryingStore", "StoreBatch"]

_log = logging.getLogger(__name__)
_UNAVAILABLE = (IngestReason.INDEX_UNAVAILABLE, IngestReason.STORAGE_UNAVAILABLE, IngestReason.BROKER_UNAVAILABLE)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 4.0

StoreBatch = Callable[[Sequence[Received]], list[Result]]


class RetryingStore:
    """Stores batches, and tries again what a backend that cannot be reached did not take. Thread-safe.

    That is safe by the ingest contract: what was taken in spite of the error is a duplicate the next time. The time
    limit counts from the first failure and begins anew with the next success. When it is over, files are answered as
    they are, and the files behind them do not wait once more until the backend has come back.

    Args:
        store: stores a batch. Its sources are read once more with each try, so they are paths or bytes.
        retry_timeout: seconds.
    """

    def __init__(self, store: StoreBatch, retry_timeout: float) -> None:
        self._store, self._retry_timeout = store, retry_timeout
        self._since: float | None = None
        self._pause = _FIRST_PAUSE

    def store(self, batch: Sequence[Received]) -> list[Result]:
        """Store a batch and answer each, in order."""
        results = self._store(batch)
        while waiting := [at for at, result in enumerate(results) if result.retry and result.reason in _UNAVAILABLE]:
            if not self._wait(results[waiting[0]]):
                return results
            for at, result in zip(waiting, self._store([batch[at] for at in waiting]), strict=True):
                results[at] = result
        since = self._since  # once: another thread may take it back at any moment
        if since is not None:
            _log.warning("The backend is back after %.0f s: the ingest goes on.", time.monotonic() - since)
            self._since, self._pause = None, _FIRST_PAUSE
        return results

    def _wait(self, result: Result) -> bool:
        """Wait a little; False: it has been long enough."""
        now = time.monotonic()
        since = self._since
        if since is None:
            since = self._since = now
            if self._retry_timeout:
                _log.warning(
                    "%s Waiting for it, for up to %g s (ingest.retry_timeout).", result.message, self._retry_timeout
                )
        left = since + self._retry_timeout - now
        if left <= 0:
            return False
        time.sleep(min(self._pause, left))
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return True
