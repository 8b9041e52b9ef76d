"""From the matching keys of a request to a `Query`: the text forms of QIDO-RS and C-FIND (PS3.18 8.3.4, PS3.4 C.2.2.2).

A message names the key and never the value, which may be a patient's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from dicom_common.core import (
    ATTRIBUTES,
    ATTRIBUTES_BY_KEYWORD,
    Attribute,
    Condition,
    Interval,
    Level,
    Like,
    OneOf,
    Query,
    QueryError,
    did_you_mean,
)
from dicom_common.dicom._query_times import FIRST, LAST, Ends, date_ends, time_ends

__all__ = ["parse_query"]

_MAX_VALUE = 16_384
_MAX_PATTERN = 1024
_MAX_STARS = 16
_WILDCARD_VRS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
_MODALITIES = Attribute("ModalitiesInStudy", 0x00080061, "CS", Level.SERIES, "modality")
_ITEM = {0x00400009: "ScheduledProcedureStepID", 0x00401001: "RequestedProcedureID"}
_SEQUENCE = "RequestAttributesSequence"
_BY_TAG = {f"{attribute.tag:08X}": attribute for attribute in (*ATTRIBUTES, _MODALITIES)}
_BY_NAME = {**ATTRIBUTES_BY_KEYWORD, _MODALITIES.keyword: _MODALITIES}
_ITEM_NAMES = {**{f"{tag:08X}": name for tag, name in _ITEM.items()}, **{name: name for name in _ITEM.values()}}
_HEX = re.compile(r"[0-9A-Fa-f]{8}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# A DA and a TM that are one point in time where both are asked for as ranges (PS3.18 8.3.4.1.1).
_PAIRS = {a.keyword: f"{a.keyword[:-4]}Time" for a in ATTRIBUTES if a.vr == "DA" and a.keyword.endswith("Date")}


def parse_query(
    tenant: str,
    level: Level,
    keys: Mapping[str, str] | Iterable[tuple[str, str]],
    *,
    limit: int | None = None,
    offset: int = 0,
) -> Query:
    """Make a query of matching keys and their values, both as text.

    A key is a keyword (`PatientID`), eight hex digits (`00100020`), or a path of the two into a sequence
    (`RequestAttributesSequence.ScheduledProcedureStepID`). A value is matched as PS3.4 C.2.2.2 says: nothing or `*`
    holds for everything; `*` and `?` are wildcards where the VR takes them; UIDs are joined by `,` or a backslash;
    a DA or TM is one value or a range `A-B`, `A-`, `-B`, and a date and its time that are both ranges are one range of
    points in time. Percent-encoding is the caller's business.

    Args:
        tenant: whose index is searched.
        level: what the answers are.
        keys: the keys with their values; as pairs, a key that is repeated can be told.
        limit: the greatest number of answers; None: all.
        offset: how many answers to skip.

    Raises:
        QueryError: a key is unknown, cannot be searched or is repeated, or a value is not one of its VR.
    """
    if (limit is not None and limit < 0) or offset < 0:
        raise QueryError("limit and offset have to be 0 or above.")
    pairs = keys.items() if isinstance(keys, Mapping) else keys
    seen: set[str] = set()
    conditions: dict[str, Condition] = {}
    ranges: dict[str, Ends] = {}
    for key, value in pairs:
        keyword, vr = _resolve(key)
        if keyword in seen:
            raise QueryError(f"{keyword} is asked for twice: name each attribute once (PS3.18 8.3.4.1).")
        seen.add(keyword)
        text = _text(keyword, value)
        if not text.strip("*"):
            continue
        if vr in ("DA", "TM"):
            ranges[keyword] = (date_ends if vr == "DA" else time_ends)(keyword, text)
        else:
            conditions[keyword] = _condition(keyword, vr, text)
    return Query(
        tenant=tenant,
        level=level,
        conditions=(*conditions.values(), *_intervals(ranges)),
        limit=limit,
        offset=offset,
    )


def _resolve(key: str) -> tuple[str, str]:
    """Return the keyword (a path, for a sequence) and the VR of a key."""
    first, dot, second = key.partition(".")
    attribute = _BY_TAG.get(first.upper()) if _HEX.fullmatch(first) else _BY_NAME.get(first)
    if attribute is None:
        raise QueryError(f"{_shown(key)} is not an attribute that can be searched.{_hint(first)}")
    if attribute.keyword == _SEQUENCE:
        name = _ITEM_NAMES.get(second.upper() if _HEX.fullmatch(second) else second)
        if name is None:
            known = " or ".join(f"{_SEQUENCE}.{name}" for name in _ITEM.values())
            raise QueryError(f"{_shown(key)} cannot be searched: ask for {known}.")
        return f"{_SEQUENCE}.{name}", "SH"
    if dot:
        raise QueryError(f"{_shown(key)} cannot be searched: {attribute.keyword} is not a sequence.")
    return attribute.keyword, attribute.vr


def _shown(key: str) -> str:
    return ascii(key if len(key) <= 100 else key[:100] + "...")


def _hint(word: str) -> str:
    return did_you_mean(word, _BY_NAME)


def _text(keyword: str, value: str) -> str:
    """Return a value without the padding, which does not count."""
    if len(value) > _MAX_VALUE:
        raise QueryError(f"The value of {keyword} is longer than {_MAX_VALUE} characters.")
    return value.replace("\0", "").strip()


def _condition(keyword: str, vr: str, text: str) -> Condition:
    if vr == "UI":
        uids = tuple(uid for part in re.split(r"[,\\]", text) if (uid := part.strip()))
        if not uids:
            raise QueryError(f"{keyword} is asked for with a list that has no UID in it.")
        return OneOf(keyword, uids)
    if vr in ("IS", "DS", "US"):
        return OneOf(keyword, (_number(keyword, text),))
    if vr in _WILDCARD_VRS and ("*" in text or "?" in text):
        pattern = re.sub(r"\*+", "*", text)
        if len(pattern) > _MAX_PATTERN or pattern.count("*") > _MAX_STARS:
            raise QueryError(f"The pattern for {keyword} is too long or has more than {_MAX_STARS} of '*'.")
        return Like(keyword, pattern)
    return OneOf(keyword, (text,))


def _number(keyword: str, text: str) -> float:
    if _NUMBER.fullmatch(text) is None:
        raise QueryError(f"{keyword} is searched by one number, without wildcards.")
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _intervals(ranges: dict[str, Ends]) -> Iterable[Interval]:
    for keyword, ends in ranges.items():
        if any(_PAIRS.get(day) == keyword and _combined(ranges, day) for day in ranges):
            continue  # it is part of the interval of its date
        made = _joined(keyword, ends, ranges[_PAIRS[keyword]]) if _combined(ranges, keyword) else _one(keyword, ends)
        if made.low is not None and made.high is not None and made.low > made.high:
            raise QueryError(f"The range of {' and '.join(made.keywords)} ends before it begins.")
        yield made


def _combined(ranges: dict[str, Ends], day: str) -> bool:
    moment = _PAIRS.get(day)
    return moment in ranges and ranges[day].is_range and ranges[moment].is_range


def _one(keyword: str, ends: Ends) -> Interval:
    return Interval((keyword,), *(None if end is None else (end,) for end in (ends.low, ends.high)))


def _joined(day: str, days: Ends, times: Ends) -> Interval:
    moment = _PAIRS[day]
    if (days.low is None and times.low is not None) or (days.high is None and times.high is not None):
        raise QueryError(f"{moment} has an end where the range of {day} is open: give {day} an end there too.")
    low = None if days.low is None else (days.low, FIRST if times.low is None else times.low)
    high = None if days.high is None else (days.high, LAST if times.high is None else times.high)
    return Interval((day, moment), low, high)
