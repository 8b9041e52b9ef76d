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
    Attribute,
    Condition,
    Interval,
    Level,
    Like,
    QueryError,
)
from dicom_common.db.sql._flavour import Flavour
from dicom_common.db.sql._schema import FOLDED
from dicom_common.db.sql._values import clean, date_number, fold, time_number

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
_TEXTS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
_LAST = 0x10FFFF


class Shape(NamedTuple):
    """How one condition is written in SQL."""

    kind: str
    """`in`, `range`, `any` (of several texts), `name`, or `item`: shapes that all hold for one item of a sequence."""
    keywords: tuple[str, ...]
    form: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Test:
    """One condition: its shape, and its values in the order in which the shape takes them."""

    shape: Shape
    values: tuple[Any, ...]


def searched(keyword: str) -> Attribute:
    """Return the attribute that a keyword of a condition names.

    Raises:
        QueryError: it cannot be searched.
    """
    attribute = _EXTRA.get(keyword) or ATTRIBUTES_BY_KEYWORD.get(keyword)
    if attribute is None or attribute.vr == "SQ":
        raise QueryError(f"{keyword[:64]!r} cannot be searched: it is not an attribute that the index keeps.")
    return attribute


def take_apart(condition: Condition, flavour: Flavour) -> Test | None:
    """Take a condition apart; None where it holds for every row (universal matching, PS3.4 C.2.2.2.3)."""
    if isinstance(condition, Interval):
        return _interval(condition)
    if isinstance(condition, Like):
        return _like(condition, flavour)
    attribute = searched(condition.keyword)
    if not condition.values:
        raise QueryError(f"{condition.keyword} needs a value to be searched by.")
    if attribute.vr in _NUMBERS:
        return _one_of(condition.keyword, [_number(condition.keyword, value) for value in condition.values])
    if attribute.vr in ("DA", "TM"):
        raise QueryError(f"{condition.keyword} is searched by a date or time, or by a range of them.")
    values = [str(value) for value in condition.values]
    if attribute.field in FOLDED:
        return _names(condition.keyword, values, flavour, is_pattern=False)
    return _one_of(condition.keyword, values if attribute.vr == "UI" else [clean(value) for value in values])


def of_one_item(tests: Sequence[Test]) -> list[Test]:
    """Put the conditions on items of a sequence together: one item has to meet them all (PS3.4 C.2.2.2.6)."""
    of_item = [test for test in tests if test.shape.keywords[0] in REQUEST_KEYS]
    if len(of_item) < 2:
        return list(tests)
    shapes = tuple(test.shape for test in of_item)
    shape = Shape("item", tuple(one.keywords[0] for one in shapes), shapes)
    others = [test for test in tests if test.shape.keywords[0] not in REQUEST_KEYS]
    return [*others, Test(shape, tuple(value for test in of_item for value in test.values))]


def _like(condition: Like, flavour: Flavour) -> Test | None:
    attribute = searched(condition.keyword)
    if attribute.vr not in _TEXTS:
        raise QueryError(f"{condition.keyword} does not take wildcards (its VR is {attribute.vr}).")
    if not condition.pattern.strip("*"):
        return None
    if attribute.field in FOLDED:
        return _names(condition.keyword, [condition.pattern], flavour, is_pattern=True)
    form, bound = _text(clean_pattern(condition.pattern), flavour, is_pattern=True)
    return Test(Shape("any", (condition.keyword,), (form,)), bound)


def _one_of(keyword: str, values: Sequence[str] | Sequence[float]) -> Test:
    # A few lengths only, the last value repeated: each length is a statement of its own.
    length = 1 << (len(values) - 1).bit_length()
    return Test(Shape("in", (keyword,), (length,)), (*values, *[values[-1]] * (length - len(values))))


def clean_pattern(pattern: str) -> str:
    """Return a pattern as it can be bound; runs of `*` are one."""
    pattern = pattern.replace("\0", "").encode("utf-8", "replace").decode()
    while "**" in pattern:
        pattern = pattern.replace("**", "*")
    return pattern


def _text(value: str, flavour: Flavour, *, is_pattern: bool) -> tuple[tuple[bool, ...], tuple[str, ...]]:
    """Take one text apart: () is equality, (has a fixed beginning, that has an upper bound) a pattern."""
    if not is_pattern or not ("*" in value or "?" in value):
        return (), (clean(value),)
    beginning = value[: min(at for at in (value.find("*"), value.find("?")) if at >= 0)]
    above = _above(beginning)
    bounds = (beginning, above) if above else (beginning,) if beginning else ()
    return (bool(beginning), bool(above)), (*bounds, flavour.pattern(value))


def _above(beginning: str) -> str:
    """Return the least text, by code points, above all that begin so; empty where there is none."""
    kept = beginning.rstrip(chr(_LAST))
    if not kept:
        return ""
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if 0xD800 <= following < 0xE000 else following)  # no lone surrogate


def _names(keyword: str, values: Sequence[str], flavour: Flavour, *, is_pattern: bool) -> Test | None:
    """Names: a value without `=` matches any component group, one with `=` group by group (PS3.4 C.2.2.2.1.1)."""
    forms: list[tuple[Any, ...]] = []
    bound: list[str] = []
    for value in values:
        parts = value.split("=", 2)
        form = []
        for group, part in enumerate(parts):
            folded = fold(clean_pattern(part)) if is_pattern else fold(part)
            if not folded or (is_pattern and not folded.strip("*")):
                continue
            of_text, texts = _text(folded, flavour, is_pattern=is_pattern)
            form.append((group if len(parts) > 1 else None, of_text))
            bound.extend(texts)
        if not form:
            return None
        forms.append(tuple(form))
    return Test(Shape("name", (keyword,), tuple(forms)), tuple(bound))


def _number(keyword: str, value: str | float) -> float:
    try:
        number = float(value)
    except ValueError:
        raise QueryError(f"{keyword} is searched by a number.") from None
    return int(number) if number.is_integer() and abs(number) < 2**63 else number


def _interval(condition: Interval) -> Test | None:
    attributes = [searched(keyword) for keyword in condition.keywords]
    vrs = tuple(attribute.vr for attribute in attributes)
    if vrs not in (("DA",), ("TM",), ("DA", "TM")) or len({attribute.level for attribute in attributes}) != 1:
        raise QueryError(f"{' and '.join(condition.keywords)} cannot be searched as a range.")
    if condition.low is None and condition.high is None:
        return None
    ends = [_end(condition, end) for end in (condition.low, condition.high)]
    form = tuple(end is not None for end in ends)
    return Test(Shape("range", condition.keywords, form), tuple(value for end in ends if end for value in end))


def _end(condition: Interval, end: tuple[date | time, ...] | None) -> tuple[int, ...] | None:
    if end is None:
        return None
    if len(end) != len(condition.keywords):
        raise QueryError(f"{' and '.join(condition.keywords)}: an end of a range needs a value for each of them.")
    return tuple(date_number(value) if isinstance(value, date) else time_number(value) for value in end)
