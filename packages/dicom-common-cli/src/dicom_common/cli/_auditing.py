"""What a command tells the audit trail: who did what to which study, and how it ended.

Where no extension is enabled it costs a look at the configuration. An extension may refuse a command that it could not
record; it is asked before the command does anything.
"""

from __future__ import annotations

import dataclasses
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dicom_common.cli._errors import CommandError
from dicom_common.core import (
    AuditedStudy,
    AuditEvent,
    AuditKind,
    AuditOutcome,
    DicomCommonError,
    Level,
    OneOf,
    Query,
    Stored,
)
from dicom_common.host import Services
from dicom_common.toolkit import process_user

if TYPE_CHECKING:
    from dicom_common.host import Extensions

__all__ = ["Deed", "auditing"]


@dataclass
class Deed:
    """What a command does, as far as it is known yet. The command fills it in while it works."""

    kind: AuditKind
    tenant: str | None = None
    study: AuditedStudy | None = None
    query: str | None = None
    destination: str | None = None
    outcome: AuditOutcome = AuditOutcome.SUCCESS
    reason: str = ""
    details: dict[str, str] = field(default_factory=dict)
    request_id: str = ""
    extensions: Extensions | None = None
    """Those that keep a trail; None where no extension does."""
    _classes: Counter[str] = field(default_factory=Counter)
    _is_recorded: bool = False

    def about(self, services: Services, study_uid: str) -> None:
        """Say which study it is about. It is looked up, for its patient, where a trail is kept."""
        if self.extensions is None:
            return
        condition = OneOf("StudyInstanceUID", (study_uid,))
        query = Query(tenant=self.tenant or "", level=Level.STUDY, conditions=(condition,))
        found = next(iter(services.db.find(query)), {})
        self.study = AuditedStudy(study_uid=study_uid, patient_id=str(found.get("PatientID") or ""))

    def touched(self, instances: Iterable[Stored]) -> None:
        """Say which instances of the study it came to; may be said again of others."""
        self._classes.update(stored.sop_class_uid for stored in instances)

    def fail(self, reason: str, outcome: AuditOutcome = AuditOutcome.MINOR_FAILURE) -> None:
        """Say that it did not succeed, without anything of a patient."""
        self.outcome, self.reason = outcome, reason

    def record(self) -> None:
        """Record it now: before something is shown, which cannot be taken back.

        Raises:
            CommandError: it could not be recorded, and has to be.
        """
        if not self._tell(self._event(self.kind)):
            self.require()

    def begin(self, kind: AuditKind = AuditKind.RESTRICTED_FUNCTION_USED) -> None:
        """Record that it begins: what it is about to do cannot be undone, and the process may die in the middle.

        Args:
            kind: what it is before it was done.

        Raises:
            CommandError: as in `record`.
        """
        details = {**self.details, "stage": "begin"}
        if self.extensions is not None and not self.extensions.audit([self._event(kind, details)]):
            self.require()

    def require(self) -> None:
        """Refuse to go on where it could not be recorded, and has to be.

        Raises:
            CommandError: so it is; the message has the reason.
        """
        if self.extensions is not None and (reason := self.extensions.audit_refusal()):
            raise CommandError(f"Refused, since it could not be recorded in the audit trail: {reason}.")

    def end(self) -> None:
        """Record it, if that was not done."""
        if not self._is_recorded:
            self._tell(self._event(self.kind))

    def _tell(self, event: AuditEvent) -> bool:
        self._is_recorded = True
        return self.extensions is None or self.extensions.audit([event])

    def _event(self, kind: AuditKind, details: Mapping[str, str] | None = None) -> AuditEvent:
        study = self.study
        if study is not None and self._classes:
            study = dataclasses.replace(study, sop_classes=dict(self._classes))
        return AuditEvent(
            kind=kind,
            tenant=self.tenant,
            user=process_user(),
            address=socket.gethostname(),
            studies=(study,) if study is not None else (),
            query=self.query,
            destination=self.destination,
            outcome=self.outcome,
            reason=self.reason,
            details=self.details if details is None else details,
            request_id=self.request_id,
        )


@contextmanager
def auditing(
    services: Services, kind: AuditKind, *, tenant: str | None, request_id: str, **details: Any
) -> Iterator[Deed]:
    """Do something that the audit trail has to know: how it ended is recorded behind the block.

    Raises:
        CommandError: it could not be recorded, and has to be; nothing was done.
    """
    told = {name: str(value) for name, value in details.items() if value not in (None, False, "")}
    wanted = services.config.general.extensions and services.extensions.audits
    deed = Deed(kind, tenant, details=told, request_id=request_id, extensions=services.extensions if wanted else None)
    deed.require()
    try:
        yield deed
    except BaseException as error:
        is_ours = isinstance(error, DicomCommonError)
        # Its message may hold more than a trail needs: only its kind is kept.
        deed.fail(type(error).__name__, AuditOutcome.MINOR_FAILURE if is_ours else AuditOutcome.SERIOUS_FAILURE)
        deed.end()
        raise
    deed.end()
