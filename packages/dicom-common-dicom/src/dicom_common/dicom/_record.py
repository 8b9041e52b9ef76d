"""The indexed attributes of the record of an instance."""

from __future__ import annotations

from typing import Any

from dicom_common.core import Attribute, RequestAttributes
from dicom_common.dicom._elements import Elements, Items, Value
from dicom_common.dicom._fields import TEXT_VRS, binary_field, text_field
from dicom_common.dicom._heads import Head
from dicom_common.dicom._json import DataSetContext
from dicom_common.dicom._rules import Rule

__all__ = ["indexed_fields"]

_STUDY_DATE = 0x00080020
_REQUESTS = {0x00400009: 0, 0x00401001: 1}
_AFFECTED = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
"""The VRs that Specific Character Set affects."""


def indexed_fields(elements: Elements, context: DataSetContext) -> dict[str, Any]:
    """Give the fields of the record that the data set has. What cannot be read is left out, and is a finding."""
    fields: dict[str, Any] = {}
    for head, value in elements:
        attribute = head.attribute
        if attribute is None or not value:
            continue
        field = attribute.field
        try:
            fields[field] = head.index(value)  # type: ignore[arg-type]  # another type of value is a TypeError
        except (ValueError, TypeError, AttributeError):
            result = _unusual(head, attribute, value, context)
            if result is not None:
                fields[field] = result
        if head.tag == _STUDY_DATE and type(value) is bytes:
            fields["study_date_origin"] = value.decode("ascii", "replace").replace("\0", "").strip(" ")
    return {field: value for field, value in fields.items() if value is not None}


def _unusual(head: Head, attribute: Attribute, value: Value, context: DataSetContext) -> Any:
    """Read a value that is not as it mostly is; None, and a finding, if that is not possible."""
    if isinstance(value, Items) and attribute.vr == "SQ":
        return _request_attributes(value, context)
    if type(value) is not bytes:
        context.note(Rule.VALUE, "not indexed", head.tag)
        return None
    try:
        if head.vr not in TEXT_VRS:
            return binary_field(value, head.vr, attribute)
        if head.vr in _AFFECTED:
            text = context.text(value, person_name=head.vr == "PN")
            context.guessed = False
        else:
            text = context.repertoire_text(value)
        text = text.replace("\0", "")
        result = text_field(text, attribute)
    except (ValueError, OverflowError):
        context.note(Rule.VALUE, "not indexed", head.tag)
        return None
    if "\\" in text and not attribute.multiple:
        context.note(Rule.SEVERAL_VALUES, "indexed the first", head.tag)
    return result


def _request_attributes(items: Items, context: DataSetContext) -> tuple[RequestAttributes, ...]:
    requests = []
    for item in items.items:
        found: list[str | None] = [None, None]
        before = context.enter(item)
        for head, value in item:
            at = _REQUESTS.get(head.tag)
            if at is not None and type(value) is bytes:
                found[at] = context.text(value).replace("\0", "").strip(" ") or None
                context.guessed = False
        context.leave(before)
        requests.append(RequestAttributes(*found))
    return tuple(requests)
