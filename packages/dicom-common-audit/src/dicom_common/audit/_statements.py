"""What the trail records of itself: that files were pruned, and that a record was never finished.

Such a record excuses what would be a flaw. So it counts only where it is what this package writes, to the letter: the
kind of event, all of its details and no others, and the hash of what it excuses.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dicom_common.audit._chain import HASH, Record
from dicom_common.core import AuditEvent, AuditKind, AuditOutcome

__all__ = ["PRUNED_KIND", "Pruned", "healed_event", "heals", "pruned_in"]

PRUNED_KIND = AuditKind.SECURITY_CHANGED
_NUMBER = re.compile(r"[1-9]\d{0,17}", re.ASCII)


@dataclass(frozen=True)
class Pruned:
    """All records up to one were deleted on purpose."""

    through: int
    """The number of the last one."""
    hash: str
    """Its hash."""

    def details(self) -> dict[str, str]:
        """Return the details of the event that tells of it."""
        return {"command": "audit prune", "trail": "pruned", "through": str(self.through), "hash": self.hash}


def pruned_in(record: Record) -> Pruned | None:
    """Return what a record tells of a prune; None: it is another record. Its own hash has to be verified already."""
    if b'"pruned"' not in record.body:  # most are not parsed
        return None
    event = _event(record)
    details = event.get("details")
    if not isinstance(details, dict) or event.get("kind") != PRUNED_KIND or event.get("outcome") != 0:
        return None
    through, hash_ = str(details.get("through")), str(details.get("hash"))
    if not (_NUMBER.fullmatch(through) and HASH.fullmatch(hash_)):
        return None
    told = Pruned(int(through), hash_)
    return told if details == told.details() and told.through < record.seq else None


def healed_event(torn: bytes) -> AuditEvent:
    """Return the event that tells of a line that was not finished."""
    return AuditEvent(
        kind=AuditKind.SECURITY_ALERT,
        outcome=AuditOutcome.MINOR_FAILURE,
        reason="The audit trail ended in a record that was not finished.",
        details=_healed(torn),
    )


def heals(record: Record, torn: bytes) -> bool:
    """Tell whether a record tells of this line, without its newline. The record's hash has to be verified already."""
    if b'"healed"' not in record.body:
        return False
    event = _event(record)
    return event.get("kind") == AuditKind.SECURITY_ALERT and event.get("details") == _healed(torn)


def _healed(torn: bytes) -> dict[str, str]:
    return {"trail": "healed", "torn_bytes": str(len(torn)), "torn_sha256": hashlib.sha256(torn).hexdigest()}


def _event(record: Record) -> Mapping[str, Any]:
    try:
        event: Mapping[str, Any] = record.content["event"]
    except ValueError:
        return {}
    return event
