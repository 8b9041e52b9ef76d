"""The answers to the instances of a batch."""

from __future__ import annotations

from dicom_common.core import (
    BackendError,
    DamagedError,
    Finding,
    Instance,
    RefusedError,
    TooLargeError,
    UnavailableError,
)
from dicom_common.pipeline._ingest._candidate import SourceLostError, rejection
from dicom_common.pipeline._ingest._results import Result, Status
from dicom_common.pipeline._ingest._write import Attempt

__all__ = ["NOT_ITS_FAULT", "Answers"]

NOT_ITS_FAULT = (UnavailableError, RefusedError, DamagedError)
"""Errors of a backend that say nothing of the instance: sending it again later may succeed."""


class Answers:
    """One answer for each position of a batch."""

    def __init__(self, *, keeps: bool) -> None:
        self._keeps = keeps
        self.results: dict[int, Result] = {}

    def differs(self, attempt: Attempt, key: str) -> None:
        """Other bytes are durable and indexed at `key`: the duplicate policy answers."""
        if self._keeps:
            self.accept(attempt, Status.DUPLICATE, key, "kept-first")
        else:
            self.reject(attempt, "duplicate-differs", "Other bytes are stored under its SOP Instance UID.")

    def misplaced(self, attempt: Attempt) -> None:
        """Its UID is taken elsewhere (PS3.5 9: UIDs are globally unique)."""
        self.reject(attempt, "uid-in-other-series", "Its SOP Instance UID is known in another study or series.")

    def accept(
        self, attempt: Attempt, status: Status, key: str, reason: str, warnings: tuple[Finding, ...] = ()
    ) -> None:
        """Acknowledge: the instance is durable and indexed."""
        instance: Instance = attempt.candidate.instance
        self.results[attempt.position] = Result(
            name=attempt.candidate.received.name,
            status=status,
            reason=reason,
            study_uid=instance.study_uid,
            series_uid=instance.series_uid,
            sop_uid=instance.sop_uid,
            key=key,
            warnings=instance.warnings + warnings,
        )

    def reject(self, attempt: Attempt, reason: str, message: str, *, retry: bool = False) -> None:
        """Refuse."""
        candidate = attempt.candidate
        self.results[attempt.position] = rejection(
            candidate.received, reason, message, instance=candidate.instance, retry=retry
        )

    def changed(self, attempt: Attempt) -> None:
        """Refuse what is not what it was when it was read."""
        self.reject(attempt, "changed", "It changed while it was being read: send it again.", retry=True)

    def backend_failed(self, attempt: Attempt, what: str, error: BackendError) -> None:
        """Refuse because of a backend; `what` names its kind."""
        if isinstance(error, SourceLostError):
            self.changed(attempt)
            return
        is_not_its_fault = isinstance(error, NOT_ITS_FAULT) and not isinstance(error, TooLargeError)
        kind = {UnavailableError: "unavailable", RefusedError: "refused"}
        how = next((word for of, word in kind.items() if isinstance(error, of)), "failed")
        self.reject(attempt, f"{what}-{how}", str(error), retry=is_not_its_fault)
