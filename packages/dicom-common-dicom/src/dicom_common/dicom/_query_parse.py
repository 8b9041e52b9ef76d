"""From the matching keys of a request to a `Query`: the text forms of QIDO-RS and C-FIND (PS3.18 8.3.4, PS3.4 C.2.2.2).

A message names the key and never the value, which may be a patient's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from dicom_common.core import (
    ATTRIBUTES,
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
from dicom_common.dicom._dictionary import is_attribute
from dicom_common.dicom._query_times import FIRST, LAST, Ends, date_ends, time_ends
from dicom_common.toolkit import did_you_mean
from dicom_common.toolkit.query_rules import (
    ITEM_KEYS,
    MAX_LIST,
    MAX_TEXT,
    MODALITIES,
    SEQUENCE,
    number_of,
    shown,
    validate_query,
)

__all__ = ["parse_query"]

_BY_TAG = {f"{attribute.tag:08X}": attribute for attribute in (*ATTRIBUTES, MODALITIES)}
_BY_NAME = {**ATTRIBUTES_BY_KEYWORD, MODALITIES.keyword: MODALITIES}
_ITEM_NAMES = {**{f"{tag:08X}": name for name, tag in ITEM_KEYS.items()}, **{name: name for name in ITEM_KEYS}}
_HEX = re.compile(r"[0-9A-Fa-f]{8}")
# A DA and a TM that are one point in time where both are asked for as ranges (PS3.18 8.3.4.1.1).
_PAIRS = {a.keyword: f"{a.keyword[:-4]}Time" for a in ATTRIBUTES if a.vr == "DA" and a.keyword.endswith("Date")}
_LARGE_TEXTS = ("LT", "ST", "UR", "UT")
"""The VRs in which a backslash is a character like others (PS3.5 6.2). All else has several values."""
_EMPTY = '""'
_ZONE = "TimezoneOffsetFromUTC"
"""In a request of a front end it says what the dates and times mean, and is no matching key (PS3.18 8.3.4.1.1). They
are compared as they are stored, whatever it says."""


def parse_query(  # noqa: PLR0913 - the keys, and how they are meant
    tenant: str,
    level: Level,
    keys: Mapping[str, str] | Iterable[tuple[str, str]],
    *,
    limit: int | None = None,
    offset: int = 0,
    empty_value_matching: bool = False,
    unknown: Literal["refuse", "ignore", "ignore-attributes"] = "refuse",
    fuzzy: bool = False,
    fields: Iterable[str] | None = None,
) -> Query:
    r"""Make a query of matching keys and their values, both as text.

    A key is a keyword (`PatientID`), eight hex digits (`00100020`), or a path of the two into a sequence
    (`RequestAttributesSequence.ScheduledProcedureStepID`). A value is matched as PS3.4 C.2.2.2 says: nothing or `*`
    holds for everything; `*` and `?` are wildcards where the VR takes them; a DA or TM is one value or a range `A-B`,
    `A-`, `-B`, and a date and its time that are both ranges are one range of points in time. A backslash stands between
    several values, of which any is enough (`CT\MR`, `CT\M*`); UIDs are joined by `,` as well. Percent-encoding is the
    caller's business.

    Several values of text without wildcards also find an attribute whose values are kept as one text with a backslash,
    such as a Patient ID of several values.

    Args:
        tenant: whose index is searched.
        level: what the answers are.
        keys: the keys with their values; as pairs, a key that is repeated can be told.
        limit: the greatest number of answers; None: all.
        offset: how many answers to skip.
        empty_value_matching: whether a value of two quotation marks (`""`) asks for attributes without a value
            (PS3.4 C.2.2.2.7; `emptyvaluematching` of QIDO-RS). Otherwise it is text like other text.
        unknown: what becomes of a key that cannot be searched. `ignore`: it is left out and named, as it was given, in
            `Query.ignored`, so that a front end can say in a Warning that it did not count (PS3.18 8.3.4); one without
            a value asks for nothing, and is not named. `ignore-attributes`: likewise for the attributes of PS3.6 that
            the index does not have, computed ones, private ones and what is in sequences; a word that is no attribute
            is refused. Timezone Offset From UTC is ignored by both: in a request it is no matching key.
        fuzzy: whether a name is matched by its words (`Fuzzy`; PS3.18 8.3.4.2); one with a wildcard is not.
        fields: the keywords of what the answers have; see `Query.fields`.

    Raises:
        QueryError: a key is unknown, cannot be searched or is repeated, or a value is not one of its VR or beyond the
            limits of `validate_query`. The message names the key and not the value.
    """
    pairs = keys.items() if isinstance(keys, Mapping) else keys
    seen: set[str] = set()
    conditions: dict[str, Condition] = {}
    ranges: dict[str, Ends] = {}
    ignored: dict[str, None] = {}
    for key, value in pairs:
        attribute = _resolve(key, unknown)
        if attribute is None:
            if key in seen and unknown == "ignore-attributes":
                raise QueryError(_twice(shown(key)))
            seen.add(key)
            if not isinstance(value, str) or _trimmed(value).strip("*"):
                ignored[key] = None
            continue
        keyword = attribute.keyword
        if keyword in seen:
            raise QueryError(_twice(keyword))
        seen.add(keyword)
        text = _text(attribute, value)
        if not text.strip("*"):
            continue
        if keyword == _ZONE and unknown != "refuse":
            ignored[key] = None
            continue
        if attribute.vr in ("DA", "TM") and "\\" not in text and not (empty_value_matching and text == _EMPTY):
            ranges[keyword] = (date_ends if attribute.vr == "DA" else time_ends)(keyword, text)
        elif condition := _condition(attribute, text, empty=empty_value_matching, fuzzy=fuzzy):
            conditions[keyword] = condition
    query = Query(
        tenant=tenant,
        level=level,
        conditions=(*conditions.values(), *_intervals(ranges)),
        limit=limit,
        offset=offset,
        ignored=tuple(ignored),
        fields=None if fields is None else tuple(fields),
    )
    validate_query(query)
    return query


def _twice(key: str) -> str:
    return f"{key} is asked for twice: name each attribute once (PS3.18 8.3.4.1)."


def _resolve(key: object, unknown: str) -> Attribute | None:
    """Return the attribute of a key, with its path for a keyword; None: it cannot be searched, and need not be."""
    if not isinstance(key, str):
        raise QueryError(f"{shown(key)} cannot be searched: a key is text.")
    attribute = _BY_NAME.get(key)
    if attribute is not None and attribute.keyword != SEQUENCE:
        return attribute
    first, dot, second = key.partition(".")
    attribute = _BY_TAG.get(first.upper()) if _HEX.fullmatch(first) else _BY_NAME.get(first)
    name = _ITEM_NAMES.get(second.upper() if _HEX.fullmatch(second) else second)
    if attribute is not None and attribute.keyword == SEQUENCE and name is not None:
        return Attribute(f"{SEQUENCE}.{name}", ITEM_KEYS[name], "SH", Level.SERIES, attribute.field)
    if attribute is not None and attribute.keyword != SEQUENCE and not dot:
        return attribute
    if unknown == "ignore" or (unknown == "ignore-attributes" and is_attribute(key)):
        return None
    if attribute is None:
        raise QueryError(
            f"{shown(key)} is not an attribute that can be searched: use the keyword or the tag of one that the index"
            f" keeps.{_hint(first)}"
        )
    if attribute.keyword == SEQUENCE:
        known = " or ".join(f"{SEQUENCE}.{name}" for name in ITEM_KEYS)
        raise QueryError(f"{shown(key)} cannot be searched: ask for {known}.")
    raise QueryError(f"{shown(key)} cannot be searched: {attribute.keyword} is not a sequence.")


def _hint(word: str) -> str:
    return did_you_mean(word[:64], _BY_NAME)


def _trimmed(value: str) -> str:
    """Return a value without the padding, which does not count."""
    return value.strip().rstrip("\0 ").strip()


def _text(attribute: Attribute, value: object) -> str:
    keyword = attribute.keyword
    if not isinstance(value, str):
        raise QueryError(f"{keyword} is searched by text, not by a value of the type {type(value).__name__}.")
    text = _trimmed(value)
    limit = MAX_LIST if attribute.vr == "UI" else MAX_TEXT
    if len(text) > limit:
        raise QueryError(f"The value of {keyword} is longer than {limit} characters.")
    return text


def _condition(attribute: Attribute, text: str, *, empty: bool, fuzzy: bool) -> Condition | None:
    """Make the condition of a value, or of several; None where one of them holds for everything."""
    keyword, vr = attribute.keyword, attribute.vr
    if empty and text == _EMPTY:
        return Absent(keyword)
    if vr == "UI":
        uids = tuple(uid for part in re.split(r"[,\\]", text) if (uid := _trimmed(part)))
        if not uids:
            raise QueryError(f"{keyword} is asked for with a list that has no UID in it.")
        return OneOf(keyword, uids)
    if "\\" not in text:
        return _single(attribute, text, fuzzy=fuzzy)
    if vr in _LARGE_TEXTS:
        raise QueryError(f"{keyword} takes one value, without a backslash (its VR is {vr}).")
    parts = [_trimmed(part) for part in text.split("\\")]
    if not all(parts):
        raise QueryError(f"{keyword} is asked for with an empty value in its list: leave it out.")
    if not all(part.strip("*") for part in parts):
        return None
    made = [Absent(keyword) if empty and part == _EMPTY else _single(attribute, part, fuzzy=fuzzy) for part in parts]
    if vr not in ("IS", "DS", "US", "DA", "TM", "PN") and not ("*" in text or "?" in text):
        made.append(OneOf(keyword, (text,)))
    return _any(keyword, made)


def _any(keyword: str, made: Iterable[OneOf | Like | Fuzzy | Interval | Absent]) -> Condition:
    """Join alternatives: plain values are one list."""
    alternatives = list(dict.fromkeys(made))
    plain = tuple(value for one in alternatives if isinstance(one, OneOf) for value in one.values)
    others = tuple(one for one in alternatives if not isinstance(one, OneOf))
    if not others:
        return OneOf(keyword, plain)
    return AnyOf((OneOf(keyword, plain), *others) if plain else others)


def _single(attribute: Attribute, text: str, *, fuzzy: bool) -> OneOf | Like | Fuzzy | Interval:
    keyword, vr = attribute.keyword, attribute.vr
    if vr in ("DA", "TM"):
        return _checked(_one(keyword, (date_ends if vr == "DA" else time_ends)(keyword, text)))
    if vr in ("IS", "DS", "US"):
        return OneOf(keyword, (number_of(attribute, text),))
    if vr != "AS" and ("*" in text or "?" in text):
        return Like(keyword, re.sub(r"\*+", "*", text))
    if fuzzy and vr == "PN":
        return Fuzzy(keyword, text)
    return OneOf(keyword, (text,))


def _intervals(ranges: dict[str, Ends]) -> Iterable[Interval]:
    for keyword, ends in ranges.items():
        if any(_PAIRS.get(day) == keyword and _combined(ranges, day) for day in ranges):
            continue  # it is part of the interval of its date
        made = _joined(keyword, ends, ranges[_PAIRS[keyword]]) if _combined(ranges, keyword) else _one(keyword, ends)
        yield _checked(made)


def _checked(made: Interval) -> Interval:
    if made.low is not None and made.high is not None and made.low > made.high:
        raise QueryError(f"The range of {' and '.join(made.keywords)} ends before it begins.")
    return made


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
