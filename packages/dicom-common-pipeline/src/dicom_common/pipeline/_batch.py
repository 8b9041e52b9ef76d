"""The ingest contract, for a batch of instances that have been read.

An instance that was acknowledged is never lost, is indexed exactly once, and its events are published at least once,
whatever dies when:

1. read the header, find the identity (done when a batch is made);
2. compare with the index: the same bytes are a success without a write, other bytes follow the duplicate policy;
3. write the bytes, exactly as received, durably, to a key at which nothing is;
4. index them in one transaction, with their DICOM JSON and their events;
5. acknowledge.

A crash between 3 and 4 leaves an object without a row: the next try finds it in its way, sees that it is the same and
takes it; or `reconcile` does. Step 2 only saves work: who wins when several senders race is decided by the transaction
of step 4, and the loser's object is discarded through the index, never deleted directly.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dicom_common.core import (
    AddStatus,
    BackendError,
    DamagedError,
    Entry,
    Event,
    Finding,
    Instance,
    NotFoundError,
    Outcome,
    RefusedError,
    Services,
    Stored,
    UnavailableError,
)
from dicom_common.pipeline._candidate import Candidate, rejection, same_data_set
from dicom_common.pipeline._layout import Layout
from dicom_common.pipeline._messages import ingest_events
from dicom_common.pipeline._results import Result, Status
from dicom_common.pipeline._settings import IngestSettings, TopicSettings
from dicom_common.pipeline._sweep import sweep
from dicom_common.pipeline._write import Attempt, Writer

__all__ = ["Batch", "Context"]

_log = logging.getLogger(__name__)

_MAX_ROUNDS = 5
"""A key is retired only while another process deletes what was at it; twice in a row does not happen by itself."""

_OTHER_PATIENT = Finding("00100020", "study-of-other-patient", "the study stays with the patient it came with first")
_OTHER_STUDY = Finding("0020000E", "series-in-other-study", "the series is indexed in both studies")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What all batches of an `Ingest` share."""

    services: Services
    settings: IngestSettings
    topics: TopicSettings
    layout: Layout
    writer: Writer
    node: str


