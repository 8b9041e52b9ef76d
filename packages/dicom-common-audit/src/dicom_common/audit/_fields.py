"""The fields of an audit event, as a record of the trail holds them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dicom_common.core import AuditEvent

__all__ = ["fields_of", "moment_of"]


def fields_of(event: AuditEvent) -> dict[str, Any]:
    """Return the fields of an event, in JSON's types. What is not known is left out."""
    fields = {
        "id": event.id,
        "time": f"{event.time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}",
        "kind": str(event.kind),
        "outcome": int(event.outcome),
        "tenant": event.tenant,
        "user": event.user,
        "ae_title": event.ae_title,
        "address": event.address,
        "process": event.process,
        "request_id": event.request_id,
        "studies": [
            {"study_uid": study.study_uid, "patient_id": study.patient_id, "sop_classes": dict(study.sop_classes)}
            for study in event.studies
        ],
        "query": event.query,
        "destination": event.destination,
        "reason": event.reason,
        "details": dict(event.details),
    }
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def moment_of(fields: dict[str, Any]) -> datetime:
    """Return when it happened.

    Raises:
        ValueError, KeyError: the fields do not tell.
    """
    return datetime.fromisoformat(fields["time"]).replace(tzinfo=UTC)
