"""What a search asks for: matching keys, and what the answers should have (PS3.18 8.3.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from dicom_common.core import ATTRIBUTES_BY_KEYWORD, Level, Query, QueryError
from dicom_common.dicom import Asked, attribute_of, parse_query
from dicom_common.toolkit.query_rules import COMPUTED, shown
from dicom_common.web._endpoint import Parameter
from dicom_common.web._errors import HttpError
from dicom_common.web._qido._resources import Resource
from dicom_common.web._settings import WebSettings

__all__ = ["AVAILABLE_TRANSFER_SYNTAX", "OPTIONS", "SearchRequest", "matching_keys", "parse_search"]

AVAILABLE_TRANSFER_SYNTAX = 0x00083002
"""It is an attribute of searches alone (PS3.18 10.6.3.3.3)."""
_INDEXED = {keyword: (one.tag, one.level) for keyword, one in (ATTRIBUTES_BY_KEYWORD | COMPUTED).items()}

_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_SWITCHES = ("fuzzymatching", "emptyvaluematching", "multiplevaluematching")
_COUNT = {"type": "integer", "minimum": 0}
OPTIONS = (
    Parameter("limit", "The maximum number of results.", _COUNT),
    Parameter("offset", "The number of results to skip.", _COUNT),
    Parameter("includefield", "Attributes to return: keywords or tags, joined by commas; or all.", {"type": "string"}),
    *(Parameter(name, "See PS3.18 8.3.4.", {"type": "boolean"}) for name in _SWITCHES),
)
"""What a search has beside matching keys."""
_NOT_KEYS = frozenset({*(one.name for one in OPTIONS), "accept", "charset"})
_ONCE = tuple(one.name for one in OPTIONS if one.name != "includefield")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """A search, as the index is asked, and what the front end adds."""

    query: Query
    keywords: tuple[str, ...]
    """What every answer has, with or without a value."""
    if_present: tuple[str, ...]
    """What an answer has if there is a value."""
    from_metadata: tuple[int, ...]
    """The tags of what only the kept metadata has."""
    transfer_syntaxes: bool
    """Whether the answers name the transfer syntax in which an instance is stored."""


def parse_search(  # noqa: PLR0913 - what is asked, and what may be told
    resource: Resource,
    tenant: str,
    pairs: Iterable[tuple[str, str]],
    parents: Iterable[tuple[str, str]],
    settings: WebSettings,
    *,
    counts: Level = Level.PATIENT,
) -> SearchRequest:
    """Understand the parameters of a search.

    Args:
        resource: what is searched.
        tenant: whose.
        pairs: the parameters, decoded.
        parents: the UIDs of the path, as matching keys.
        settings: the limits.
        counts: the highest level of what is told of all that is below a patient, study or series, such as how many
            studies the patient has.

    Raises:
        HttpError: 400, a parameter is not one, or asks for what is not told.
        QueryError: a matching key is not one, or its value; see `parse_query`. It does not have the key.
    """
    options: dict[str, str] = {}
    keys: list[tuple[str, str]] = list(parents)
    included: list[str] = []
    for name, value in pairs:
        if name == "includefield":
            included += [field.strip() for field in value.split(",")]
        elif name not in _NOT_KEYS:
            keys.append((name, value))
        elif name in _ONCE and name in options:
            raise HttpError(400, f"The parameter {name} is repeated: use it once.")
        else:
            options[name] = value
    switches = {name: _switch(name, options.get(name, "false")) for name in _SWITCHES}
    wanted = _wanted(resource, tuple([key for key, _ in keys]), tuple(included), counts)
    limit = min(_number("limit", options.get("limit"), settings.max_results), settings.max_results)
    try:
        query = parse_query(
            tenant,
            resource.level,
            keys,
            limit=limit,
            offset=_offset(options.get("offset"), settings),
            empty_value_matching=switches["emptyvaluematching"],
            fuzzy=switches["fuzzymatching"],
            unknown="ignore-attributes",
            fields=(*wanted.keywords, *wanted.if_present),
        )
    except QueryError as error:
        raise QueryError(_without(str(error), keys)) from None
    return SearchRequest(query=query, **wanted._asdict())


def _without(told: str, keys: Iterable[tuple[str, str]]) -> str:
    """Return a message without what the client has sent: a key may be any text. Keywords of attributes stay."""
    for key, _ in keys:
        told = told.replace(shown(key), "A parameter of the query")
    return told


class _Wanted(NamedTuple):
    """What answers have; see `SearchRequest`."""

    keywords: tuple[str, ...]
    if_present: tuple[str, ...]
    from_metadata: tuple[int, ...]
    transfer_syntaxes: bool


@lru_cache(maxsize=128)  # by names alone: no value of a request is kept
def _wanted(resource: Resource, keys: tuple[str, ...], included: tuple[str, ...], counts: Level) -> _Wanted:
    hidden = {keyword for keyword, one in COMPUTED.items() if one.level < counts}
    of_keys = _asked(keys)
    for one in of_keys:
        if one.keyword in hidden:
            raise HttpError(400, f"A link does not tell {one.keyword}: omit it.")
    asked = [*_included(included), *of_keys]
    keywords = (*resource.required, *(one.keyword for one in asked if one.keyword and one.level <= resource.level))
    if "all" in included:
        if_present = tuple(keyword for keyword, (_, level) in _INDEXED.items() if level <= resource.level)
    else:
        if_present = resource.if_present
    in_metadata = [one.tag for one in asked if not one.keyword and one.level <= resource.level]
    return _Wanted(
        keywords=tuple(keyword for keyword in dict.fromkeys(keywords) if keyword not in hidden),
        if_present=tuple(one for one in dict.fromkeys(if_present) if one not in hidden and one not in keywords),
        from_metadata=tuple(tag for tag in dict.fromkeys(in_metadata) if tag != AVAILABLE_TRANSFER_SYNTAX),
        transfer_syntaxes=AVAILABLE_TRANSFER_SYNTAX in in_metadata or "all" in included,
    )


def matching_keys(level: Level) -> tuple[Parameter, ...]:
    """Return the attributes that a search matches by: those of its level, and those of the levels above and below."""
    return tuple(
        Parameter(
            keyword,
            f"Matching key ({tag >> 16:04X},{tag & 0xFFFF:04X}) of the {of.name.lower()} level.",
            {"type": "string"},
        )
        for keyword, (tag, of) in _INDEXED.items()
        if of <= level or keyword in ATTRIBUTES_BY_KEYWORD
    )


def _included(fields: tuple[str, ...]) -> Iterable[Asked]:
    if "all" in fields:
        if set(fields) != {"all"}:
            raise HttpError(400, "includefield=all means all attributes: omit the others.")
        return ()
    return _asked(fields)


def _asked(keys: Iterable[str]) -> Iterable[Asked]:
    return [asked for key in keys if (asked := attribute_of(key)) is not None]


def _switch(name: str, value: str) -> bool:
    if value not in ("true", "false"):
        raise HttpError(400, f"The parameter {name} has to be true or false.")
    return value == "true"


def _number(name: str, value: str | None, default: int) -> int:
    if value is None:
        return default
    if not _NUMBER.fullmatch(value):
        raise HttpError(400, f"The parameter {name} has to be a whole number, 0 or above.")
    return int(value)


def _offset(value: str | None, settings: WebSettings) -> int:
    offset = _number("offset", value, 0)
    if offset > settings.max_offset:
        raise HttpError(400, f"The parameter offset may be {settings.max_offset} at most: narrow the search.")
    return offset
