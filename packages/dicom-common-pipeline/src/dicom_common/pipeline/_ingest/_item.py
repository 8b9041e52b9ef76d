"""One instance on its way through the ingest contract, with all that the steps need to know of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from dicom_common.core import BackendError, Entry, Finding, Stored, uuid7
from dicom_common.pipeline._ingest._candidate import Candidate, SourceLostError, rejection
from dicom_common.pipeline._ingest._reasons import BackendKind, IngestReason, failure_reason, may_succeed_later
from dicom_common.pipeline._ingest._results import Result, Status
from dicom_common.pipeline._settings import IngestSettings

__all__ = ["Item"]


@dataclass(slots=True, kw_only=True, eq=False)
class Item:
    """An instance that was read, where its bytes are, and in the end the answer to its sender."""

    tenant: str
    candidate: Candidate
    key: str
    """The storage key at which its bytes are to be."""
    object_key: str | None = None
    """The storage key at which its bytes are; None: they are not in the storage yet."""
    received: datetime | None = None
    """When it was received, where another process did that; None: when its object was written."""
    written: datetime | None = None
    """When its object was written, by the clock of the storage, so that a rebuild of the index finds the same time."""
    trace_id: str = field(default_factory=lambda: str(uuid7()))
    """By which its message and its log record are known."""
    may_discard: bool = True
    """Whether its object is deleted where the index refuses it. Not once a sender was answered that it is safe."""
    is_compared: bool = False
    """Whether it was compared with the index; see `decide`."""
    restores: bool = False
    """Whether the index has these very bytes at `key` and the storage has lost them: they are written back."""
    result: Result | None = None
    """The answer; None: it goes on to the next step."""

    @property
    def identity(self) -> tuple[str, str]:
        """The tenant and the SOP Instance UID."""
        return self.tenant, self.candidate.instance.sop_uid

    def entry(self, settings: IngestSettings) -> Entry:
        """Return what the index is given of it."""
        return Entry(
            tenant=self.tenant,
            key=self.key,
            instance=self.candidate.instance,
            metadata=self.candidate.metadata,
            received=self.received or self.written or datetime.now(UTC),
            replace=settings.duplicates == "replace",
            accept_other_patient=settings.other_patient == "accept-first",
            keeps_key=not self.may_discard,
            frames=self.candidate.kept_frames(),
        )

    def stored(self) -> Stored:
        """Return what the index has of it, once it took it."""
        instance = self.candidate.instance
        return Stored(
            tenant=self.tenant,
            study_uid=instance.study_uid,
            series_uid=instance.series_uid,
            sop_uid=instance.sop_uid,
            sop_class_uid=instance.sop_class_uid,
            transfer_syntax_uid=instance.transfer_syntax_uid,
            key=self.key,
            size=instance.size,
            sha256=instance.sha256,
        )

    def acknowledge(
        self, status: Status, key: str, reason: IngestReason | None = None, warnings: tuple[Finding, ...] = ()
    ) -> None:
        """Answer that the instance is durable, and unless it is queued, indexed."""
        self.candidate.release()
        instance = self.candidate.instance
        self.result = Result(
            name=self.candidate.received.name,
            status=status,
            reason=reason or "",
            study_uid=instance.study_uid,
            series_uid=instance.series_uid,
            sop_uid=instance.sop_uid,
            sop_class_uid=instance.sop_class_uid,
            key=key,
            warnings=instance.warnings + warnings,
        )

    def reject(self, reason: IngestReason, message: str, *, retry: bool = False) -> None:
        """Refuse it."""
        candidate = self.candidate
        candidate.release()
        self.result = rejection(candidate.received, reason, message, instance=candidate.instance, retry=retry)

    def reject_changed(self) -> None:
        """Refuse what is not what it was when it was read."""
        self.reject(IngestReason.CHANGED, "It changed while it was being read: send it again.", retry=True)

    def reject_failed(self, kind: BackendKind, error: BackendError) -> None:
        """Refuse it because a backend failed."""
        if isinstance(error, SourceLostError):
            self.reject_changed()
        else:
            self.reject(failure_reason(kind, error), str(error), retry=may_succeed_later(error))
