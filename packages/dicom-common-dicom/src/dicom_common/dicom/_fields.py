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
from dicom_common.dicom._dates import FOREIGN_FORMAT, date_of, time_of
from dicom_common.dicom._json_context import PADDING, PLAIN, Flaw
from dicom_common.dicom._json_numbers import single_json
from dicom_common.dicom._rules import Rule

__all__ = ["FAST", "NUMBER_VRS", "TEXT_VRS", "are_texts", "binary_field", "text_field"]

TEXT_VRS = frozenset(
    ["AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"]
)
NUMBER_VRS = frozenset(("DS", "IS", "US"))
"""The VRs of the indexed numbers."""
_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d", "US or SS": "H"}
_INTEGER = re.compile(r"[+-]?[0-9]{1,12}")
_INTEGER_LIKE = re.compile(r"[+-]?[0-9]{1,64}(?:\.0*)?")
_remembered = lru_cache(maxsize=4096)
"""Dates, times, numbers and codes come again and again; remembering them takes a third of reading them."""
_LONGEST_LIST = 1024
"""Characters or bytes of a list of values that is indexed; whatever keeps the record keeps it as well."""
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


def are_texts(one: str, other: str) -> bool:
    """Tell whether values of both VRs are texts that are read alike; a number is one of its own VR only."""
    return TEXT_VRS.issuperset((one, other)) and NUMBER_VRS.isdisjoint((one, other))


def _text(text: str, flaws: list[Flaw]) -> str | None:  # noqa: ARG001  # one of a table of functions
    return text.strip(" ") or None


def _decimal(text: str, flaws: list[Flaw]) -> float:  # noqa: ARG001  # one of a table of functions
    number = float(text)
    if not math.isfinite(number) or "_" in text or not text.isascii():
        raise ValueError
    return number


def _integer(text: str, flaws: list[Flaw]) -> int:
    text = text.strip(" ")
    if _INTEGER.fullmatch(text) is None:
        if _INTEGER_LIKE.fullmatch(text) is None:
            raise ValueError
        flaws.append(FOREIGN_FORMAT)
    return _in_range(int(text.partition(".")[0]), "IS")


def _unsigned(text: str, flaws: list[Flaw]) -> int:
    return _in_range(_integer(text, flaws), "US")


def _in_range(number: int, vr: str) -> int:
    low, high = _RANGES[vr]
    if not low <= number < high:
        raise ValueError
    return number


_RANGES = {"IS": (-(2**31), 2**31), "US": (0, 2**31)}
"""US to 31 bits, since other VRs than US can say more."""


def _person_name(text: str, flaws: list[Flaw]) -> PersonName | None:  # noqa: ARG001  # one of a table of functions
    groups = [group.strip(" ") for group in text.split("=", 3)[:3]]
    return PersonName(*groups) if any(groups) else None


_FROM_TEXT: dict[str, Callable[[str, list[Flaw]], Any]] = {
    "DA": date_of,
    "TM": time_of,
    "DS": _decimal,
    "IS": _integer,
    "US": _unsigned,
    "PN": _person_name,
}


def text_field(text: str, attribute: Attribute, flaws: list[Flaw]) -> Any:
    """Give what a field takes from a text: of several values the first, unless it takes them all. None for no value.

    Args:
        text: the decoded value.
        attribute: of the field.
        flaws: where it is noted what is not as it should be.
    """
    convert = _FROM_TEXT.get(attribute.vr, _text)
    if not text.strip(" \\"):
        if "\\" in text and not attribute.multiple:
            flaws.append((Rule.SEVERAL_VALUES, "not indexed, for all are empty"))
        return None
    if attribute.field == "patient_id":  # several values are one identity as a whole, and not the first one's
        if "\\" in text:
            flaws.append((Rule.SEVERAL_VALUES, "indexed as one"))
        return "\\".join(value.strip(" ") for value in text.split("\\"))
    if not attribute.multiple:
        first, several, _ = text.partition("\\")
        if several:
            flaws.append((Rule.SEVERAL_VALUES, "indexed the first"))
        return convert(first, flaws) if first.strip(" ") else None
    if len(text) > _LONGEST_LIST:
        raise ValueError
    parts = text.split("\\")
    if attribute.vr == "CS":
        return tuple(part.strip(" ") for part in parts)
    return tuple(convert(part, flaws) for part in parts)


def binary_field(value: bytes, vr: str, attribute: Attribute, flaws: list[Flaw]) -> Any:
    """Give what a field that is a number takes from a binary value: the first number, unless it takes them all."""
    code = _BINARY.get(vr)
    if attribute.vr not in NUMBER_VRS or code is None or len(value) > _LONGEST_LIST:
        raise ValueError
    count, rest = divmod(len(value), struct.calcsize(f"<{code}"))
    if rest or not count:
        raise ValueError
    numbers = struct.unpack(f"<{count}{code}", value)
    if attribute.multiple:
        return tuple(_number(number, vr, attribute) for number in numbers)
    if count > 1:
        flaws.append((Rule.SEVERAL_VALUES, "indexed the first"))
    return _number(numbers[0], vr, attribute)


def _number(number: float, vr: str, attribute: Attribute) -> float:
    if not math.isfinite(number):
        raise ValueError
    if attribute.vr == "DS":
        return float(single_json(number)) if vr == "FL" else float(number)
    if number != int(number):
        raise ValueError
    return _in_range(int(number), attribute.vr)
