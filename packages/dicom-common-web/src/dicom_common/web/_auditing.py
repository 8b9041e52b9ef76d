"""What the audit trail records of searches and retrievals: who saw what (PS3.15 A.5.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from dicom_common.core import AuditedStudy, AuditEvent, AuditKind, Level, OneOf, Query, Stored
from dicom_common.web._call import Call

__all__ = ["audit_instances", "audit_retrieval", "audit_search", "keeps_trail"]


def keeps_trail(call: Call) -> bool:
    """Tell whether an extension keeps an audit trail; where none does, nothing is looked up for it."""
    services = call.site.services
    return bool(services.config.general.extensions and services.extensions.audits)


def audit_search(call: Call) -> None:
    """Say that the caller searches, and for what."""
    if keeps_trail(call):
        url = call.request.url
        call.audits.append(_event(call, AuditKind.QUERIED, query=f"{url.path}?{url.query}" if url.query else url.path))


async def audit_retrieval(call: Call, kind: AuditKind, instances: Iterable[Stored]) -> None:
    """Do what `audit_instances` does, in a thread, and only where a trail is kept: to call a thread takes 0.2 ms."""
    if keeps_trail(call):
        await call.site.lanes.retrieve.run(audit_instances, call, kind, instances)


def audit_instances(call: Call, kind: AuditKind, instances: Iterable[Stored]) -> None:
    """Say what becomes of instances of one study. It blocks where a trail is kept: the index knows the patient."""
    if not keeps_trail(call):
        return
    classes: Counter[str] = Counter()
    study_uid = ""
    for stored in instances:
        study_uid = stored.study_uid
        classes[stored.sop_class_uid] += 1
    if not classes:
        return
    condition = OneOf("StudyInstanceUID", (study_uid,))
    query = Query(tenant=call.tenant, level=Level.STUDY, conditions=(condition,), fields=("PatientID",))
    found = next(iter(call.site.services.db.find(query)), {})
    patient_id = str(found.get("PatientID") or "")
    study = AuditedStudy(study_uid=study_uid, patient_id=patient_id, sop_classes=dict(classes))
    call.audits.append(_event(call, kind, study=study))


def _event(call: Call, kind: AuditKind, *, study: AuditedStudy | None = None, query: str | None = None) -> AuditEvent:
    client = call.request.client
    address = client.host if client is not None else None
    return AuditEvent(
        kind=kind,
        tenant=call.tenant,
        user=call.user,
        address=address,
        destination=address if kind is AuditKind.INSTANCES_SENT else None,
        studies=(study,) if study is not None else (),
        query=query,
        request_id=call.request_id,
    )