class Batch:
    """One walk of a batch through the contract. The SOP Instance UIDs of the candidates are distinct."""

    def __init__(self, context: Context, tenant: str, candidates: Mapping[int, Candidate]) -> None:
        self._context = context
        self._tenant = tenant
        self._candidates = candidates
        self._results: dict[int, Result] = {}
        self._loose_ends = False

    def store(self) -> dict[int, Result]:
        """Take the batch in and return an answer for each position."""
        attempts = self._compare()
        added: list[Stored] = []
        for _ in range(_MAX_ROUNDS):
            attempts = self._write(attempts)
            if not attempts:
                break
            retired = []
            for attempt, outcome in self._index(attempts):
                if outcome.status is AddStatus.RETIRED:
                    attempt.key = self._unique_key(attempt)
                    retired.append(attempt)
                else:
                    self._settle(attempt, outcome, added)
            attempts = retired
        for attempt in attempts:
            self._reject(
                attempt, "storage-busy", "Its place in the storage is being cleared: send it again.", retry=True
            )
        if self._loose_ends:
            try:
                sweep(self._context.services)
            except BackendError as error:
                _log.warning("discarded objects are kept for a later sweep: %s", error)
        if added:
            self._context.services.extensions.stored(added)
        return self._results

    # Step 2

    def _compare(self) -> list[Attempt]:
        services, instances = self._context.services, [c.instance for c in self._candidates.values()]
        try:
            known = services.db.stored(self._tenant, [instance.sop_uid for instance in instances])
        except BackendError as error:
            for position in self._candidates:
                self._backend_failed(Attempt(position, self._candidates[position], ""), "index", error)
            return []
        attempts = []
        for position, candidate in self._candidates.items():
            attempt = Attempt(position, candidate, self._context.layout.key(self._tenant, candidate.instance))
            stored = known.get(candidate.instance.sop_uid)
            try:
                goes_on = self._is_new(attempt, stored) and self._is_accepted(attempt)
            except BackendError as error:
                self._backend_failed(attempt, "storage", error)
            else:
                if goes_on:
                    attempts.append(attempt)
        return attempts

    def _is_new(self, attempt: Attempt, stored: Stored | None) -> bool:
        """Answer an attempt whose instance is indexed already, where that takes no write; else prepare the write."""
        if stored is None:
            return True
        instance = attempt.candidate.instance
        if (stored.study_uid, stored.series_uid) != (instance.study_uid, instance.series_uid):
            self._misplaced(attempt)
            return False
        if stored.sha256 == instance.sha256:
            # An acknowledgement says that the bytes are there: look, before giving one for what came long ago.
            attempt.restore = not self._is_there(stored)
            if attempt.restore:
                attempt.key = stored.key
            else:
                self._accept(attempt, Status.DUPLICATE, stored.key, "same-bytes")
            return attempt.restore
        if self._is_there(stored) and same_data_set(attempt.candidate, self._context.services.storage, stored):
            self._accept(attempt, Status.DUPLICATE, stored.key, "same-data-set")
            return False
        if self._context.settings.duplicates == "replace":
            attempt.key = self._unique_key(attempt)
            return True
        self._differs(attempt, stored.key)
        return False

    def _is_there(self, stored: Stored) -> bool:
        try:
            return self._context.services.storage.stat(stored.key).size == stored.size
        except NotFoundError:
            return False

    def _is_accepted(self, attempt: Attempt) -> bool:
        candidate = attempt.candidate
        origin = candidate.received.origin
        reason = self._context.services.extensions.accept(self._tenant, candidate.instance, origin)
        if reason is not None:
            self._reject(attempt, "refused", f"It was refused: {reason}.")
        return reason is None

    # Step 3

    def _write(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        errors = self._context.writer.write(attempts, self._unique_key)
        for attempt in attempts:
            error = errors.get(attempt.position)
            if isinstance(error, DamagedError):
                self._reject(attempt, "changed", "It changed while it was being read: send it again.", retry=True)
            elif error is not None:
                self._backend_failed(attempt, "storage", error)
        return [attempt for attempt in attempts if attempt.position not in errors]

    def _unique_key(self, attempt: Attempt) -> str:
        return self._context.layout.key(self._tenant, attempt.candidate.instance, unique=True)

    # Step 4

    def _index(self, attempts: Sequence[Attempt]) -> list[tuple[Attempt, Outcome]]:
        """Add to the index. Where it refuses a batch for a reason of its own, find the entry that is to blame."""
        received = datetime.now(UTC)
        entries = [self._entry(attempt, received) for attempt in attempts]
        origins = [attempt.candidate.received.origin for attempt in attempts]

        def events(outcomes: Sequence[Outcome]) -> Iterable[Event]:
            return ingest_events(entries, origins, outcomes, self._context.topics, self._context.node)

        try:
            outcomes = self._context.services.db.add(entries, events=events)
        except BackendError as error:
            if len(attempts) > 1 and not isinstance(error, (UnavailableError, RefusedError)):
                middle = len(attempts) // 2
                return self._index(attempts[:middle]) + self._index(attempts[middle:])
            for attempt in attempts:
                self._backend_failed(attempt, "index", error)
            return []
        return list(zip(attempts, outcomes, strict=True))

    def _entry(self, attempt: Attempt, received: datetime) -> Entry:
        settings = self._context.settings
        return Entry(
            tenant=self._tenant,
            key=attempt.key,
            instance=attempt.candidate.instance,
            metadata=attempt.candidate.metadata,
            received=received,
            replace=settings.duplicates == "replace",
            accept_other_patient=settings.other_patient == "accept-first",
        )

    # Step 5

    def _settle(self, attempt: Attempt, outcome: Outcome, added: list[Stored]) -> None:
        """Answer by what the index decided."""
        match outcome.status:
            case AddStatus.ADDED | AddStatus.REPLACED:
                warnings = (
                    *([_OTHER_PATIENT] if outcome.patient_differs else ()),
                    *([_OTHER_STUDY] if outcome.series_in_other_study else ()),
                )
                replaced = outcome.status is AddStatus.REPLACED
                status = Status.REPLACED if replaced else Status.STORED
                self._accept(attempt, status, attempt.key, "", warnings)
                self._loose_ends |= replaced
                added.append(_stored(self._tenant, attempt))
            case AddStatus.SAME:
                self._accept(attempt, Status.DUPLICATE, outcome.key, "restored" if attempt.restore else "same-bytes")
                self._loose_ends |= outcome.key != attempt.key
            case AddStatus.CONFLICT:
                self._differs(attempt, outcome.key)
                self._loose_ends = True
            case AddStatus.OTHER_PATIENT:
                self._reject(attempt, "other-patient", "Its study is known under another patient.")
                self._loose_ends = True
            case _:
                self._misplaced(attempt)
                self._loose_ends = True

    def _differs(self, attempt: Attempt, key: str) -> None:
        if self._context.settings.duplicates == "keep":
            self._accept(attempt, Status.DUPLICATE, key, "kept-first")
        else:
            self._reject(attempt, "duplicate-differs", "Other bytes are stored under its SOP Instance UID.")

    def _misplaced(self, attempt: Attempt) -> None:
        self._reject(attempt, "uid-in-other-series", "Its SOP Instance UID is known in another study or series.")

    def _accept(
        self, attempt: Attempt, status: Status, key: str, reason: str, warnings: tuple[Finding, ...] = ()
    ) -> None:
        instance: Instance = attempt.candidate.instance
        self._results[attempt.position] = Result(
            name=attempt.candidate.received.name,
            status=status,
            reason=reason,
            study_uid=instance.study_uid,
            series_uid=instance.series_uid,
            sop_uid=instance.sop_uid,
            key=key,
            warnings=instance.warnings + warnings,
        )

    def _reject(self, attempt: Attempt, reason: str, message: str, *, retry: bool = False) -> None:
        candidate = attempt.candidate
        self._results[attempt.position] = rejection(
            candidate.received, reason, message, instance=candidate.instance, retry=retry
        )

    def _backend_failed(self, attempt: Attempt, what: str, error: BackendError) -> None:
        if isinstance(error, UnavailableError):
            self._reject(attempt, f"{what}-unavailable", str(error), retry=True)
        elif isinstance(error, RefusedError):
            self._reject(attempt, f"{what}-refused", str(error), retry=True)
        else:
            self._reject(attempt, f"{what}-failed", str(error))


def _stored(tenant: str, attempt: Attempt) -> Stored:
    instance = attempt.candidate.instance
    return Stored(
        tenant=tenant,
        study_uid=instance.study_uid,
        series_uid=instance.series_uid,
        sop_uid=instance.sop_uid,
        sop_class_uid=instance.sop_class_uid,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        key=attempt.key,
        size=instance.size,
        sha256=instance.sha256,
    )
