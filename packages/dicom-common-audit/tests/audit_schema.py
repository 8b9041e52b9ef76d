"""What PS3.15 A.5.1 says of an audit message, as RELAX NG: elements, attributes, their order and their values."""

from __future__ import annotations

from lxml import etree

_HEAD = (
    '<grammar xmlns="http://relaxng.org/ns/structure/1.0" datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">'
)


def _values(*values: object) -> str:
    return f"<choice>{''.join(f'<value>{value}</value>' for value in values)}</choice>"


def _attribute(name: str, content: str = '<data type="token"/>', *, optional: bool = False) -> str:
    made = f'<attribute name="{name}">{content}</attribute>'
    return f"<optional>{made}</optional>" if optional else made


def _element(name: str, *content: str, times: str = "") -> str:
    made = f'<element name="{name}">{"".join(content) or "<empty/>"}</element>'
    return f"<{times}>{made}</{times}>" if times else made


def _coded(name: str, times: str = "") -> str:
    kinds = [_attribute("csd-code"), _attribute("codeSystemName"), _attribute("originalText")]
    return _element(name, *kinds, _attribute("displayName", optional=True), times=times)


_BASE64, _TOKEN, _TEXT, _BOOLEAN = (f'<data type="{kind}"/>' for kind in ("base64Binary", "token", "string", "boolean"))

_EVENT = _element(
    "EventIdentification",
    _attribute("EventActionCode", _values(*"CRUDE"), optional=True),
    _attribute("EventDateTime", '<data type="dateTime"/>'),
    _attribute("EventOutcomeIndicator", _values(0, 4, 8, 12)),
    _coded("EventID"),
    _coded("EventTypeCode", times="zeroOrMore"),
    _element("EventOutcomeDescription", _TEXT, times="optional"),
)
_PARTICIPANT = _element(
    "ActiveParticipant",
    _attribute("UserID", _TEXT),
    _attribute("AlternativeUserID", _TEXT, optional=True),
    _attribute("UserName", _TEXT, optional=True),
    _attribute("UserIsRequestor", _BOOLEAN),
    _attribute("NetworkAccessPointID", optional=True),
    _attribute("NetworkAccessPointTypeCode", _values(1, 2, 3, 4, 5), optional=True),
    _coded("RoleIDCode", times="zeroOrMore"),
    _element("MediaIdentifier", _coded("MediaType"), times="optional"),
    times="oneOrMore",
)
_SOURCE = _element(
    "AuditSourceIdentification",
    _attribute("AuditEnterpriseSiteID", optional=True),
    _attribute("AuditSourceID"),
    _element("AuditSourceTypeCode", _attribute("csd-code", _values(*range(1, 10))), times="zeroOrMore"),
)
_SOP_CLASS = _element(
    "SOPClass",
    _attribute("UID", optional=True),
    _attribute("NumberOfInstances", '<data type="integer"/>'),
    _element("Instance", _attribute("UID"), times="zeroOrMore"),
    times="zeroOrMore",
)
_OBJECT = _element(
    "ParticipantObjectIdentification",
    _attribute("ParticipantObjectID"),
    _attribute("ParticipantObjectTypeCode", _values(1, 2, 3, 4), optional=True),
    _attribute("ParticipantObjectTypeCodeRole", _values(*range(1, 27)), optional=True),
    _attribute("ParticipantObjectDataLifeCycle", _values(*range(1, 16)), optional=True),
    _attribute("ParticipantObjectSensitivity", optional=True),
    _coded("ParticipantObjectIDTypeCode"),
    "<choice>",
    _element("ParticipantObjectName", _TOKEN),
    _element("ParticipantObjectQuery", _BASE64),
    "</choice>",
    _element("ParticipantObjectDetail", _attribute("type"), _attribute("value", _BASE64), times="zeroOrMore"),
    _element("ParticipantObjectDescription", _SOP_CLASS, times="zeroOrMore"),
    times="zeroOrMore",
)
_MESSAGE = _element("AuditMessage", _EVENT, _PARTICIPANT, _SOURCE, _OBJECT)

SCHEMA = etree.RelaxNG(etree.fromstring(f"{_HEAD}<start>{_MESSAGE}</start></grammar>"))
