"""The worker's half of queued mode: the ingest contract for objects that are in the storage already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from dicom_common.core import Entry, Outcome, Stored
from dicom_common.pipeline._ingest._batch import Batch
from dicom_common.pipeline._ingest._candidate import Candidate
from dicom_common.pipeline._ingest._context import Context
from dicom_common.pipeline._ingest._write import Attempt
from dicom_common.pipeline._worker._claim import Claim

__all__ = ["IndexBatch"]


class IndexBatch(Batch):
    """One walk of queued objects into the index. The receiver asked the extensions that may refuse."""

    def __init__(
        self, context: Context, tenant: str, candidates: Mapping[int, Candidate], claims: Mapping[int, Claim]
    ) -> None:
        super().__init__(context, tenant, candidates)
        self._claims = claims
        self.moved: dict[int, str] = {}
        """Where those are that were refused and are at another key than their message says."""

    def _first_key(self, position: int) -> str:
        return self._claims[position].key

    def _key_beside(self, attempt: Attempt) -> str:
        return attempt.key  # it has a key of its own

    def _is_accepted(self, attempt: Attempt) -> bool:  # noqa: ARG002 - the receiver asked
        return True

    def _received(self, attempt: Attempt) -> datetime:
        return self._claims[attempt.position].received

    def _trace_id(self, attempt: Attempt) -> str:
        return self._claims[attempt.position].trace_id

    def _write(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Write only what has to be somewhere else than it is: the key is retired, or a lost object is restored."""
        elsewhere = [attempt for attempt in attempts if attempt.key != self._claims[attempt.position].key]
        written = {attempt.position for attempt in super()._write(elsewhere)} if elsewhere else set()
        there = {attempt.position for attempt in attempts} - {attempt.position for attempt in elsewhere}
        return [attempt for attempt in attempts if attempt.position in there | written]

    def _entry(self, attempt: Attempt, received: datetime) -> Entry:
        """Its sender was told that it is safe: who refuses it may not discard it, not even for a moment."""
        return replace(super()._entry(attempt, received), keeps_key=True)

    def _settle(self, attempt: Attempt, outcome: Outcome, added: list[Stored]) -> None:
        super()._settle(attempt, outcome, added)
        is_refused = self._answers.results[attempt.position].status == "rejected"
        if is_refused and attempt.key != self._claims[attempt.position].key:  # which was retired
            self.moved[attempt.position] = attempt.key
