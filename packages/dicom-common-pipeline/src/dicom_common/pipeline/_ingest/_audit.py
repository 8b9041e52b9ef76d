"""The audit events of an ingest: one event for each study, sender and outcome of a batch."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dicom_common.core import AuditedStudy, AuditEvent, AuditKind, AuditOutcome, Instance, Origin
from dicom_common.pipeline._ingest._results import Received, Result, Status
from dicom_common.toolkit import process_user

__all__ = ["ingest_audit"]


class _Group(NamedTuple):
    """What shares an event."""

    study_uid: str | None
    patient_id: str
    origin: Origin
    is_refused: bool


def ingest_audit(
    tenant: str, received: Sequence[Received], instances: Sequence[Instance | None], results: Sequence[Result]
) -> Iterator[AuditEvent]:
    """Make the events of a batch (PS3.15 A.5.3.7).

    Args:
        tenant: whose instances they are.
        received: what came in.
        instances: the instances of it; None for what could not be read.
        results: the answers, in the order of `received`.
    """
    groups: dict[_Group, list[int]] = defaultdict(list)
    for position, (item, instance, result) in enumerate(zip(received, instances, results, strict=True)):
        study, patient = (instance.study_uid, instance.patient_id) if instance is not None else (None, "")
        groups[_Group(study, patient, item.origin, result.status is Status.REJECTED)].append(position)
    for group, positions in groups.items():
        statuses = Counter(str(results[position].status) for position in positions)
        reasons = Counter(results[position].reason for position in positions)
        details = {status: str(number) for status, number in statuses.items()} | {"source": group.origin.source}
        yield AuditEvent(
            kind=AuditKind.INSTANCES_STORED,
            tenant=tenant,
            user=group.origin.user or (process_user() if group.origin.source == "local" else None),
            ae_title=group.origin.ae_title,
            address=group.origin.ip,
            studies=_studies(group, [instances[position] for position in positions]),
            outcome=AuditOutcome.MINOR_FAILURE if group.is_refused else AuditOutcome.SUCCESS,
            reason=", ".join(f"{reason} ({number})" for reason, number in reasons.items()) if group.is_refused else "",
            details=details,
        )


def _studies(group: _Group, instances: Sequence[Instance | None]) -> tuple[AuditedStudy, ...]:
    if group.study_uid is None:
        return ()
    classes = Counter(instance.sop_class_uid for instance in instances if instance is not None)
    return (AuditedStudy(study_uid=group.study_uid, patient_id=group.patient_id, sop_classes=classes),)
