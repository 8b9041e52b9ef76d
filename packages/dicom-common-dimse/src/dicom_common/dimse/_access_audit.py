"""What the audit trail records of queries and of instances that go out (PS3.15 A.5.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from dicom_common.core import AuditedStudy, AuditEvent, AuditKind, AuditOutcome, Level, OneOf, Query, Stored
from dicom_common.dimse._identifiers import StatusError
from dicom_common.dimse._peers import Peer
from dicom_common.host import Services

__all__ = ["audit_query", "audit_sent", "keeps_trail", "require_trail"]


def keeps_trail(services: Services) -> bool:
    """Tell whether an extension keeps an audit trail; where none does, nothing is looked up for it."""
    return bool(services.config.general.extensions and services.extensions.audits)


def require_trail(services: Services, status: int) -> None:
    """Refuse to show anything of which the audit trail would not know.

    Raises:
        StatusError: the trail cannot record it.
    """
    if keeps_trail(services) and services.extensions.audit_refusal() is not None:
        raise StatusError(status, "The audit trail cannot record this request; try again later.")


def audit_query(services: Services, peer: Peer, query: str) -> None:
    """Record that a peer searches, and for what."""
    services.extensions.audit([_event(peer, AuditKind.QUERIED, query=query)])


def audit_sent(
    services: Services, peer: Peer, instances: Iterable[Stored], destination: str, outcome: AuditOutcome
) -> None:
    """Record which instances of which studies were sent to whom at the wish of a peer."""
    studies: dict[str, Counter[str]] = {}
    for stored in instances:
        studies.setdefault(stored.study_uid, Counter())[stored.sop_class_uid] += 1
    if not studies:
        return
    condition = OneOf("StudyInstanceUID", tuple(studies))
    query = Query(tenant=peer.tenant, level=Level.STUDY, conditions=(condition,), fields=("PatientID",))
    patients = {str(match["StudyInstanceUID"]): str(match.get("PatientID") or "") for match in services.db.find(query)}
    audited = tuple(
        AuditedStudy(study_uid=uid, patient_id=patients.get(uid, ""), sop_classes=dict(classes))
        for uid, classes in studies.items()
    )
    event = _event(peer, AuditKind.INSTANCES_SENT, studies=audited, destination=destination, outcome=outcome)
    services.extensions.audit([event])


def _event(  # noqa: PLR0913 - what an event says
    peer: Peer,
    kind: AuditKind,
    *,
    studies: tuple[AuditedStudy, ...] = (),
    query: str | None = None,
    destination: str | None = None,
    outcome: AuditOutcome = AuditOutcome.SUCCESS,
) -> AuditEvent:
    return AuditEvent(
        kind=kind,
        tenant=peer.tenant or None,
        user=peer.user,
        ae_title=peer.settings.ae_title,
        address=peer.address,
        destination=destination,
        studies=studies,
        query=query,
        outcome=outcome,
    )
