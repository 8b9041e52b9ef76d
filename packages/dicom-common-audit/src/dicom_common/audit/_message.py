"""An audit event as a DICOM audit message: XML by the schema of PS3.15 A.5.1, filled in by A.5.3."""

from __future__ import annotations

import base64
import ipaddress
import re
from datetime import UTC
from xml.etree import ElementTree as ET  # it writes here, and parses nothing

from dicom_common.audit._codes import (
    APPLICATION,
    DESTINATION,
    DESTINATION_MEDIA,
    LAUNCHER,
    MEDIA_URI,
    MESSAGES,
    NODE_ID,
    PATIENT_NUMBER,
    SEARCH_CRITERIA,
    SOURCE,
    STUDY_INSTANCE_UID,
    URI,
    Code,
    Form,
)
from dicom_common.core import AuditedStudy, AuditEvent, AuditKind

__all__ = ["audit_message"]

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufffe\uffff]")
"""What XML does not allow, or a terminal may take for a command: it is written as an escape, which can be read."""

_ROLES: dict[AuditKind, tuple[Code, Code]] = {
    AuditKind.APPLICATION_STARTED: (LAUNCHER, APPLICATION),
    AuditKind.APPLICATION_STOPPED: (LAUNCHER, APPLICATION),
    AuditKind.EXPORTED: (SOURCE, SOURCE),
    AuditKind.INSTANCES_STORED: (SOURCE, DESTINATION),
    AuditKind.QUERIED: (SOURCE, DESTINATION),
}
"""The roles of who asked and of our process, where the message has roles."""


def audit_message(event: AuditEvent, *, source: str, site: str = "", trail: str = "") -> str:
    """Write an event as an XML document, without a declaration.

    Args:
        event: what happened. Its studies are of one patient, but in an export (A.5.3).
        source: Audit Source ID.
        site: Audit Enterprise Site ID.
        trail: the URI of the trail, which a message says that tells that it was read.
    """
    form = MESSAGES[event.kind]
    message = ET.Element("AuditMessage")
    _identify(message, event, form)
    _participants(message, event)
    origin = ET.SubElement(message, "AuditSourceIdentification", AuditSourceID=_safe(source))
    if site:
        origin.set("AuditEnterpriseSiteID", _safe(site))
    ET.SubElement(origin, "AuditSourceTypeCode", {"csd-code": "4"})  # application server process
    _objects(message, event, form, trail)
    return ET.tostring(message, encoding="unicode")


def _identify(message: ET.Element, event: AuditEvent, form: Form) -> None:
    at = event.time.astimezone(UTC)
    identification = ET.SubElement(
        message,
        "EventIdentification",
        EventActionCode=form.action,
        EventDateTime=f"{at:%Y-%m-%dT%H:%M:%S.%f}Z",
        EventOutcomeIndicator=str(int(event.outcome)),
    )
    _coded(identification, "EventID", form.event_id)
    if form.event_type is not None:
        _coded(identification, "EventTypeCode", form.event_type)
    if event.reason:
        ET.SubElement(identification, "EventOutcomeDescription").text = _safe(event.reason)


def _participants(message: ET.Element, event: AuditEvent) -> None:
    asked, ours = _ROLES.get(event.kind, (None, None))
    host = event.process.rpartition("-")[0] or event.process
    if event.kind is AuditKind.INSTANCES_SENT:
        asked, ours = None, SOURCE
    who = event.user or event.ae_title or event.address
    if who is not None:
        _participant(message, who, asked, address=event.address or host, ae_title=event.ae_title, is_requestor=True)
    _participant(message, event.process, ours, address=host, name="dicom-common", is_requestor=who is None)
    if event.kind is AuditKind.INSTANCES_SENT:
        _participant(message, event.destination or "unknown", DESTINATION)
    if event.kind is AuditKind.EXPORTED:
        media = _participant(message, event.destination or "unknown", DESTINATION_MEDIA)
        _coded(ET.SubElement(media, "MediaIdentifier"), "MediaType", MEDIA_URI)


