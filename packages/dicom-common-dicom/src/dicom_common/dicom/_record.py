"""The record of an instance: its indexed attributes, typed."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from datetime import date, time
from typing import Any

from dicom_common.core import Attribute, DicomError, PersonName, RequestAttributes
from dicom_common.dicom._heads import Head
from dicom_common.dicom._json import DataSetContext
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._scan import Elements, Items
from dicom_common.dicom._settings import ReaderSettings
from dicom_common.dicom._uid import is_valid_uid

__all__ = ["identity", "indexed_fields"]

_IDENTITY = {
    0x00080016: ("sop_class_uid", "SOP Class UID (0008,0016)"),
    0x00080018: ("sop_uid", "SOP Instance UID (0008,0018)"),
    0x0020000D: ("study_uid", "Study Instance UID (0020,000D)"),
    0x0020000E: ("series_uid", "Series Instance UID (0020,000E)"),
}
_STUDY_DATE = 0x00080020
_PATIENT_ID = 0x00100020
_BINARY = {"US": "<H", "SS": "<h", "UL": "<I", "SL": "<i", "US or SS": "<H", "UN": "<H"}
_DATE = re.compile(r"[0-9]{8}")
_TIME = re.compile(r"([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:\.([0-9]{1,6}))?)?)?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,12}")
_LEAP_SECOND = 60


def identity(elements: Elements, settings: ReaderSettings, context: DataSetContext) -> dict[str, str]:
    """Give the four UIDs without which an instance cannot be kept, by the fields of the record.

    Raises:
        DicomError: one is missing, or is no UID. The message has its name, not its value.
    """
    uids: dict[str, str] = {}
    for head, value in elements:
        named = _IDENTITY.get(head.tag)
        if named is not None and type(value) is bytes:
            uid = value.rstrip(b"\0 ").lstrip(b" ").decode("latin-1")
            if not uid:
                break
            if not is_valid_uid(uid, strict=True):
                if settings.uids == "strict" or not is_valid_uid(uid, strict=False):
                    raise DicomError(Reason.INVALID_UID, f"The {named[1]} is not a UID; ask the sender to correct it.")
                context.note("uid", "kept as it is", head.tag)
            uids[named[0]] = uid
    for field, name in _IDENTITY.values():
        if field not in uids:
            raise DicomError(Reason.MISSING_UID, f"The {name} is missing; ask the sender to add it.")
    return uids


class _Bad(ValueError):
    """A value that its field cannot take."""


def _text(text: str) -> str | None:
    return text.strip(" ") or None


def _date(text: str) -> date:
    text = text.strip(" ")
    if _DATE.fullmatch(text) is None:
        raise _Bad
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def _time(text: str) -> time:
    match = _TIME.fullmatch(text.strip(" "))
    if match is None:
        raise _Bad
    hours, minutes, seconds, fraction = match.groups("0")
    if int(seconds) == _LEAP_SECOND:  # allowed by PS3.5 6.2, unknown to Python
        return time(int(hours), int(minutes), 59, 999999)
    return time(int(hours), int(minutes), int(seconds), int(fraction.ljust(6, "0")))


def _decimal(text: str) -> float:
    number = float(text)
    if not math.isfinite(number) or "_" in text:
        raise _Bad
    return number


def _integer(text: str) -> int:
    if _INTEGER.fullmatch(text.strip(" ")) is None:
        raise _Bad
    number = int(text)
    if not -(2**31) <= number < 2**31:
        raise _Bad
    return number


def _person_name(text: str) -> PersonName | None:
    groups = [group.strip(" ") for group in text.split("=", 3)[:3]]
    return PersonName(*groups) if any(groups) else None


_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "DA": _date,
    "TM": _time,
    "DS": _decimal,
    "IS": _integer,
    "US": _integer,
    "PN": _person_name,
}
_TEXT_VRS = frozenset("AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())
_AFFECTED = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))


def _values(value: bytes, attribute: Attribute, head: Head, context: DataSetContext) -> Any:
    """Give what the field of `attribute` gets from a value of the VR that the data set has it in."""
    if head.vr in _TEXT_VRS:
        if value.isascii() and b"\x1b" not in value:
            text = value.decode("ascii")
        elif head.vr in _AFFECTED:
            text = context.text(value, person_name=head.vr == "PN")
            context.guessed = False
        else:
            text = context.repertoire_text(value)
        if "\0" in text:
            text = text.replace("\0", "")
        convert = _FROM_TEXT.get(attribute.vr, _text)
        if attribute.multiple:
            parts = text.split("\\") if text.strip(" ") else []
            if attribute.vr == "CS":
                return tuple(part.strip(" ") for part in parts)
            return tuple(map(convert, parts))
        if "\\" in text:
            text = text.split("\\", 1)[0]
            context.note("several-values", "took the first", head.tag)
        return convert(text) if text.strip(" ") else None
    if attribute.vr == "US" and head.vr in _BINARY:
        code = _BINARY[head.vr]
        if len(value) < struct.calcsize(code):
            raise _Bad
        return struct.unpack_from(code, value)[0]
    raise _Bad


_REQUESTS = {0x00400009: 0, 0x00401001: 1}


def _request_attributes(items: Items, context: DataSetContext) -> tuple[RequestAttributes, ...]:
    requests = []
    for item in items.items:
        found: list[str | None] = [None, None]
        before = context.enter(item)
        for head, value in item:
            at = _REQUESTS.get(head.tag)
            if at is not None and type(value) is bytes:
                text = context.text(value).replace("\0", "").strip(" ")
                context.guessed = False
                found[at] = text or None
        context.leave(before)
        requests.append(RequestAttributes(*found))
    return tuple(requests)


def indexed_fields(elements: Elements, context: DataSetContext) -> dict[str, Any]:
    """Give the fields of the record that the data set has. What cannot be read is left out, and is a finding."""
    fields: dict[str, Any] = {}
    before = context.enter(elements)
    for head, value in elements:
        attribute = head.attribute
        if attribute is None or not value or head.tag in _IDENTITY:
            continue
        if type(value) is not bytes:
            if isinstance(value, Items) and attribute.vr == "SQ":
                fields[attribute.field] = _request_attributes(value, context)
            else:
                context.note("value", "not indexed", head.tag)
            continue
        if head.tag == _STUDY_DATE:
            fields["study_date_origin"] = value.decode("ascii", "replace").replace("\0", "").strip(" ")
        try:
            result = _values(value, attribute, head, context)
        except (ValueError, OverflowError):
            context.note("value", "not indexed", head.tag)
            continue
        if result is not None:
            fields[attribute.field] = result
    context.leave(before)
    return fields
