"""What can be asked of every index alike: the values and the size of a search.

A message names the key and never the value, which may be a patient's.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any, NamedTuple

from dicom_common.core import (
    ATTRIBUTES_BY_KEYWORD,
    Absent,
    AnyOf,
    Attribute,
    Condition,
    Fuzzy,
    Interval,
    Level,
    Like,
    OneOf,
    Query,
    QueryError,
)
from dicom_common.toolkit._name_words import MAX_WORD, MAX_WORDS, name_words

__all__ = [
    "COMPUTED",
    "ITEM_KEYS",
    "MAX_LIST",
    "MAX_TEXT",
    "MAX_WORD",
    "MAX_WORDS",
    "MODALITIES",
    "SEARCHED",
    "SEQUENCE",
    "UNIQUE_KEYS",
    "WILDCARD_VRS",
    "name_words",
    "number_of",
    "shown",
    "validate_query",
]

MAX_TEXT = 16_384
"""Characters of one value."""
MAX_LIST = 65_534
"""Bytes of all values of a list, with a delimiter between two: what an element of VR UI may have (PS3.5 7.1.2)."""
_MAX_PATTERN = 1024
_MAX_STARS = 16
_MAX_ALTERNATIVES = 64
"""Numbers, names, patterns or ranges of one key: each is a part of the statement; a list of texts is one value."""
_MAX_CONDITIONS = 128
_MAX_ROW = 2**63 - 1

SEQUENCE = "RequestAttributesSequence"
ITEM_KEYS = {"ScheduledProcedureStepID": 0x00400009, "RequestedProcedureID": 0x00401001}
MODALITIES = Attribute("ModalitiesInStudy", 0x00080061, "CS", Level.SERIES, "modality")
SEARCHED = {
    **{keyword: attribute for keyword, attribute in ATTRIBUTES_BY_KEYWORD.items() if attribute.vr != "SQ"},
    MODALITIES.keyword: MODALITIES,
    **{
        f"{SEQUENCE}.{name}": Attribute(f"{SEQUENCE}.{name}", tag, "SH", Level.SERIES, name)
        for name, tag in ITEM_KEYS.items()
    },
}
"""The attributes that can be matched, by their keys."""


class Computed(NamedTuple):
    """An attribute that is not kept but computed from the rows below (PS3.4 C.3.4)."""

    tag: int
    vr: str
    level: Level
    """That from which on answers have it."""


COMPUTED = {
    MODALITIES.keyword: Computed(0x00080061, "CS", Level.STUDY),
    "SOPClassesInStudy": Computed(0x00080062, "UI", Level.STUDY),
    "NumberOfPatientRelatedStudies": Computed(0x00201200, "IS", Level.PATIENT),
    "NumberOfPatientRelatedSeries": Computed(0x00201202, "IS", Level.PATIENT),
    "NumberOfPatientRelatedInstances": Computed(0x00201204, "IS", Level.PATIENT),
    "NumberOfStudyRelatedSeries": Computed(0x00201206, "IS", Level.STUDY),
    "NumberOfStudyRelatedInstances": Computed(0x00201208, "IS", Level.STUDY),
    "NumberOfSeriesRelatedInstances": Computed(0x00201209, "IS", Level.SERIES),
}
"""What is computed, by keyword."""
UNIQUE_KEYS = {
    Level.PATIENT: ("PatientID", "IssuerOfPatientID"),
    Level.STUDY: ("StudyInstanceUID",),
    Level.SERIES: ("SeriesInstanceUID",),
    Level.INSTANCE: ("SOPInstanceUID",),
}
"""What tells the rows of each level apart (PS3.4 C.6); every answer has it, of its level and of those above."""
_FIELDS = {keyword: attribute.level for keyword, attribute in (ATTRIBUTES_BY_KEYWORD | COMPUTED).items()}
WILDCARD_VRS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
"""The VRs in whose values `*` and `?` are wildcards (PS3.4 C.2.2.2.4)."""
_RANGES = {"IS": (-(2**31), 2**31 - 1), "US": (0, 2**16 - 1), "DS": (-sys.float_info.max, sys.float_info.max)}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTERVALS = (("DA",), ("TM",), ("DA", "TM"))


def validate_query(query: Query) -> None:
    """Refuse what an index cannot be asked. A database does this first, so that all refuse the same.

    A key has an attribute that is searched, and values of its VR: text without NUL and lone surrogates, numbers within
    its range, dates, times. A value has up to 16,384 characters, the values of a list together up to 65,534 bytes of
    UTF-8; a key has up to 64 numbers, names, patterns or ranges, a pattern up to 1,024 characters and 16 of `*`.
    The fields of the answers are keywords of the level of the search or of those above.

    Raises:
        QueryError: it asks for something else. The message names the key.
    """
    if not (query.limit is None or _is_row(query.limit)) or not _is_row(query.offset):
        raise QueryError("limit and offset have to be whole numbers, 0 or above.")
    if len(query.conditions) > _MAX_CONDITIONS:
        raise QueryError(f"A search has up to {_MAX_CONDITIONS} conditions.")
    for condition in query.conditions:
        _check(condition)
    _check_fields(query.level, query.fields)


def _is_row(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_ROW


def _check(condition: Condition) -> None:
    match condition:
        case OneOf(keyword, values):
            _check_values(_attribute(keyword), values)
        case Like(keyword, pattern):
            _check_pattern(_attribute(keyword), pattern)
        case Fuzzy(keyword, name):
            _check_fuzzy(_attribute(keyword), name)
        case Interval():
            _check_interval(condition)
        case Absent(keyword):
            _attribute(keyword)
        case AnyOf(parts):
            _check_alternatives(parts)
        case _:
            raise QueryError("A condition of a search has to be OneOf, Like, Fuzzy, Interval, Absent or AnyOf.")


def _attribute(keyword: object) -> Attribute:
    attribute = SEARCHED.get(keyword) if isinstance(keyword, str) else None
    if attribute is None:
        raise QueryError(f"{shown(keyword)} cannot be searched: it is not an attribute that the index keeps.")
    return attribute


def shown(key: object) -> str:
    """Return a key as a message shows it."""
    if not isinstance(key, str):
        return f"A key that is a {type(key).__name__}"
    return ascii(key if len(key) <= 100 else key[:100] + "...")


def _check_values(attribute: Attribute, values: Sequence[Any]) -> None:
    keyword = attribute.keyword
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise QueryError(f"{keyword} is searched by a tuple of values.")
    if not values:
        raise QueryError(f"{keyword} needs a value to be searched by.")
    if attribute.vr in ("DA", "TM"):
        raise QueryError(f"{keyword} is searched by a date or time, or by a range of them.")
    is_number = attribute.vr in _RANGES
    if (is_number or attribute.vr == "PN") and len(values) > _MAX_ALTERNATIVES:
        raise QueryError(f"{keyword} is searched by up to {_MAX_ALTERNATIVES} values.")
    size = len(values) - 1
    for value in values:
        if is_number:
            number_of(attribute, value)
        else:
            size += _check_text(keyword, value)
    if len(values) > 1 and size > MAX_LIST:
        raise QueryError(f"The values of {keyword} have more than {MAX_LIST} bytes together: ask in parts.")


def _check_text(keyword: str, value: object) -> int:
    """Return the bytes of a text."""
    if not isinstance(value, str):
        raise QueryError(f"{keyword} is searched by text, not by a value of the type {type(value).__name__}.")
    if len(value) > MAX_TEXT:
        raise QueryError(f"A value of {keyword} is longer than {MAX_TEXT} characters.")
    if "\0" in value:
        raise QueryError(f"A value of {keyword} has a NUL in it, which no text has.")
    if value.isascii():
        return len(value)
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        raise QueryError(f"A value of {keyword} is not Unicode text: it has a lone surrogate.") from None


def number_of(attribute: Attribute, value: object) -> float:
    """Return the number that a value of an attribute is, an int where it is whole.

    Raises:
        QueryError: it is not a number, or not one that the attribute's VR can have (PS3.5 6.2).
    """
    keyword, (low, high) = attribute.keyword, _RANGES[attribute.vr]
    if isinstance(value, str) and len(value) <= MAX_TEXT and _NUMBER.fullmatch(value):
        value = float(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise QueryError(f"{keyword} is searched by numbers, without wildcards.")
    if not low <= value <= high:  # NaN is in no range
        raise QueryError(f"{keyword} is searched by numbers from {low:g} to {high:g} ({attribute.vr}).")
    whole = value == int(value)
    if not whole and attribute.vr != "DS":
        raise QueryError(f"{keyword} is searched by whole numbers ({attribute.vr}).")
    return int(value) if whole and abs(value) < 2**53 else float(value)


def _check_pattern(attribute: Attribute, pattern: object) -> None:
    keyword = attribute.keyword
    if attribute.vr not in WILDCARD_VRS:
        raise QueryError(f"{keyword} does not take wildcards (its VR is {attribute.vr}).")
    _check_text(keyword, pattern)
    text = re.sub(r"\*+", "*", str(pattern))
    if len(text) > _MAX_PATTERN or text.count("*") > _MAX_STARS:
        raise QueryError(
            f"A pattern for {keyword} has more than {_MAX_PATTERN} characters, or more than {_MAX_STARS} of '*'."
        )


def _check_fuzzy(attribute: Attribute, name: object) -> None:
    if attribute.vr != "PN":
        raise QueryError(f"{attribute.keyword} is not a person's name: fuzzy matching is for the VR PN.")
    _check_text(attribute.keyword, name)


def _check_fields(level: Level, fields: object) -> None:
    if fields is None:
        return
    if not isinstance(fields, tuple):
        raise QueryError("fields has to be a tuple of keywords.")
    for keyword in fields:
        at = _FIELDS.get(keyword) if isinstance(keyword, str) else None
        if at is None:
            raise QueryError(f"{shown(keyword)} cannot be answered: it is not an attribute that the index keeps.")
        if at > level:
            raise QueryError(f"{keyword} belongs to a level below that of the search: leave it out of the fields.")


def _check_interval(condition: Interval) -> None:
    if not isinstance(condition.keywords, tuple) or not condition.keywords:
        raise QueryError("A range names a tuple of keywords.")
    attributes = [_attribute(keyword) for keyword in condition.keywords]
    name, vrs = " and ".join(condition.keywords), tuple(attribute.vr for attribute in attributes)
    if vrs not in _INTERVALS or len({attribute.level for attribute in attributes}) != 1:
        raise QueryError(f"{name} cannot be searched as a range.")
    for end in (condition.low, condition.high):
        if end is not None and not (isinstance(end, tuple) and len(end) == len(vrs) and all(map(_is_moment, vrs, end))):
            raise QueryError(f"{name}: an end of a range needs a date or a time for each of them.")


def _is_moment(vr: str, value: object) -> bool:
    if vr == "TM":
        return isinstance(value, time) and value.tzinfo is None
    return isinstance(value, date) and not isinstance(value, datetime)


def _check_alternatives(parts: Sequence[OneOf | Like | Fuzzy | Interval | Absent]) -> None:
    if not isinstance(parts, tuple) or not parts:
        raise QueryError("A list of alternatives is a tuple of conditions.")
    keywords = set()
    names = 0
    for part in parts[: _MAX_ALTERNATIVES + 1]:
        if isinstance(part, AnyOf):
            raise QueryError("A list of alternatives has no other list in it.")
        _check(part)
        keywords.add(part.keywords if isinstance(part, Interval) else (part.keyword,))
        names += len(part.values) if isinstance(part, OneOf) else 1
    if len(keywords) > 1:
        raise QueryError("The conditions of a list of alternatives are on the same attribute.")
    ((keyword, *_),) = keywords
    if len(parts) > _MAX_ALTERNATIVES:
        raise QueryError(f"{keyword} is searched by up to {_MAX_ALTERNATIVES} alternatives, beside a list of texts.")
    if SEARCHED[keyword].vr in ("PN", *_RANGES) and names > _MAX_ALTERNATIVES:
        raise QueryError(f"{keyword} is searched by up to {_MAX_ALTERNATIVES} values.")
