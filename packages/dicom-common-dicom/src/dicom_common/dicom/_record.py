"""The indexed attributes of the record of an instance."""

from __future__ import annotations

from typing import Any

from dicom_common.core import Attribute, RequestAttributes
from dicom_common.dicom._elements import Elements, Items, Value, pairs
from dicom_common.dicom._fields import NUMBER_VRS, TEXT_VRS, binary_field, text_field
from dicom_common.dicom._heads import Head
from dicom_common.dicom._json import DataSetContext
from dicom_common.dicom._json_context import PADDING, Flaw, cut_at_nul
from dicom_common.dicom._rules import Rule

__all__ = ["REQUESTS", "indexed_fields"]

_STUDY_DATE = 0x00080020
REQUESTS = {0x00400009: 0, 0x00401001: 1}
_LONGEST_REMEMBERED = 128
_LONGEST_ORIGIN = 64
_MOST_REQUESTS = 1000
_OF_ONE_VALUE = frozenset(("LT", "ST", "UR", "UT"))
_AFFECTED = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
"""The VRs that Specific Character Set affects."""


def indexed_fields(elements: Elements, context: DataSetContext) -> dict[str, Any]:
    """Give the fields of the record that the data set has. What cannot be read is left out, and is a finding."""
    fields: dict[str, Any] = {}
    for head, value in pairs(elements):
        attribute = head.attribute
        if attribute is None or not value:
            continue
        try:
            if len(value) > _LONGEST_REMEMBERED:  # what was read is remembered by its bytes
                result = _unusual(head, attribute, value, context)
            else:
                result = head.index(value)  # type: ignore[arg-type]  # another type of value is a TypeError
        except (ValueError, TypeError, AttributeError):
            result = _unusual(head, attribute, value, context)
        if result is not None:
            fields[attribute.field] = result
        if head.tag == _STUDY_DATE and type(value) is bytes:
            if value.isdigit() and len(value) <= _LONGEST_ORIGIN:
                fields["study_date_origin"] = value.decode("ascii")
            else:
                origin = value[:_LONGEST_ORIGIN].decode("ascii", "replace")
                fields["study_date_origin"] = origin.partition("\0")[0].strip(" ")
    return fields


def _unusual(head: Head, attribute: Attribute, value: Value, context: DataSetContext) -> Any:
    """Read a value that is not as it mostly is; None, and a finding, if that is not possible."""
    if attribute.vr == "SQ":
        if isinstance(value, list):
            return _request_attributes(value, head.tag, context)
        context.note(Rule.VALUE, "not indexed", head.tag)  # under another VR it has no items
        return None
    flaws: list[Flaw] = []
    try:
        result = _converted(head, attribute, value, context, flaws)
    except (ValueError, OverflowError):
        result, flaws = None, [(Rule.VALUE, "not indexed")]
    if head.vr != attribute.vr and attribute.vr in NUMBER_VRS and result is not None:
        flaws.append((Rule.FOREIGN_VR, f"indexed the number as one of {attribute.vr}"))
    for rule, action in flaws:
        context.note(rule, action, head.tag)
    return result


def _converted(head: Head, attribute: Attribute, value: Value, context: DataSetContext, flaws: list[Flaw]) -> Any:
    if type(value) is not bytes:
        raise ValueError
    if head.vr in TEXT_VRS:
        return text_field(_text_of(head, value, context), attribute, flaws)
    return binary_field(value, head.vr, attribute, flaws)


def _text_of(head: Head, value: bytes, context: DataSetContext) -> str:
    """Decode a text. What was wrong with it is a finding of the DICOM JSON already."""
    if head.vr not in _OF_ONE_VALUE:  # padding before a value is no end of it, as in the DICOM JSON
        value = value.strip(PADDING)
    if head.vr in _AFFECTED:
        text = context.decode(value, person_name=head.vr == "PN")
    else:
        text = context.decode_repertoire(value)
    if "\0" in text:
        text = cut_at_nul(text, context.flaws, several=head.vr not in _OF_ONE_VALUE)
    context.flaws.clear()
    return text


def _request_attributes(items: Items, tag: int, context: DataSetContext) -> tuple[RequestAttributes, ...]:
    if len(items) > _MOST_REQUESTS:
        context.note(Rule.SEVERAL_VALUES, f"indexed the first {_MOST_REQUESTS}", tag)
    requests = []
    for item in items[:_MOST_REQUESTS]:
        found: list[str | None] = [None, None]
        before = context.enter(item)
        for head, value in pairs(item):
            if head.tag in REQUESTS and type(value) is bytes and head.vr in TEXT_VRS:
                found[REQUESTS[head.tag]] = _text_of(head, value, context).strip(" ") or None
        context.leave(before)
        requests.append(RequestAttributes(*found))
    return tuple(requests)
