"""Studies, series and instances as DICOM (PS3.18 10.4.1.1.1)."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace

from starlette.responses import Response

from dicom_common.core import AuditKind, DicomError, Stored
from dicom_common.host import Action
from dicom_common.pipeline import read_ahead, read_verified
from dicom_common.web._auditing import audit_retrieval
from dicom_common.web._call import Call
from dicom_common.web._endpoint import Endpoint
from dicom_common.web._errors import HttpError
from dicom_common.web._multipart import Part
from dicom_common.web._negotiation import Accepted, Offer, accepted_by, not_acceptable
from dicom_common.web._wado._body import Attempt, begun, stream_parts, stream_single
from dicom_common.web._wado._bulk_parts import bulk_response
from dicom_common.web._wado._converted import converted
from dicom_common.web._wado._offers import DICOM, OCTETS, dicom_offers, may_go_out
from dicom_common.web._wado._part_10 import dicom_file
from dicom_common.web._wado._place import LEVELS, Place, location_of, place_of, stored_of

__all__ = ["INSTANCES", "single_instance"]

_log = logging.getLogger(__name__)
_BULK = Offer(media_type=OCTETS, multipart=True)
Chosen = tuple[Stored, Offer]


async def _retrieve(call: Call) -> Response:
    place, accepted = place_of(call), accepted_by(call.request)
    lane = call.site.lanes.retrieve
    stored, chosen = await lane.run(_choose, call, place, accepted)
    if chosen[0][1].media_type == OCTETS:
        return await bulk_response(call, stored, accepted)
    await audit_retrieval(call, AuditKind.INSTANCES_SENT, [one for one, _ in chosen])
    (first, offer) = chosen[0]
    if not offer.multipart:
        return await single_instance(call, first, offer, {"content-type": _content_type(offer)})
    try:
        status = 200 if len(chosen) == len(stored) else 206
        attempt = Attempt() if any(one.transfer_syntax != of.transfer_syntax_uid for of, one in chosen) else None
        parts = _parts(call, chosen, place, accepted, attempt or Attempt())
        return await stream_parts(call, offer, parts, status=status, attempt=attempt)
    except DicomError as error:
        raise _cannot_convert() from error


async def single_instance(call: Call, stored: Stored, offer: Offer, headers: Mapping[str, str]) -> Response:
    """Answer with one instance.

    Raises:
        HttpError: 406, it cannot be converted.
    """
    given = {**headers, "content-location": location_of(call, stored)}
    try:
        return await stream_single(call, _single(call, stored, offer), given)
    except DicomError as error:
        raise _cannot_convert() from error


def _choose(call: Call, place: Place, accepted: Accepted) -> tuple[list[Stored], list[Chosen]]:
    """Choose a representation of each instance; what cannot go out as the client wants it is left out.

    Raises:
        NotFoundError: there is no instance.
        HttpError: 406, the client takes none of what there is.
    """
    stored = stored_of(call, place)
    chosen: list[Chosen] = []
    offers: list[Offer] = []
    by_syntax: dict[str, Offer | None] = {}
    for one in stored:
        uid = one.transfer_syntax_uid
        if uid not in by_syntax:
            offers = [*dicom_offers(call.site.codecs, one, single=place.instance is not None), _BULK]
            by_syntax[uid] = accepted.choose(offers)
        offer = by_syntax[uid]
        if offer is not None and (not chosen or offer.media_type == chosen[0][1].media_type):
            chosen.append((one, offer))
    if not chosen:
        raise not_acceptable(offers)
    return stored, chosen


def _parts(
    call: Call, chosen: list[Chosen], place: Place, accepted: Accepted, attempt: Attempt
) -> Generator[Part, None, None]:
    offers = iter(chosen)
    failed: DicomError | None = None
    is_empty = True
    storage = call.site.services.storage
    retrieved = read_ahead(storage, (one for one, _ in chosen))
    try:
        for stored, chunks in retrieved:
            offer = next(offers)[1]
            body = _chunks(call, stored, chunks, offer.transfer_syntax)
            if offer.transfer_syntax != stored.transfer_syntax_uid:
                try:
                    body = begun(body, 1)
                except DicomError as error:
                    if place.instance:
                        raise
                    # Of many instances one that is damaged must not hold back the others.
                    kept = replace(offer, transfer_syntax=stored.transfer_syntax_uid)
                    if not may_go_out(kept.transfer_syntax) or accepted.choose([kept]) is None:
                        attempt.leave_out(error)
                        failed = failed or error
                        continue
                    _log.warning("an instance could not be converted and is sent as stored")
                    offer, body = kept, _chunks(call, stored, read_verified(storage, stored), kept.transfer_syntax)
            headers = {"Content-Type": _content_type(offer), "Content-Location": location_of(call, stored)}
            yield Part(headers, body)
            is_empty = False
        if is_empty and failed is not None:
            raise failed
    finally:
        retrieved.close()


def _single(call: Call, stored: Stored, offer: Offer) -> Generator[bytes, None, None]:
    retrieved = read_ahead(call.site.services.storage, [stored])
    try:
        for _, chunks in retrieved:
            yield from _chunks(call, stored, chunks, offer.transfer_syntax)
    finally:
        retrieved.close()


def _chunks(call: Call, stored: Stored, chunks: Iterator[bytes], transfer_syntax_uid: str) -> Iterator[bytes]:
    """Iterate over an instance as a DICOM file in a transfer syntax."""
    if transfer_syntax_uid != stored.transfer_syntax_uid:
        return converted(call.site.codecs, chunks, transfer_syntax_uid)
    return dicom_file(chunks, stored, keep_preamble=call.site.settings.keep_preamble)


def _content_type(offer: Offer) -> str:
    return f"{offer.media_type}; transfer-syntax={offer.transfer_syntax}"


def _cannot_convert() -> HttpError:
    return HttpError(
        406,
        "The instance cannot be converted to the transfer syntax: request it as stored, with transfer-syntax=*.",
    )


INSTANCES = tuple(
    Endpoint(
        path=path,
        method="GET",
        action=Action.RETRIEVE,
        lane="retrieve",
        handler=_retrieve,
        name=f"retrieve {path}",
        gives=(DICOM, OCTETS),
    )
    for path in LEVELS
)
