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
from datetime import UTC, datetime

from dicom_common.core import (
    AddStatus,
    BackendError,
    DamagedError,
    Entry,
    Event,
    Finding,
    LogRecord,
    NotFoundError,
    Outcome,
    Stored,
    uuid7,
)
from dicom_common.pipeline._events._messages import ingest_events, keeps_log
from dicom_common.pipeline._ingest._answers import NOT_ITS_FAULT, Answers
from dicom_common.pipeline._ingest._candidate import Candidate, same_data_set
from dicom_common.pipeline._ingest._context import Context
from dicom_common.pipeline._ingest._results import Result, Status
from dicom_common.pipeline._ingest._write import Attempt, stored_at
from dicom_common.pipeline._sweep import sweep

__all__ = ["Batch"]

_log = logging.getLogger(__name__)

_MAX_ROUNDS = 5
"""A key is retired only while another process deletes what was at it; twice in a row does not happen by itself."""

_OTHER_PATIENT = Finding("00100020", "study-of-other-patient", "the study stays with the patient it came with first")
_OTHER_STUDY = Finding("0020000E", "series-in-other-study", "the series is indexed in both studies")


class Batch:
    """One walk of a batch through the contract. The SOP Instance UIDs of the candidates are distinct."""

    def __init__(self, context: Context, tenant: str, candidates: Mapping[int, Candidate]) -> None:
        self._context = context
        self._tenant = tenant
        self._candidates = candidates
        self._answers = Answers(keeps=context.settings.duplicates == "keep")
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
                    attempt.key, attempt.restore = self._unique_key(attempt), False
                    retired.append(attempt)
                    self._loose_ends = True
                else:
                    self._settle(attempt, outcome, added)
            attempts = retired
        for attempt in attempts:
            self._answers.reject(
                attempt, "storage-busy", "Its place in the storage is being cleared: send it again.", retry=True
            )
        if self._loose_ends:
            try:
                sweep(self._context.services)
            except BackendError as error:
                _log.warning("discarded objects are kept for a later sweep: %s", error)
        if added:
            self._context.services.extensions.stored(added)
        return self._answers.results

    # Step 2

    def _compare(self) -> list[Attempt]:
        services, instances = self._context.services, [c.instance for c in self._candidates.values()]
        try:
            known = services.db.stored(self._tenant, [instance.sop_uid for instance in instances])
        except BackendError as error:
            for position in self._candidates:
                self._answers.backend_failed(Attempt(position, self._candidates[position], ""), "index", error)
            return []
        attempts = []
        for position, candidate in self._candidates.items():
            attempt = Attempt(position, candidate, self._first_key(position))
            stored = known.get(candidate.instance.sop_uid)
            try:
                goes_on = self._is_new(attempt, stored) and self._is_accepted(attempt)
            except BackendError as error:
                self._answers.backend_failed(attempt, "storage", error)
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
            self._answers.misplaced(attempt)
            return False
        if stored.sha256 == instance.sha256:
            # An acknowledgement says that the bytes are there: look, before giving one for what came long ago.
            attempt.restore = not self._is_there(stored)
            if attempt.restore:
                attempt.key = stored.key
            else:
                self._answers.accept(attempt, Status.DUPLICATE, stored.key, "same-bytes")
            return attempt.restore
        return self._may_replace(attempt, stored)

    def _may_replace(self, attempt: Attempt, stored: Stored) -> bool:
        """Answer an attempt whose instance is indexed with other bytes, or prepare the write that takes their place."""
        there = self._is_there(stored)
        try:
            same = there and same_data_set(attempt.candidate, self._context.services.storage, stored)
        except NotFoundError:  # replaced or removed while it was compared: the index decides
            attempt.key = self._key_beside(attempt)
            return True
        if same:
            self._answers.accept(attempt, Status.DUPLICATE, stored.key, "same-data-set")
            return False
        if self._context.settings.duplicates == "replace":
            attempt.key = self._key_beside(attempt)
            return True
        if there:
            self._answers.differs(attempt, stored.key)
        else:  # to keep what is lost would be no acknowledgement
            self._answers.reject(
                attempt,
                "indexed-object-missing",
                "The object that is indexed under its SOP Instance UID is missing or damaged: restore or remove that.",
            )
        return False

    def _is_there(self, stored: Stored) -> bool:
        try:
            return self._context.services.storage.stat(stored.key).size == stored.size
        except NotFoundError:
            return False

    def _first_key(self, position: int) -> str:
        return self._context.layout.key(self._tenant, self._candidates[position].instance)

    def _key_beside(self, attempt: Attempt) -> str:
        """Return the key for bytes that are to take the place of others."""
        return self._unique_key(attempt)

    def _is_accepted(self, attempt: Attempt) -> bool:
        candidate = attempt.candidate
        origin = candidate.received.origin
        reason = self._context.services.extensions.accept(self._tenant, candidate.instance, origin)
        if reason is not None:
            self._answers.reject(attempt, "refused", f"It was refused: {reason}.")
        return reason is None

    # Step 3

    def _write(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        errors = self._context.writer.write(attempts, self._unique_key)
        for attempt in attempts:
            error = errors.get(attempt.position)
            if isinstance(error, DamagedError):
                self._answers.changed(attempt)
            elif error is not None:
                self._answers.backend_failed(attempt, "storage", error)
        return [attempt for attempt in attempts if attempt.position not in errors]

    def _unique_key(self, attempt: Attempt) -> str:
        return self._context.layout.key(self._tenant, attempt.candidate.instance, unique=True)

    # Step 4

    def _index(self, attempts: Sequence[Attempt]) -> list[tuple[Attempt, Outcome]]:
        """Add to the index. Where it refuses a batch for a reason of its own, find the entry that is to blame."""
        context = self._context
        entries = [self._entry(attempt, self._received(attempt)) for attempt in attempts]
        origins = [attempt.candidate.received.origin for attempt in attempts]
        traces = [self._trace_id(attempt) for attempt in attempts]

        def events(outcomes: Sequence[Outcome]) -> Iterable[Event | LogRecord]:
            log = keeps_log(context.services.db, context.settings)
            return ingest_events(entries, origins, outcomes, context.topics, context.node, log=log, traces=traces)

        try:
            outcomes = context.services.db.add(entries, events=events)
        except NOT_ITS_FAULT as error:
            for attempt in attempts:
                self._answers.backend_failed(attempt, "index", error)
            return []
        except Exception as error:  # noqa: BLE001 - whatever one entry does to the index, the others go on
            if len(attempts) > 1:
                middle = len(attempts) // 2
                return self._index(attempts[:middle]) + self._index(attempts[middle:])
            kind = type(error).__name__  # its message may quote the entry
            known = error if isinstance(error, BackendError) else BackendError(f"The index failed with {kind}.")
            self._answers.backend_failed(attempts[0], "index", known)
            return []
        return list(zip(attempts, outcomes, strict=True))

    def _received(self, attempt: Attempt) -> datetime:
        return attempt.written or datetime.now(UTC)

    def _trace_id(self, attempt: Attempt) -> str:  # noqa: ARG002 - as above
        return str(uuid7())

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
                self._answers.accept(attempt, status, attempt.key, "", warnings)
                self._loose_ends |= replaced
                added.append(stored_at(self._tenant, attempt))
            case AddStatus.SAME:
                self._answers.accept(
                    attempt, Status.DUPLICATE, outcome.key, "restored" if attempt.restore else "same-bytes"
                )
                self._loose_ends |= outcome.key != attempt.key
            case AddStatus.CONFLICT:
                self._conflicts(attempt, outcome.key)
                self._loose_ends = True
            case AddStatus.OTHER_PATIENT:
                self._answers.reject(attempt, "other-patient", "Its study is known under another patient.")
                self._loose_ends = True
            case _:
                self._answers.misplaced(attempt)
                self._loose_ends = True

    def _conflicts(self, attempt: Attempt, key: str) -> None:
        """Answer an attempt that lost a race: what won may be the same data set behind another file meta."""
        services, sop_uid = self._context.services, attempt.candidate.instance.sop_uid
        try:
            winner = services.db.stored(self._tenant, [sop_uid]).get(sop_uid)
            same = winner is not None and same_data_set(attempt.candidate, services.storage, winner)
        except NotFoundError:  # what won is gone again
            same = False
        except BackendError as error:
            self._answers.backend_failed(attempt, "storage", error)
            return
        if same:
            self._answers.accept(attempt, Status.DUPLICATE, key, "same-data-set")
        else:
            self._answers.differs(attempt, key)
