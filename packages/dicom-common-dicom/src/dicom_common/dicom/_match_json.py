"""A match of a search as a DICOM JSON object (PS3.18 F.2), in the manner of the reader's DICOM JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from functools import lru_cache
from json.encoder import encode_basestring as quote
from typing import Any, Final, Literal

from dicom_common.core import ATTRIBUTES, Match, PersonName, RequestAttributes

__all__ = ["match_to_json"]

_NO_MORE: Final[Mapping[int, bytes]] = {}
_CHARACTER_SET: Final = 0x00080005
_UTF8: Final = '"00080005":{"vr":"CS","Value":["ISO_IR 192"]}'
_COMPUTED: Final = {
    "ModalitiesInStudy": (0x00080061, "CS"),
    "SOPClassesInStudy": (0x00080062, "UI"),
    "NumberOfPatientRelatedStudies": (0x00201200, "IS"),
    "NumberOfPatientRelatedSeries": (0x00201202, "IS"),
    "NumberOfPatientRelatedInstances": (0x00201204, "IS"),
    "NumberOfStudyRelatedSeries": (0x00201206, "IS"),
    "NumberOfStudyRelatedInstances": (0x00201208, "IS"),
    "NumberOfSeriesRelatedInstances": (0x00201209, "IS"),
}
_ELEMENTS: Final = {one.keyword: (one.tag, one.vr) for one in ATTRIBUTES} | _COMPUTED

Encode = Callable[[Any], str]
"""Writes what follows the `vr` of an attribute, with the closing brace."""


def match_to_json(
    match: Match,
    keywords: Sequence[str],
    *,
    more: Mapping[int, bytes] = _NO_MORE,
    numbers_as: Literal["number", "string"] = "number",
) -> bytes:
    """Write one match of `Database.find` as a DICOM JSON object, UTF-8, with its tags ascending.

    An attribute without a value has its `vr` only (F.2.5). Specific Character Set (0008,0005) is added where text is not
    ASCII. Dates and times are written from their values (`HHMMSS`, with a fraction if there is one), which need not be as
    the instance had them.

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
    written = [
        (tag, prefix + encode(match[keyword]))
        for tag, keyword, prefix, encode in _plan(tuple(keywords), numbers_as)
        if keyword in match
    ]
    if more:
        written = [one for one in written if one[0] not in more]
        written += [(tag, f'"{tag:08X}":{value.decode()}') for tag, value in more.items()]
        written.sort()
    text = ",".join([part for _, part in written])
    if not text.isascii() and _CHARACTER_SET not in more:
        before = sum(tag < _CHARACTER_SET for tag, _ in written)
        text = ",".join([*(part for _, part in written[:before]), _UTF8, *(part for _, part in written[before:])])
    return f"{{{text}}}".encode("utf-8", "replace")  # a lone surrogate is no text: a "?" is better than no answer


@lru_cache(maxsize=128)
def _plan(keywords: tuple[str, ...], numbers_as: str) -> list[tuple[int, str, str, Encode]]:
    encoders = _NUMBERS | _TEXTS if numbers_as == "number" else _STRINGS | _TEXTS
    elements = sorted((*_ELEMENTS[keyword], keyword) for keyword in set(keywords))
    return [(tag, keyword, f'"{tag:08X}":{{"vr":"{vr}"', encoders[vr]) for tag, vr, keyword in elements]


def _values(parts: list[str]) -> str:
    return "}" if parts.count("null") == len(parts) else f',"Value":[{",".join(parts)}]}}'


def _text(value: str | tuple[str, ...] | None) -> str:
    """AE AS CS LO SH UI: text whose values a backslash delimits (PS3.5 6.4)."""
    if not value:
        return "}"
    if type(value) is str:
        if "\\" not in value:
            return f',"Value":[{quote(value)}]}}'
        parts: Sequence[str] = [part.strip(" ") for part in value.split("\\")]
    else:
        parts = value
    return _values([quote(part) if part else "null" for part in parts])


def _date(value: date | None) -> str:
    return "}" if value is None else f',"Value":["{value.year:04}{value.month:02}{value.day:02}"]}}'


def _time(value: time | None) -> str:
    if value is None:
        return "}"
    fraction = f".{value.microsecond:06}".rstrip("0") if value.microsecond else ""
    return f',"Value":["{value.hour:02}{value.minute:02}{value.second:02}{fraction}"]}}'


def _person_name(value: PersonName | None) -> str:
    if value is None:
        return "}"
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), value, strict=True)
    named = ",".join([f'"{name}":{quote(group)}' for name, group in groups if group])
    return f',"Value":[{{{named}}}]}}' if named else "}"


def _requests(value: tuple[RequestAttributes, ...] | None) -> str:
    if not value:
        return "}"
    items = [
        f'{{"00400009":{{"vr":"SH"{_text(one.scheduled_procedure_step_id)}'
        f',"00401001":{{"vr":"SH"{_text(one.requested_procedure_id)}}}'
        for one in value
    ]
    return f',"Value":[{",".join(items)}]}}'


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "null"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _numbers(value: float | tuple[float, ...] | None) -> str:
    if value is None:
        return "}"
    return _values([_number(one) for one in (value if isinstance(value, tuple) else (value,))])


def _number_strings(value: float | tuple[float, ...] | None) -> str:
    if value is None:
        return "}"
    numbers = [_number(one) for one in (value if isinstance(value, tuple) else (value,))]
    return _values([one if one == "null" else f'"{one}"' for one in numbers])


_TEXTS: Final[dict[str, Encode]] = {
    **dict.fromkeys(("AS", "CS", "LO", "SH", "UI"), _text),
    "DA": _date,
    "PN": _person_name,
    "SQ": _requests,
    "TM": _time,
    "US": _numbers,
}
_NUMBERS: Final[dict[str, Encode]] = dict.fromkeys(("DS", "IS"), _numbers)
_STRINGS: Final[dict[str, Encode]] = dict.fromkeys(("DS", "IS"), _number_strings)
