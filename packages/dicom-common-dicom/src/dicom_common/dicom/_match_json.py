"""A match of a search as a DICOM JSON object (PS3.18 F.2), in the manner of the reader's DICOM JSON."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from functools import lru_cache
from json.encoder import encode_basestring as quote
from typing import Any, Final, Literal, NamedTuple

from dicom_common.core import ATTRIBUTES_BY_KEYWORD, Match, PersonName, RequestAttributes
from dicom_common.toolkit.query_rules import COMPUTED

__all__ = ["match_to_json"]

_MISSING: Final = object()
_NO_MORE: Final[Mapping[int, bytes]] = {}
_CHARACTER_SET: Final = 0x00080005
_UTF8: Final = '"00080005":{"vr":"CS","Value":["ISO_IR 192"]}'
_EXACT: Final = 1e15
"""Below this a whole number that was written as DS is written without a fraction."""
_REMEMBERED: Final = 1 << 10
"""Dates, times and codes whose JSON is remembered: the same ones come again and again."""
_ELEMENTS: Final = {keyword: (one.tag, one.vr) for keyword, one in (ATTRIBUTES_BY_KEYWORD | COMPUTED).items()}

Encode = Callable[[Any], str]
"""Writes what follows the `vr` of an attribute that has a value, with the closing brace."""


class _Step(NamedTuple):
    """One attribute to write."""

    tag: int
    keyword: str
    prefix: str
    empty: str
    """The attribute without a value."""
    encode: Encode | None
    """None: the caller has written it."""


def match_to_json(
    match: Match,
    keywords: Sequence[str],
    *,
    more: Mapping[int, bytes] = _NO_MORE,
    numbers_as: Literal["number", "string"] = "number",
) -> bytes:
    """Write one match of `Database.find` as a DICOM JSON object, UTF-8, with its tags ascending.

    An attribute without a value has its `vr` only (F.2.5). Specific Character Set (0008,0005) is added where text is
    not ASCII. Dates and times are written from their values (`HHMMSS`, with a fraction if there is one), which need not
    be as the instance had them.

    Args:
        match: the match.
        keywords: the attributes to write, by keyword: those of `ATTRIBUTES` and the computed ones of `Match`. One that
            the match does not have, because it is of a lower level, is left out.
        more: attributes that the caller has written, by tag: each a JSON object such as `{"vr":"UR","Value":["..."]}`.
            They take the place of those of the match.
        numbers_as: whether DS and IS are numbers or strings, as `ReaderSettings.numbers_as`.

    Raises:
        KeyError: a keyword is not one of those that can be in a match.
    """
    parts = []
    for tag, keyword, prefix, empty, encode in _steps(tuple(keywords), tuple(more), numbers_as):
        if encode is None:
            parts.append(prefix + more[tag].decode())
            continue
        value = match.get(keyword, _MISSING)
        if value is None:
            parts.append(empty)
        elif value is not _MISSING:
            parts.append(prefix + encode(value))
    text = ",".join(parts)
    if not text.isascii() and _CHARACTER_SET not in more:
        insort(parts, _UTF8)  # they begin with their tags, in digits of one length
        text = ",".join(parts)
    return f"{{{text}}}".encode("utf-8", "replace")  # a lone surrogate is no text: a "?" is better than no answer


@lru_cache(maxsize=128)
def _steps(keywords: tuple[str, ...], more: tuple[int, ...], numbers_as: str) -> list[_Step]:
    encoders = _NUMBERS | _TEXTS if numbers_as == "number" else _STRINGS | _TEXTS
    steps = [_Step(tag, "", f'"{tag:08X}":', "", None) for tag in more]
    for keyword in set(keywords):
        tag, vr = _ELEMENTS[keyword]
        if tag not in more:
            prefix = f'"{tag:08X}":{{"vr":"{vr}"'
            steps.append(_Step(tag, keyword, prefix, prefix + "}", encoders[vr]))
    return sorted(steps)


def _values(parts: list[str]) -> str:
    return "}" if parts.count("null") == len(parts) else f',"Value":[{",".join(parts)}]}}'


def _text(value: str) -> str:
    """AS CS LO SH UI: text whose values a backslash delimits (PS3.5 6.4)."""
    if "\\" in value:
        return _values([quote(part) if part else "null" for part in [part.strip(" ") for part in value.split("\\")]])
    return f',"Value":[{quote(value)}]}}' if value else "}"


def _texts(value: str | tuple[str, ...]) -> str:
    """CS and UI, of which an attribute of several values is a tuple."""
    if isinstance(value, str):
        return _text(value)
    return _values([quote(part) if part else "null" for part in value])


@lru_cache(maxsize=_REMEMBERED)
def _date(value: date) -> str:
    return f',"Value":["{value.isoformat().replace("-", "")}"]}}'


@lru_cache(maxsize=_REMEMBERED)
def _time(value: time) -> str:
    written = f"{value.hour:02}{value.minute:02}{value.second:02}"
    if value.microsecond:
        written += f".{value.microsecond:06}".rstrip("0")
    return f',"Value":["{written}"]}}'


def _person_name(value: PersonName) -> str:
    alphabetic, ideographic, phonetic = value
    if not ideographic and not phonetic:
        return f',"Value":[{{"Alphabetic":{quote(alphabetic)}}}]}}' if alphabetic else "}"
    groups = (("Alphabetic", alphabetic), ("Ideographic", ideographic), ("Phonetic", phonetic))
    named = ",".join([f'"{name}":{quote(group)}' for name, group in groups if group])
    return f',"Value":[{{{named}}}]}}'


def _requests(value: tuple[RequestAttributes, ...]) -> str:
    items = [
        f'{{"00400009":{{"vr":"SH"{_text(one.scheduled_procedure_step_id or "")}'
        f',"00401001":{{"vr":"SH"{_text(one.requested_procedure_id or "")}}}'
        for one in value
    ]
    return f',"Value":[{",".join(items)}]}}' if items else "}"


def _number(value: float) -> str:
    if type(value) is int:
        return str(value)
    if not math.isfinite(value):
        return "null"
    return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)


def _numbers(value: float | tuple[float, ...]) -> str:
    if type(value) is int:
        return f',"Value":[{value}]}}'
    return _values([*map(_number, value if isinstance(value, tuple) else (value,))])


def _number_strings(value: float | tuple[float, ...]) -> str:
    numbers = map(_number, value if isinstance(value, tuple) else (value,))
    return _values([one if one == "null" else f'"{one}"' for one in numbers])


_TEXTS: Final[dict[str, Encode]] = {
    **dict.fromkeys(("AS", "LO", "SH"), _text),
    "CS": lru_cache(maxsize=_REMEMBERED)(_texts),
    "UI": _texts,
    "DA": _date,
    "PN": _person_name,
    "SQ": _requests,
    "TM": _time,
    "US": _numbers,
}
_NUMBERS: Final[dict[str, Encode]] = dict.fromkeys(("DS", "IS"), _numbers)
_STRINGS: Final[dict[str, Encode]] = dict.fromkeys(("DS", "IS"), _number_strings)
