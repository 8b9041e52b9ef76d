"""DICOM audit messages: valid by the schema, filled in as PS3.15 A.5.3 says, whatever the values are."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from audit_schema import SCHEMA
from audit_site import event
from hypothesis import given, settings, strategies as st
from lxml import etree

from dicom_common.audit import audit_message
from dicom_common.core import AuditedStudy, AuditEvent, AuditKind, AuditOutcome

HOSTILE = 'a<b>&"\'\x00\x1b[2J\r\n\t\ud800\u202e]]><!ENTITY x SYSTEM "file:///etc/passwd">'
EXPECTED = {
    "application-started": ("110100", "E", "110120"),
    "application-stopped": ("110100", "E", "110121"),
    "audit-log-used": ("110101", "R", None),
    "exported": ("110106", "R", None),
    "instances-accessed": ("110103", "R", None),
    "instances-deleted": ("110103", "D", None),
    "instances-sent": ("110104", "R", None),
    "instances-stored": ("110104", "C", None),
    "logged-in": ("110114", "E", "110122"),
    "logged-out": ("110114", "E", "110123"),
    "queried": ("110112", "E", None),
    "restricted-function-used": ("110113", "E", "110132"),
    "roles-changed": ("110113", "E", "110136"),
    "security-alert": ("110113", "E", "110126"),
    "security-changed": ("110113", "E", "110129"),
    "study-deleted": ("110105", "D", None),
}


def message(told: AuditEvent) -> etree._Element:
    text = audit_message(told, source="pacs", site="clinic", trail="file:///srv/audit")
    root = etree.fromstring(text, etree.XMLParser(resolve_entities=False, no_network=True))
    SCHEMA.assertValid(root)
    return root


def of_role(root: etree._Element, code: str) -> list[str]:
    found = root.xpath(f"ActiveParticipant[RoleIDCode/@csd-code='{code}']/@UserID")
    assert isinstance(found, list)
    return [str(one) for one in found]


def objects(root: etree._Element) -> list[tuple[Any, ...]]:
    found = []
    for one in root.iter("ParticipantObjectIdentification"):
        code = one.find("ParticipantObjectIDTypeCode")
        assert code is not None
        names = ("ParticipantObjectTypeCode", "ParticipantObjectTypeCodeRole", "ParticipantObjectID")
        found.append((code.get("csd-code"), *(one.get(name) for name in names)))
    return found


@pytest.mark.parametrize("kind", AuditKind)
def test_each_kind_of_event_has_its_code_action_and_type(kind: AuditKind) -> None:
    root = message(event(1, kind))
    identification = root.find("EventIdentification")
    assert identification is not None
    types = [str(code) for code in root.xpath("EventIdentification/EventTypeCode/@csd-code")]  # type: ignore[union-attr]  # an XPath may give a number
    event_id = root.find("EventIdentification/EventID")
    assert event_id is not None
    assert (event_id.get("csd-code"), identification.get("EventActionCode"), types[0] if types else None) == EXPECTED[
        kind
    ]
    assert len(root.findall("ActiveParticipant[@UserIsRequestor='true']")) == 1


@pytest.mark.parametrize("kind", AuditKind)
@pytest.mark.parametrize("outcome", AuditOutcome)
def test_an_event_of_which_little_is_known_is_valid_too(kind: AuditKind, outcome: AuditOutcome) -> None:
    root = message(AuditEvent(kind=kind, outcome=outcome))
    identification = root.find("EventIdentification")
    assert identification is not None
    assert identification.get("EventOutcomeIndicator") == str(int(outcome))


def test_received_instances_name_sender_receiver_study_sop_classes_and_patient() -> None:
    root = message(
        event(1, process="pacs-7", studies=(AuditedStudy(study_uid="1.2", patient_id="P1", sop_classes={"1.9": 4}),))
    )
    assert of_role(root, "110153") == ["user-1@host"]
    assert of_role(root, "110152") == ["pacs-7"]
    assert objects(root) == [("110180", "2", "3", "1.2"), ("2", "1", "1", "P1")]
    [sop_class] = root.iter("SOPClass")
    assert (sop_class.get("UID"), sop_class.get("NumberOfInstances")) == ("1.9", "4")
    sender = root.find("ActiveParticipant")
    assert sender is not None
    assert sender.get("AlternativeUserID") == "AETITLES=MODALITY"
    assert (sender.get("NetworkAccessPointID"), sender.get("NetworkAccessPointTypeCode")) == ("192.0.2.7", "2")


def test_a_query_is_kept_whole_in_base64() -> None:
    root = message(event(1, AuditKind.QUERIED, studies=(), query=f"PatientName={HOSTILE}", details={"level": "series"}))
    assert objects(root) == [("10", "2", "3", "series")]
    [query] = root.iter("ParticipantObjectQuery")
    assert query.text is not None
    assert base64.b64decode(query.text) == f"PatientName={HOSTILE}".encode("utf-8", "backslashreplace")


def test_an_export_names_its_medium_and_an_alert_describes_itself() -> None:
    exported = message(event(1, AuditKind.EXPORTED, destination="file:///media/usb"))
    assert of_role(exported, "110154") == ["file:///media/usb"]
    assert exported.find("ActiveParticipant/MediaIdentifier/MediaType") is not None
    alert = message(event(1, AuditKind.SECURITY_CHANGED, studies=(), details={"command": "keys rotate"}))
    [described] = alert.findall(".//ParticipantObjectDetail[@type='Alert Description']")
    assert base64.b64decode(described.get("value") or "") == b"keys rotate"


def test_that_the_trail_was_read_names_the_trail() -> None:
    root = message(event(1, AuditKind.AUDIT_LOG_USED, studies=()))
    assert objects(root) == [("12", "2", "13", "file:///srv/audit")]
    assert [name.text for name in root.iter("ParticipantObjectName")] == ["Security Audit Log"]


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(AuditKind),
    text=st.text(st.characters(exclude_categories=()), max_size=20) | st.just(HOSTILE),
)
def test_hostile_values_stay_values(kind: AuditKind, text: str) -> None:
    studies = (AuditedStudy(study_uid=text, patient_id=text, sop_classes={text: 1}),)
    root = message(
        event(
            1,
            kind,
            user=text,
            ae_title=text,
            address=text,
            studies=studies,
            reason=text,
            details={text or "x": text},
            destination=text,
            process=text,
        )
    )
    written = etree.tostring(root, encoding="unicode")
    assert not [c for c in written if ord(c) < 0x20 or 0x7F <= ord(c) <= 0x9F or c in "\u202e\u2028\ufeff"]
    assert {one.tag for one in root.iter()} <= {
        "AuditMessage",
        "EventIdentification",
        "EventID",
        "EventTypeCode",
        "EventOutcomeDescription",
        "ActiveParticipant",
        "RoleIDCode",
        "MediaIdentifier",
        "MediaType",
        "AuditSourceIdentification",
        "AuditSourceTypeCode",
        "ParticipantObjectIdentification",
        "ParticipantObjectIDTypeCode",
        "ParticipantObjectName",
        "ParticipantObjectQuery",
        "ParticipantObjectDetail",
        "ParticipantObjectDescription",
        "SOPClass",
    }
