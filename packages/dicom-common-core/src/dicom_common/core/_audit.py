"""What an audit trail records: who did what to whose images, from where, and how it ended (DICOM PS3.15 A.5)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, StrEnum

from dicom_common.core._records import uuid7

__all__ = ["AuditEvent", "AuditKind", "AuditOutcome", "AuditedStudy"]


class AuditKind(StrEnum):
    """What happened. Beside each the message of PS3.15 A.5.3 that tells of it."""

    APPLICATION_STARTED = "application-started"
    """Application Activity, Application Start (A.5.3.1)."""
    APPLICATION_STOPPED = "application-stopped"
    AUDIT_LOG_USED = "audit-log-used"
    """Somebody read the audit trail (A.5.3.2)."""
    EXPORTED = "exported"
    """Instances left the system as files (A.5.3.4)."""
    INSTANCES_ACCESSED = "instances-accessed"
    """Somebody looked at instances, or at their metadata (A.5.3.6)."""
    INSTANCES_DELETED = "instances-deleted"
    """Part of a study was removed (A.5.3.6, with the action Delete)."""
    INSTANCES_STORED = "instances-stored"
    """Instances were received (A.5.3.7)."""
    INSTANCES_SENT = "instances-sent"
    """Instances were sent to another system (A.5.3.7, with the action Read)."""
    STUDY_DELETED = "study-deleted"
    """A whole study was removed (A.5.3.8)."""
    QUERIED = "queried"
    """Somebody searched (A.5.3.10)."""
    RESTRICTED_FUNCTION_USED = "restricted-function-used"
    """Somebody administered the system (A.5.3.11, Use of Restricted Function)."""
    SECURITY_CHANGED = "security-changed"
    """Keys or the security configuration changed (A.5.3.11, Security Configuration)."""
    ROLES_CHANGED = "roles-changed"
    """Who may do what changed (A.5.3.11, Security Roles Changed)."""
    SECURITY_ALERT = "security-alert"
    """A peer was not who it should be: somebody has to look at it (A.5.3.11, Node Authentication)."""
    LOGGED_IN = "logged-in"
    """Somebody logged in, or tried to: see the outcome (A.5.3.12)."""
    LOGGED_OUT = "logged-out"


class AuditOutcome(IntEnum):
    """How it ended (Event Outcome Indicator, PS3.15 A.5.2)."""

    SUCCESS = 0
    MINOR_FAILURE = 4
    """It was refused or failed, and may be tried again."""
    SERIOUS_FAILURE = 8
    """It was broken off."""
    MAJOR_FAILURE = 12
    """Something is not available any more."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AuditedStudy:
    """A study that an event is about, and which of its instances."""

    study_uid: str
    patient_id: str = ""
    sop_classes: Mapping[str, int] = field(default_factory=dict)
    """How many instances of each SOP class; empty where they were not counted."""

    def __repr__(self) -> str:
        return f"<AuditedStudy {self.study_uid}>"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AuditEvent:
    """One thing that an audit trail has to know. Its repr shows no patient and no user.

    An event tells of one outcome: what partly failed is two events. The studies of an event are those of one tenant.
    """

    kind: AuditKind
    tenant: str | None = None
    """Whose data; None where it is about all tenants, or none."""
    user: str | None = None
    """Who: the verified subject of a token, or the user of the operating system. None where it is not known."""
    ae_title: str | None = None
    """The peer's AE title: what it said, not who it is."""
    address: str | None = None
    """From where: an IP address or a host's name."""
    studies: tuple[AuditedStudy, ...] = ()
    query: str | None = None
    """What was searched for. It may hold a patient's attributes."""
    destination: str | None = None
    """Where instances went: a URI."""
    outcome: AuditOutcome = AuditOutcome.SUCCESS
    reason: str = ""
    """Why it failed, without anything of a patient."""
    details: Mapping[str, str] = field(default_factory=dict)
    """What else is known, by name: the command, its options, counts. Nothing of a patient."""
    request_id: str | None = None
    """Ties together the events of one request or command."""
    process: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")
    """Which process of the system did it: `<host>-<process id>`."""
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = field(default_factory=lambda: str(uuid7()))

    def __post_init__(self) -> None:
        """Refuse a time that means another moment elsewhere."""
        if self.time.tzinfo is None:
            raise ValueError("the time of an audit event has to have a zone")

    def __repr__(self) -> str:
        return f"<AuditEvent {self.kind} {self.id} outcome {int(self.outcome)}>"
