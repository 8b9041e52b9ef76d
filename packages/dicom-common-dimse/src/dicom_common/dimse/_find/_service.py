"""The C-FIND service (PS3.4 C.4.1): pending responses for what the index finds, then how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from dicom_common.core import Database, Match, UnavailableError
from dicom_common.dimse._access_audit import audit_query, keeps_trail, require_trail
from dicom_common.dimse._find._answers import Answers
from dicom_common.dimse._find._models import FIND_MODELS
from dicom_common.dimse._find._negotiated import FIND_FEATURES, negotiated_of
from dicom_common.dimse._find._request import FindRequest, find_request
from dicom_common.dimse._identifiers import StatusError, encoding_of, identifier_of
from dicom_common.dimse._peers import Permission
from dicom_common.dimse._receiving import Operation, Request, Response, Service, Tag

__all__ = ["FIND"]

_SUCCESS: Final = 0x0000
_PENDING: Final = 0xFF00
_PARTIAL: Final = 0xFF01
_CANCEL: Final = 0xFE00
_OUT_OF_RESOURCES: Final = 0xA700
_AT_ONCE: Final = 100
"""Matches whose metadata is in memory at once."""


def _find(request: Request) -> Iterator[Response]:
    """Answer one C-FIND."""
    try:
        yield from _answers(request)
    except StatusError as error:
        yield error.response()
    except UnavailableError:
        yield StatusError(_OUT_OF_RESOURCES, "The index cannot be reached now: try again later.").response()


def _answers(request: Request) -> Iterator[Response]:
    association, context = request.association, request.context
    site, peer = association.site, association.peer
    most = site.settings.find.max_results
    identifier = identifier_of(request, site.settings.max_identifier_bytes)
    require_trail(site.services, _OUT_OF_RESOURCES)
    asked = find_request(
        identifier,
        FIND_MODELS[context.abstract_syntax],
        tenant=peer.tenant,
        negotiated=negotiated_of(context.extended),
    )
    if keeps_trail(site.services):
        audit_query(site.services, peer, asked.as_text())
    character_set = tuple(peer.settings.character_set.split("\\")) if peer.settings.character_set else ()
    answers = Answers(asked, encoding_of(context.transfer_syntax), association.called, character_set)
    status = _PARTIAL if asked.is_partial else _PENDING
    for count, (match, metadata) in enumerate(_matches(site.services.db, asked, most + 1)):
        if request.is_cancelled():
            yield Response(status=_CANCEL)
            return
        if count == most:
            comment = f"More than {count} matches: narrow the query."
            yield Response(status=_OUT_OF_RESOURCES, elements={Tag.ERROR_COMMENT: comment})
            return
        yield Response(status=status, data=answers.identifier(match, metadata), soon=True)
    yield Response(status=_SUCCESS)


def _matches(db: Database, asked: FindRequest, most: int) -> Iterator[tuple[Match, bytes | None]]:
    """Iterate over the matches, with their metadata where that is needed."""
    matches = db.find(replace(asked.query, limit=most))
    if not asked.from_metadata:
        yield from ((match, None) for match in matches)
        return
    for start in range(0, len(matches), _AT_ONCE):
        page = matches[start : start + _AT_ONCE]
        yield from zip(page, db.metadata_of(asked.query.tenant, asked.level, page), strict=True)


FIND = Service(
    name="find",
    abstract_syntaxes=frozenset(FIND_MODELS),
    operations={Operation.C_FIND: _find},
    permission=Permission.FIND,
    extended=FIND_FEATURES,
)
