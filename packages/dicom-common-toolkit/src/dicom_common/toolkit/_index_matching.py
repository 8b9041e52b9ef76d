"""Whether a row of an index meets the conditions of a query (PS3.4 C.2.2.2), without any query language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from dicom_common.core import (
    ATTRIBUTES_BY_KEYWORD,
    Absent,
    AnyOf,
    Condition,
    Fuzzy,
    Interval,
    Level,
    Like,
    Match,
    OneOf,
    PersonName,
    Query,
    RequestAttributes,
)
from dicom_common.toolkit._index_rows import IndexRow, rows_at
from dicom_common.toolkit._name_words import name_words
from dicom_common.toolkit.query_rules import MODALITIES, SEQUENCE, UNIQUE_KEYS, number_of, validate_query

__all__ = ["count_rows", "find_rows"]

_ITEM_FIELDS = {
    f"{SEQUENCE}.ScheduledProcedureStepID": "scheduled_procedure_step_id",
    f"{SEQUENCE}.RequestedProcedureID": "requested_procedure_id",
}
_NUMBERS = ("IS", "DS", "US")


def find_rows(patients: Iterable[IndexRow], query: Query) -> list[Match]:
    """Answer a search of the tenant whose rows these are; see `Database.find`.

    Raises:
        QueryError: it asks for what no index can be asked.
    """
    found = _meeting(patients, query)
    end = None if query.limit is None else query.offset + query.limit
    return [_fields(row, query) for row in found[query.offset : end]]


def count_rows(patients: Iterable[IndexRow], query: Query) -> int:
    """Count the matches of a search, without its limit and offset; see `Database.count`."""
    return len(_meeting(patients, query))


def _meeting(patients: Iterable[IndexRow], query: Query) -> list[IndexRow]:
    validate_query(query)
    of_items = [one for one in query.conditions if _keyword(one) in _ITEM_FIELDS]
    others = [one for one in query.conditions if _keyword(one) not in _ITEM_FIELDS]
    return [
        row
        for row in rows_at(patients, query.level)
        if all(_meets(row, one) for one in others) and _has_item(row, of_items)
    ]


def _fields(row: IndexRow, query: Query) -> Match:
    if query.fields is None:
        return row.values
    keys = {key for level, some in UNIQUE_KEYS.items() if level <= row.level for key in some}
    wanted = keys.union(query.fields)
    return {keyword: value for keyword, value in row.values.items() if keyword in wanted}


def _keyword(condition: Condition) -> str:
    match condition:
        case Interval(keywords):
            return keywords[0]
        case AnyOf(parts):
            return _keyword(parts[0])
        case _:
            return condition.keyword


def _meets(row: IndexRow, condition: Condition) -> bool:
    if isinstance(condition, AnyOf):
        return any(_meets(row, part) for part in condition.conditions)
    keyword = _keyword(condition)
    if keyword == MODALITIES.keyword:
        return _meets_modality(row, condition)
    return any(_test(each.values, condition) for each in row.at(ATTRIBUTES_BY_KEYWORD[keyword].level))


def _meets_modality(row: IndexRow, condition: Condition) -> bool:
    """ModalitiesInStudy is of the study: its other series count too."""
    of_studies = [[each.values for each in study.at(Level.SERIES)] for study in row.at(Level.STUDY)]
    if isinstance(condition, Absent):
        return any(not any(values["Modality"] for values in series) for series in of_studies)
    return any(_test({MODALITIES.keyword: values["Modality"]}, condition) for series in of_studies for values in series)


def _has_item(row: IndexRow, conditions: Sequence[Condition]) -> bool:
    """One item of the sequence has to meet all conditions (PS3.4 C.2.2.2.6); no item at all is one without values."""
    if not conditions:
        return True
    for series in row.at(Level.SERIES):
        items: Any = series.values[SEQUENCE] or (RequestAttributes(None, None),)
        for item in items:
            values = {keyword: getattr(item, field) for keyword, field in _ITEM_FIELDS.items()}
            if all(_meets_item(values, one) for one in conditions):
                return True
    return False


def _meets_item(values: dict[str, Any], condition: Condition) -> bool:
    if isinstance(condition, AnyOf):
        return any(_test(values, part) for part in condition.conditions)
    return _test(values, condition)


def _test(values: Match, condition: Condition) -> bool:
    match condition:
        case Interval(keywords, low, high):
            return _between([values[keyword] for keyword in keywords], low, high)
        case Absent(keyword):
            return values[keyword] in (None, "", (), PersonName())
        case OneOf(keyword, wanted):
            return any(_equals(keyword, value, one) for value in _each(values[keyword]) for one in wanted)
        case Like(keyword, pattern):
            if not pattern.strip("*"):
                return True  # universal matching
            return any(_is_like(value, pattern) for value in _each(values[keyword]))
        case Fuzzy(keyword, name):
            words = name_words(str(values[keyword] or ""))
            return all(any(word.startswith(one) for word in words) for one in name_words(name))
    raise AssertionError(condition)  # validate_query lets no other through


def _each(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, tuple) and not isinstance(value, PersonName) else (value,)


def _equals(keyword: str, value: Any, wanted: Any) -> bool:
    if isinstance(value, PersonName):
        return _named(value, str(wanted), is_pattern=False)
    attribute = ATTRIBUTES_BY_KEYWORD.get(keyword)
    if attribute is not None and attribute.vr in _NUMBERS:
        return bool(value == number_of(attribute, wanted))
    return bool(value == str(wanted))


def _is_like(value: Any, pattern: str) -> bool:
    if isinstance(value, PersonName):
        return _named(value, pattern, is_pattern=True)
    return _expression(pattern).fullmatch(str(value)) is not None


def _named(value: PersonName, wanted: str, *, is_pattern: bool) -> bool:
    """A name without `=` matches any component group, one with `=` group by group (PS3.4 C.2.2.2.1.1)."""
    groups, parts = [_folded(group) for group in value], wanted.split("=", 2)
    for number, part in enumerate(parts):
        folded = _folded(part)
        if not folded or (is_pattern and not folded.strip("*")):
            continue
        among = groups if len(parts) == 1 else [groups[number]]
        if not any(
            group and (_expression(folded).fullmatch(group) if is_pattern else group == folded) for group in among
        ):
            return False
    return True


@lru_cache(4096)
def _folded(text: str) -> str:
    """Return a name without case; trailing delimiters of components do not count (PS3.5 6.2.1.2)."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return folded.strip(" ").rstrip("^ ")


@lru_cache(256)
def _expression(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*+|\?)", pattern)
    words = [".*" if part.startswith("*") else "." if part == "?" else re.escape(part) for part in parts]
    return re.compile("".join(words), re.DOTALL)


def _between(values: Sequence[Any], low: Sequence[Any] | None, high: Sequence[Any] | None) -> bool:
    first = values[0]
    if low is None and high is None:
        return True
    if first is None or (low and first < low[0]) or (high and first > high[0]):
        return False
    if len(values) == 1:
        return True
    clock = values[1]  # a date and a time as one point in time (PS3.18 8.3.4.1.1)
    return (not low or first > low[0] or (clock is not None and clock >= low[1])) and (
        not high or first < high[0] or (clock is not None and clock <= high[1])
    )
