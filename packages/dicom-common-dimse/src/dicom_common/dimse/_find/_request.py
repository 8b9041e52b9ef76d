"""From the identifier of a C-FIND to a query of the index (PS3.4 C.4.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dicom_common.core import Level, Query, QueryError
from dicom_common.dicom import attribute_of, parse_query
from dicom_common.dimse._find._models import LEVEL, Model, level_of, refuse_lower_keys, require_upper_keys
from dicom_common.dimse._find._negotiated import Negotiated
from dicom_common.dimse._identifiers import Identifier, StatusError
from dicom_common.toolkit.query_rules import validate_query

__all__ = ["AVAILABILITY", "RETRIEVE_AE", "FindRequest", "find_request"]

_UNABLE = 0xC000
_CHARACTER_SET, _TIMEZONE, _VIEW = 0x00080005, 0x00080201, 0x00080053
RETRIEVE_AE, AVAILABILITY = 0x00080054, 0x00080056
_NOT_KEYS = frozenset((_CHARACTER_SET, LEVEL, _VIEW, RETRIEVE_AE, AVAILABILITY, _TIMEZONE))
"""Elements of an identifier that say how it is meant, or that an answer has anyway."""
_REQUEST_ATTRIBUTES = 0x00400275


@dataclass(frozen=True, slots=True, kw_only=True)
class FindRequest:
    """A C-FIND, as the index is asked, and what the answers have."""

    level: Level
    level_name: str
    query: Query
    identifier: Identifier
    asked: dict[int, str]
    """What is asked for: by tag, the keyword of what a match has, or "" for what the kept metadata has."""
    unsupported: frozenset[int]
    """What is asked for and no answer has: it comes back empty."""
    is_partial: bool
    """Whether some optional key was not supported for matching or not for return (status FF01, PS3.4 C.4.1.1.4)."""

    def as_text(self) -> str:
        """Return the level and the matching keys, for the audit trail: it holds a patient's attributes."""
        return "&".join([self.level_name, *(f"{key}={value}" for key, value in _pairs(self.identifier))])

    @property
    def from_metadata(self) -> bool:
        """Whether an answer needs the kept metadata."""
        return not all(self.asked.values())


def find_request(identifier: Identifier, model: Model, *, tenant: str, negotiated: Negotiated) -> FindRequest:
    """Understand an identifier.

    Args:
        identifier: what was sent.
        model: the information model of the SOP class.
        tenant: whose index is searched.
        negotiated: what was agreed on.

    Raises:
        StatusError: A900, it does not fit the information model; C000, a value is not one of its key.
    """
    level = level_of(identifier, model)
    if not negotiated.relational:
        require_upper_keys(identifier, model, level)
        refuse_lower_keys(identifier, level)
    asked, unsupported = _asked(identifier, level)
    pairs = list(_pairs(identifier))
    try:
        query = _query(tenant, level, pairs, negotiated)
        query = replace(query, fields=tuple(sorted({one for one in asked.values() if one})))
        validate_query(query)
    except QueryError as error:
        raise StatusError(_UNABLE, str(error)) from None
    unmatched = (tag for tag in identifier.elements if tag not in _NOT_KEYS and not identifier.is_universal(tag))
    searched = {int(key[:8], 16) for key, _ in pairs if key not in query.ignored}
    return FindRequest(
        level=level,
        level_name=identifier.text(LEVEL),
        query=query,
        identifier=identifier,
        asked=asked,
        unsupported=unsupported,
        is_partial=bool(unsupported) or any(tag not in searched for tag in unmatched),
    )


def _asked(identifier: Identifier, level: Level) -> tuple[dict[int, str], frozenset[int]]:
    asked: dict[int, str] = {}
    unsupported: set[int] = set()
    for tag in identifier.elements:
        if tag in _NOT_KEYS and tag != _TIMEZONE:
            continue
        attribute = attribute_of(f"{tag:08X}") if not tag >> 16 & 1 else None
        if attribute is None or attribute.level > level:
            unsupported.add(tag)
        else:
            asked[tag] = attribute.keyword
    return asked, frozenset(unsupported)


def _pairs(identifier: Identifier) -> Iterator[tuple[str, str]]:
    """Iterate over the matching keys and their values, as text."""
    for tag, element in identifier.elements.items():
        if tag in _NOT_KEYS or identifier.is_universal(tag):
            continue
        if element.vr != "SQ":
            yield f"{tag:08X}", identifier.text(tag)
        elif tag == _REQUEST_ATTRIBUTES and len(element.items) == 1:
            (item,) = element.items
            yield from ((f"{tag:08X}.{key:08X}", item.text(key)) for key in item.elements if not item.is_universal(key))


def _query(tenant: str, level: Level, pairs: list[tuple[str, str]], negotiated: Negotiated) -> Query:
    """Make the query; without an agreement on it, a date and its time are conditions of their own (C.2.2.2.5)."""
    parts = [pairs]
    if not negotiated.combined:
        times = [pair for pair in pairs if _is_time(pair[0])]
        parts = [[pair for pair in pairs if pair not in times], times]
    queries = [
        parse_query(
            tenant,
            level,
            part,
            unknown="ignore",
            fuzzy=negotiated.fuzzy,
            empty_value_matching=negotiated.empty_values,
        )
        for part in parts
    ]
    return replace(
        queries[0],
        conditions=tuple(condition for query in queries for condition in query.conditions),
        ignored=tuple(key for query in queries for key in query.ignored),
    )


def _is_time(key: str) -> bool:
    asked = attribute_of(key)
    return asked is not None and asked.keyword.endswith("Time")
