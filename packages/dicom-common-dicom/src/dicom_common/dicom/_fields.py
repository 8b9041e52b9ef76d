"""From a value to a field of the record: dates, times, numbers, names and text (PS3.5 6.2).

There are two ways. `FAST` takes the values that nearly all data sets have and gives up on anything unusual;
`text_field` and `binary_field` take the rest. Both raise ValueError for a value that the field cannot take.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from datetime import date, time
from functools import lru_cache
from typing import Any

from dicom_common.core import Attribute, PersonName
from dicom_common.dicom._json_context import PADDING, PLAIN

__all__ = ["FAST", "TEXT_VRS", "binary_field", "text_field"]

TEXT_VRS = frozenset(
    ["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"]
)
_BINARY = {"US": "<H", "SS": "<h", "UL": "<I", "SL": "<i", "US or SS": "<H", "UN": "<H"}
_DATE = re.compile(r"[0-9]{8}")
_TIME = re.compile(r"([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:\.([0-9]{1,6}))?)?)?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,12}")
_LEAP_SECOND = 60
_remembered = lru_cache(maxsize=4096)
"""Dates, times, numbers and codes come again and again; remembering them takes a third of reading them."""
_DECIMAL_CHARACTERS = b"0123456789+-.eE "


def _fast_text(value: bytes) -> str | None:
    value = value.strip(PADDING)
    if value.translate(None, PLAIN):
        raise ValueError
    return value.decode("ascii") or None


@_remembered
def _fast_texts(value: bytes) -> tuple[str, ...]:
    texts = value.strip(PADDING).decode("ascii")
    if not texts.isprintable():
        raise ValueError
    return tuple([text.strip(" ") for text in texts.split("\\")]) if texts else ()


@_remembered
def _fast_date(value: bytes) -> date:
    if len(value) != 8 or not value.isdigit():
        raise ValueError
    return date.fromisoformat(value.decode("ascii"))


@_remembered
def _fast_time(value: bytes) -> time:
    value = value.rstrip(PADDING)
    digits, _, fraction = value.partition(b".")
    if len(digits) != 6 or not digits.isdigit():
        raise ValueError
    if not fraction:
        return time.fromisoformat(digits.decode("ascii"))
    if len(fraction) > 6 or not fraction.isdigit():
        raise ValueError
    return time(int(digits[:2]), int(digits[2:4]), int(digits[4:]), int(fraction.ljust(6, b"0")))


@_remembered
def _fast_decimal(value: bytes) -> float:
    if value.translate(None, _DECIMAL_CHARACTERS):
        raise ValueError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


@_remembered
def _fast_decimals(value: bytes) -> tuple[float, ...]:
    return tuple([_fast_decimal(part) for part in value.split(b"\\")])


@_remembered
def _fast_integer(value: bytes) -> int:
    value = value.strip(PADDING)
    if not value.isdigit() or len(value) > 9:
        raise ValueError
    return int(value)


def _fast_short(value: bytes) -> int:
    if len(value) != 2:
        raise ValueError
    return value[0] | value[1] << 8


def _fast_person_name(value: bytes) -> PersonName | None:
    value = value.strip(PADDING)
    if b"=" in value or value.translate(None, PLAIN):
        raise ValueError
    return PersonName(value.decode("ascii")) if value else None


FAST: dict[tuple[str, bool], Callable[[bytes], Any]] = {
    ("DA", False): _fast_date,
    ("TM", False): _fast_time,
    ("DS", False): _fast_decimal,
    ("DS", True): _fast_decimals,
    ("IS", False): _fast_integer,
    ("US", False): _fast_short,
    ("PN", False): _fast_person_name,
    ("CS", True): _fast_texts,
    **dict.fromkeys(((vr, False) for vr in ("AE", "AS", "CS", "LO", "SH")), _fast_text),
}
"""By the VR of the attribute, and whether it may have several values."""


def _text(text: str) -> str | None:
    return text.strip(" ") or None


def _date(text: str) -> date:
    text = text.strip(" ")
    if _DATE.fullmatch(text) is None:
        raise ValueError
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def _time(text: str) -> time:
    match = _TIME.fullmatch(text.strip(" "))
    if match is None:
        raise ValueError
    hours, minutes, seconds, fraction = match.groups("0")
    if int(seconds) == _LEAP_SECOND:  # allowed by PS3.5 6.2, unknown to Python
        return time(int(hours), int(minutes), 59, 999999)
    return time(int(hours), int(minutes), int(seconds), int(fraction.ljust(6, "0")))


def _decimal(text: str) -> float:
    number = float(text)
    if not math.isfinite(number) or "_" in text:
        raise ValueError
    return number


def _integer(text: str) -> int:
    if _INTEGER.fullmatch(text.strip(" ")) is None:
        raise ValueError
    number = int(text)
    if not -(2**31) <= number < 2**31:
        raise ValueError
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


def text_field(text: str, attribute: Attribute) -> Any:
    """Give what a field takes from a text: of several values the first, unless it takes them all. None for no value."""
    convert = _FROM_TEXT.get(attribute.vr, _text)
    if attribute.field == "patient_id":  # several values are one identity as a whole, and not the first one's
        values = [value.strip(" ") for value in text.split("\\")]
        return "\\".join(values) if any(values) else None
    if not attribute.multiple:
        text = text.partition("\\")[0]
        return convert(text) if text.strip(" ") else None
    if not text.strip(" "):
        return None
    parts = text.split("\\")
    return tuple(part.strip(" ") for part in parts) if attribute.vr == "CS" else tuple(map(convert, parts))


def binary_field(value: bytes, vr: str, attribute: Attribute) -> int:
    """Give the first number of a binary value, for a field that is one."""
    code = _BINARY.get(vr)
    if attribute.vr != "US" or code is None or len(value) < struct.calcsize(code):
        raise ValueError
    number: int = struct.unpack_from(code, value)[0]
    return number