def _participant(  # noqa: PLR0913 - what the schema has
    message: ET.Element,
    user_id: str,
    role: Code | None,
    *,
    address: str | None = None,
    ae_title: str | None = None,
    name: str | None = None,
    is_requestor: bool = False,
) -> ET.Element:
    participant = ET.SubElement(message, "ActiveParticipant", UserID=_safe(user_id))
    if ae_title:
        participant.set("AlternativeUserID", f"AETITLES={_safe(ae_title)}")
    if name:
        participant.set("UserName", name)
    participant.set("UserIsRequestor", "true" if is_requestor else "false")
    if address:
        participant.set("NetworkAccessPointID", _safe(address))
        participant.set("NetworkAccessPointTypeCode", _access_point_type(address))
    if role is not None:
        _coded(participant, "RoleIDCode", role)
    return participant


def _access_point_type(address: str) -> str:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return "1"  # a machine's name
    return "2"


def _objects(message: ET.Element, event: AuditEvent, form: Form, trail: str) -> None:
    details = list(event.details.items())
    if event.kind is AuditKind.AUDIT_LOG_USED:
        _object(message, trail or "audit", URI, "2", "13", details=details, name="Security Audit Log")
    elif event.kind is AuditKind.QUERIED:
        # A search by keys and values is no DICOM query: its own form, as A.5.3.10 says for such a one.
        level = event.details.get("level", "study")
        _object(message, level, SEARCH_CRITERIA, "2", "3", details=details, query=event.query or "")
    elif form.is_alert:
        text = event.reason or event.details.get("command") or str(event.kind)
        host = event.process.rpartition("-")[0] or event.process
        _object(message, host, NODE_ID, "2", "13", details=[("Alert Description", text), *details], name=host)
    for number, study in enumerate(event.studies):
        own = details if number == 0 and not form.is_alert else []
        _study(message, study, form.life_cycle, own)
    # The name of a patient is left out on purpose; the element has to be there (A.5.1).
    for patient_id in dict.fromkeys(study.patient_id for study in event.studies):
        _object(message, patient_id, PATIENT_NUMBER, "1", "1", name="")


def _study(message: ET.Element, study: AuditedStudy, life_cycle: str | None, details: list[tuple[str, str]]) -> None:
    uid = study.study_uid
    found = _object(message, uid, STUDY_INSTANCE_UID, "2", "3", life_cycle=life_cycle, details=details, name=uid)
    if study.sop_classes:
        description = ET.SubElement(found, "ParticipantObjectDescription")
        for sop_class, number in sorted(study.sop_classes.items()):
            ET.SubElement(description, "SOPClass", UID=_safe(sop_class), NumberOfInstances=str(number))


def _object(  # noqa: PLR0913 - what the schema has
    message: ET.Element,
    identifier: str,
    kind: Code,
    object_type: str,
    role: str,
    *,
    name: str = "",
    query: str | None = None,
    life_cycle: str | None = None,
    details: list[tuple[str, str]] | None = None,
) -> ET.Element:
    found = ET.SubElement(
        message,
        "ParticipantObjectIdentification",
        ParticipantObjectID=_safe(identifier),
        ParticipantObjectTypeCode=object_type,
        ParticipantObjectTypeCodeRole=role,
    )
    if life_cycle is not None:
        found.set("ParticipantObjectDataLifeCycle", life_cycle)
    _coded(found, "ParticipantObjectIDTypeCode", kind)
    if query is None:
        ET.SubElement(found, "ParticipantObjectName").text = _safe(name)
    else:
        ET.SubElement(found, "ParticipantObjectQuery").text = _base64(query)
    for key, value in details or ():
        ET.SubElement(found, "ParticipantObjectDetail", type=_safe(key), value=_base64(value))
    return found


def _coded(parent: ET.Element, tag: str, code: Code) -> None:
    names = {"csd-code": code.value, "codeSystemName": code.scheme, "originalText": code.meaning}
    ET.SubElement(parent, tag, names)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "backslashreplace")).decode()


def _safe(text: str) -> str:
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
