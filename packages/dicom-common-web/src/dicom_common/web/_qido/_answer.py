"""The answer to a search: DICOM JSON objects, made of matches, and of the kept metadata where that is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import msgspec

from dicom_common.core import BriefSearches, Database, Level, Match
from dicom_common.dicom import absolute_bulk_data, match_to_json
from dicom_common.web._qido._request import AVAILABLE_TRANSFER_SYNTAX, SearchRequest

__all__ = ["Answer", "search", "search_briefly"]

_INSTANCE_AVAILABILITY, _RETRIEVE_URL = 0x00080056, 0x00081190
_ONLINE = b'{"vr":"CS","Value":["ONLINE"]}'
_AT_ONCE = 500
"""Matches whose metadata is in memory at once."""
_PATHS = {
    Level.STUDY: ("studies",),
    Level.SERIES: ("studies", "series"),
    Level.INSTANCE: ("studies", "series", "instances"),
}
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found."""

    objects: list[bytes]
    """A DICOM JSON object for each match, in their order."""
    remaining: int
    """How many matches there are behind them."""


def search(db: Database, request: SearchRequest, service_root: str) -> Answer:
    """Search the index.

    Args:
        db: the index.
        request: what for.
        service_root: for the Retrieve URLs, absolute.

    Raises:
        QueryError: the index cannot be asked that.
        BackendError: the index failed.
    """
    query = request.query
    matches = db.find(query) if query.limit else []
    objects: list[bytes] = []
    for start in range(0, len(matches), _AT_ONCE):
        objects += _objects(db, request, matches[start : start + _AT_ONCE], service_root)
    # Only behind a full page can there be more.
    total = db.count(query) if len(matches) == query.limit else 0
    return Answer(objects, max(0, total - query.offset - len(matches)))


def search_briefly(db: Database, request: SearchRequest, service_root: str) -> Answer | None:
    """Do what `search` does, if the index answers at once; None: it does not, or there is more to ask it for."""
    query = request.query
    if request.from_metadata or request.transfer_syntaxes or not _is_brief(type(db)):
        return None
    matches = cast("BriefSearches", db).find_briefly(query)
    if matches is None or len(matches) == query.limit:
        return None
    return Answer(list(_objects(db, request, matches, service_root)), 0)


@lru_cache(maxsize=16)
def _is_brief(database: type[Database]) -> bool:
    return issubclass(database, BriefSearches)  # which looks at every member of the Protocol


def _objects(db: Database, request: SearchRequest, matches: Sequence[Match], service_root: str) -> Iterable[bytes]:
    query, level = request.query, request.query.level
    mores: list[dict[int, bytes]] = [
        {_INSTANCE_AVAILABILITY: _ONLINE, _RETRIEVE_URL: _retrieve_url(match, level, service_root)} for match in matches
    ]
    if request.from_metadata:
        kept = db.metadata_of(query.tenant, level, matches)
        for more, metadata in zip(mores, kept, strict=True):
            more.update(_included(metadata, request.from_metadata, service_root))
    if request.transfer_syntaxes and level is Level.INSTANCE:
        stored = db.stored(query.tenant, [str(match["SOPInstanceUID"]) for match in matches])
        for more, match in zip(mores, matches, strict=True):
            if (one := stored.get(str(match["SOPInstanceUID"]))) is not None:
                value = msgspec.json.encode([one.transfer_syntax_uid])
                more[AVAILABLE_TRANSFER_SYNTAX] = b'{"vr":"UI","Value":%b}' % value
    for match, more in zip(matches, mores, strict=True):
        present = [keyword for keyword in request.if_present if match.get(keyword) not in (None, "", ())]
        yield match_to_json(match, (*request.keywords, *present), more=more)


def _retrieve_url(match: Match, level: Level, service_root: str) -> bytes:
    url = service_root
    for folder, keyword in zip(_PATHS[level], _UIDS, strict=False):
        url += f"/{folder}/{match[keyword]}"
    return b'{"vr":"UR","Value":[%b]}' % msgspec.json.encode(url)


def _included(metadata: bytes | None, tags: Sequence[int], service_root: str) -> dict[int, bytes]:
    """Return attributes of a DICOM JSON object as it has them."""
    if metadata is None:
        return {}
    attributes = msgspec.json.decode(metadata, type=dict[str, msgspec.Raw])
    found = ((tag, attributes.get(f"{tag:08X}")) for tag in tags)
    return {tag: absolute_bulk_data(bytes(value), service_root) for tag, value in found if value is not None}
