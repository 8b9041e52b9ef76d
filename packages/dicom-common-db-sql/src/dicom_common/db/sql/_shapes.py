"""The conditions of a query, taken apart: a shape, which decides on the SQL, and values, which are bound to it.

Queries of one shape share one compiled statement, so nothing of a value may be in the shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
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
)
from dicom_common.db.sql._columns import ABSENT_NUMBER, FOLDED, MAX_UID
from dicom_common.db.sql._dialect import SqlDialect
from dicom_common.db.sql._values import clean, date_number, fold, time_number
from dicom_common.toolkit.query_rules import name_words

__all__ = ["MODALITIES", "REQUEST_KEYS", "Shape", "Test", "of_one_item", "searched", "take_apart"]

MODALITIES = "ModalitiesInStudy"
REQUEST_KEYS = {
    "RequestAttributesSequence.ScheduledProcedureStepID": "scheduled_procedure_step_id",
    "RequestAttributesSequence.RequestedProcedureID": "requested_procedure_id",
}
_EXTRA = {
    MODALITIES: Attribute(MODALITIES, 0x00080061, "CS", Level.SERIES, "modality"),
    **{key: Attribute(key, 0x00400275, "SH", Level.SERIES, field) for key, field in REQUEST_KEYS.items()},
}
_NUMBERS = ("IS", "DS", "US")
_FEW = 16
"""The length of a list up to which each value is a parameter of its own; a longer one is bound as one value."""
_IN_PLACE_OF_NONE: dict[str, str | int] = {
    "patient_id": "",
    "issuer_of_patient_id": "",
    "study_date": 0,
    "series_number": ABSENT_NUMBER,
    "instance_number": ABSENT_NUMBER,
}
"""What columns that cannot be NULL have where the attribute is absent."""
_LAST = 0x10FFFF


class Shape(NamedTuple):
    """How one condition is written in SQL."""

    kind: str
    """`in`, `many` (texts, bound as one value), `range`, `any` (of several texts, some of them patterns), `name`,
    `words` (each is the beginning of a word of the name), `absent`, `or` (any of several shapes, each with its number
    of values), or `item`: shapes that all hold for one item of a sequence."""
    keywords: tuple[str, ...]
    form: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Test:
    """One condition: its shape, and its values in the order in which the shape takes them."""

    shape: Shape
    values: tuple[Any, ...]


def searched(keyword: str) -> Attribute:
    """Return the attribute that the keyword of a valid condition names."""
    return _EXTRA.get(keyword) or ATTRIBUTES_BY_KEYWORD[keyword]


def take_apart(condition: Condition, dialect: SqlDialect) -> Test | None:
    """Take a valid condition apart; None where it holds for every row (universal matching, PS3.4 C.2.2.2.3)."""
    match condition:
        case Interval():
            return _interval(condition)
        case Like(keyword, pattern):
            return _like(keyword, pattern, dialect)
        case Fuzzy(keyword, name):
            return _fuzzy(keyword, name, dialect)
        case Absent(keyword):
            return _absent(keyword)
        case AnyOf(parts):
            return _any_of(parts, dialect)
        case OneOf(keyword, values):
            return _one_of(keyword, values, dialect)


def of_one_item(tests: Sequence[Test]) -> list[Test]:
    """Put the conditions on items of a sequence together: one item has to meet them all (PS3.4 C.2.2.2.6)."""
    of_item = [test for test in tests if test.shape.keywords[0] in REQUEST_KEYS]
    if len(of_item) < 2:
        return list(tests)
    shapes = tuple(test.shape for test in of_item)
    shape = Shape("item", tuple(one.keywords[0] for one in shapes), shapes)
    others = [test for test in tests if test.shape.keywords[0] not in REQUEST_KEYS]
    return [*others, Test(shape, tuple(value for test in of_item for value in test.values))]


def _like(keyword: str, pattern: str, dialect: SqlDialect) -> Test | None:
    if not pattern.strip("*"):
        return None
    if searched(keyword).field in FOLDED:
        return _name(keyword, pattern, dialect, is_pattern=True)
    form, bound = _text(clean_pattern(pattern), dialect, is_pattern=True)
    return Test(Shape("any", (keyword,), (form,)), bound)


def _one_of(keyword: str, values: Sequence[str | int | float], dialect: SqlDialect) -> Test | None:
    attribute = searched(keyword)
    if attribute.field in FOLDED:
        return _together(keyword, [_name(keyword, str(value), dialect, is_pattern=False) for value in values])
    if attribute.vr in _NUMBERS:
        return _in(keyword, [_number(value) for value in values])
    texts = [clean(str(value), MAX_UID) if attribute.vr == "UI" else clean(str(value)) for value in values]
    if len(texts) > _FEW:
        return Test(Shape("many", (keyword,), ()), (dialect.many(texts),))
    return _in(keyword, texts)


def _in(keyword: str, values: Sequence[str] | Sequence[float]) -> Test:
    # A few lengths only, the last value repeated: each length is a statement of its own.
    length = 1 << (len(values) - 1).bit_length()
    return Test(Shape("in", (keyword,), (length,)), (*values, *[values[-1]] * (length - len(values))))


def _absent(keyword: str) -> Test:
    instead = _IN_PLACE_OF_NONE.get(searched(keyword).field)
    if instead is None:
        return Test(Shape("absent", (keyword,), ()), ())
    if keyword == "StudyDate":  # as a range of dates, for which there is an index
        return Test(Shape("range", (keyword,), (True, True)), (instead, instead))
    return Test(Shape("in", (keyword,), (1,)), (instead,))


def _any_of(parts: Sequence[OneOf | Like | Fuzzy | Interval | Absent], dialect: SqlDialect) -> Test | None:
    first = parts[0]
    keyword = first.keywords[0] if isinstance(first, Interval) else first.keyword
    return _together(keyword, [take_apart(part, dialect) for part in parts])


def _together(keyword: str, parts: Sequence[Test | None]) -> Test | None:
    """Make one test of alternatives, any of which is enough."""
    tests = [test for test in parts if test is not None]
    if len(tests) < len(parts):
        return None  # one of them holds for every row
    bound = tuple(value for test in tests for value in test.values)
    kinds = {test.shape.kind for test in tests}
    if kinds == {"name"}:
        return Test(Shape("name", (keyword,), tuple(form for test in tests for form in test.shape.form)), bound)
    if kinds <= {"any", "in"}:
        forms = [((),) * len(test.values) if test.shape.kind == "in" else test.shape.form for test in tests]
        return Test(Shape("any", (keyword,), tuple(form for some in forms for form in some)), bound)
    return Test(Shape("or", (keyword,), tuple((test.shape, len(test.values)) for test in tests)), bound)


def clean_pattern(pattern: str) -> str:
    """Return a pattern in which runs of `*` are one."""
    while "**" in pattern:
        pattern = pattern.replace("**", "*")
    return pattern


def _text(value: str, dialect: SqlDialect, *, is_pattern: bool) -> tuple[tuple[bool, ...], tuple[str, ...]]:
    """Take one text apart: () is equality, (has a fixed beginning, that has an upper bound) a pattern."""
    if not is_pattern or not ("*" in value or "?" in value):
        return (), (clean(value),)
    beginning = value[: min(at for at in (value.find("*"), value.find("?")) if at >= 0)]
    above = _above(beginning)
    bounds = (beginning, above) if above else (beginning,) if beginning else ()
    return (bool(beginning), bool(above)), (*bounds, dialect.pattern(value))


def _above(beginning: str) -> str:
    """Return the least text, by code points, above all that begin so; empty where no text is."""
    kept = beginning.rstrip(chr(_LAST))
    if not kept:
        return ""
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if 0xD800 <= following < 0xE000 else following)  # no lone surrogate


def _name(keyword: str, value: str, dialect: SqlDialect, *, is_pattern: bool) -> Test | None:
    """A name without `=` matches any component group, one with `=` group by group (PS3.4 C.2.2.2.1.1)."""
    parts = value.split("=", 2)
    form: list[tuple[int | None, tuple[bool, ...]]] = []
    bound: list[str] = []
    for group, part in enumerate(parts):
        folded = fold(clean_pattern(part)) if is_pattern else fold(part)
        if not folded or (is_pattern and not folded.strip("*")):
            continue
        of_text, texts = _text(folded, dialect, is_pattern=is_pattern)
        form.append((group if len(parts) > 1 else None, of_text))
        bound.extend(texts)
    return Test(Shape("name", (keyword,), (tuple(form),)), tuple(bound)) if form else None


def _fuzzy(keyword: str, name: str, dialect: SqlDialect) -> Test | None:
    patterns = [dialect.pattern(f"* {word}*") for word in name_words(name)]
    return Test(Shape("words", (keyword,), (len(patterns),)), tuple(patterns)) if patterns else None


def _number(value: str | float) -> float:
    number = float(value)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _interval(condition: Interval) -> Test | None:
    if condition.low is None and condition.high is None:
        return None
    ends = [None if end is None else _end(end) for end in (condition.low, condition.high)]
    form = tuple(end is not None for end in ends)
    return Test(Shape("range", condition.keywords, form), tuple(value for end in ends if end for value in end))


def _end(end: Sequence[date | time]) -> tuple[int, ...]:
    return tuple(date_number(value) if isinstance(value, date) else time_number(value) for value in end)
