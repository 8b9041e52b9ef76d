"""The coded values of DICOM audit messages: PS3.16 CID 400 to 405, and which message tells of what (PS3.15 A.5.3)."""

from __future__ import annotations

from typing import NamedTuple

from dicom_common.core import AuditKind

__all__ = [
    "APPLICATION",
    "DESTINATION",
    "DESTINATION_MEDIA",
    "LAUNCHER",
    "MEDIA_URI",
    "MESSAGES",
    "NODE_ID",
    "PATIENT_NUMBER",
    "SEARCH_CRITERIA",
    "SOURCE",
    "STUDY_INSTANCE_UID",
    "URI",
    "Code",
    "Form",
]


class Code(NamedTuple):
    """A code, its coding scheme, and its meaning."""

    value: str
    scheme: str
    meaning: str


def _dcm(value: int, meaning: str) -> Code:
    return Code(str(value), "DCM", meaning)


# Roles of active participants (CID 402).
APPLICATION = _dcm(110150, "Application")
LAUNCHER = _dcm(110151, "Application Launcher")
DESTINATION = _dcm(110152, "Destination Role ID")
SOURCE = _dcm(110153, "Source Role ID")
DESTINATION_MEDIA = _dcm(110154, "Destination Media")
MEDIA_URI = _dcm(110037, "URI")  # CID 405

# What identifies a participating object (CID 404, PS3.15 A.5.1.2.4).
STUDY_INSTANCE_UID = _dcm(110180, "Study Instance UID")
NODE_ID = _dcm(110182, "Node ID")
PATIENT_NUMBER = Code("2", "RFC-3881", "Patient Number")
SEARCH_CRITERIA = Code("10", "RFC-3881", "Search Criteria")
URI = Code("12", "RFC-3881", "URI")

_ACTIVITY = _dcm(110100, "Application Activity")
_LOG_USED = _dcm(110101, "Audit Log Used")
_ACCESSED = _dcm(110103, "DICOM Instances Accessed")
_TRANSFERRED = _dcm(110104, "DICOM Instances Transferred")
_DELETED = _dcm(110105, "DICOM Study Deleted")
_EXPORT = _dcm(110106, "Export")
_QUERY = _dcm(110112, "Query")
_ALERT = _dcm(110113, "Security Alert")
_AUTHENTICATION = _dcm(110114, "User Authentication")


class Form(NamedTuple):
    """How an event is written: its Event ID, action, and type, and the life cycle stage of its studies."""

    event_id: Code
    action: str
    event_type: Code | None = None
    life_cycle: str | None = None

    @property
    def is_alert(self) -> bool:
        """Whether it is a Security Alert, which has a subject and a description."""
        return self.event_id == _ALERT


MESSAGES = {
    AuditKind.APPLICATION_STARTED: Form(_ACTIVITY, "E", _dcm(110120, "Application Start")),
    AuditKind.APPLICATION_STOPPED: Form(_ACTIVITY, "E", _dcm(110121, "Application Stop")),
    AuditKind.AUDIT_LOG_USED: Form(_LOG_USED, "R"),
    AuditKind.EXPORTED: Form(_EXPORT, "R", life_cycle="10"),
    AuditKind.INSTANCES_ACCESSED: Form(_ACCESSED, "R", life_cycle="6"),
    AuditKind.INSTANCES_DELETED: Form(_ACCESSED, "D", life_cycle="15"),
    AuditKind.INSTANCES_STORED: Form(_TRANSFERRED, "C", life_cycle="1"),
    AuditKind.INSTANCES_SENT: Form(_TRANSFERRED, "R", life_cycle="10"),
    AuditKind.STUDY_DELETED: Form(_DELETED, "D", life_cycle="15"),
    AuditKind.QUERIED: Form(_QUERY, "E"),
    AuditKind.RESTRICTED_FUNCTION_USED: Form(_ALERT, "E", _dcm(110132, "Use of Restricted Function")),
    AuditKind.SECURITY_CHANGED: Form(_ALERT, "E", _dcm(110129, "Security Configuration")),
    AuditKind.ROLES_CHANGED: Form(_ALERT, "E", _dcm(110136, "Security Roles Changed")),
    AuditKind.SECURITY_ALERT: Form(_ALERT, "E", _dcm(110126, "Node Authentication")),
    AuditKind.LOGGED_IN: Form(_AUTHENTICATION, "E", _dcm(110122, "Login")),
    AuditKind.LOGGED_OUT: Form(_AUTHENTICATION, "E", _dcm(110123, "Logout")),
}
