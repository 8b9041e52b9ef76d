"""Bulk data: one value by its BulkDataURI, and all of an instance, a series or a study (PS3.18 10.4.1.1.5)."""

from __future__ import annotations

import re
from functools import partial

from starlette.responses import Response

from dicom_common.core import AuditKind, DicomError, NotFoundError, Stored
from dicom_common.dicom import ReaderSettings, Reason
from dicom_common.host import Action
from dicom_common.pipeline import BulkData, open_bulk_data
from dicom_common.web._auditing import audit_retrieval
from dicom_common.web._call import Call
from dicom_common.web._endpoint import Endpoint
from dicom_common.web._errors import HttpError
from dicom_common.web._multipart import Part
from dicom_common.web._negotiation import Offer, accepted_by
from dicom_common.web._wado._body import attempt_of, decoded_or_stored, stream_parts, stream_single
from dicom_common.web._wado._bulk_parts import bulk_response, encapsulated_parts
from dicom_common.web._wado._offers import OCTETS, pixel_offers
from dicom_common.web._wado._place import INSTANCE, LEVELS, SERIES, STUDY, Place, location_of, place_of, stored_of

__all__ = ["BULK_DATA", "OFFERS"]

OFFERS = (Offer(media_type=OCTETS, multipart=True), Offer(media_type=OCTETS))
_RANGE = re.compile(r"bytes=([0-9]{0,99})-([0-9]{0,99})", re.ASCII | re.IGNORECASE)


async def _value(call: Call) -> Response:
    """Answer with one value."""
    place, accepted = place_of(call), accepted_by(call.request)
    _refuse_other_study(call, place)
    path: str = call.request.path_params["path"].upper()  # hexadecimal digits are the same in either case
    lane = call.site.lanes.retrieve
    stored, data = await lane.run(_open, call, place, path)
    await audit_retrieval(call, AuditKind.INSTANCES_ACCESSED, [stored])
    if data is None:
        uid = stored.transfer_syntax_uid
        offers = pixel_offers(call.site.codecs, uid, encapsulated=True, single=False)
        return await decoded_or_stored(
            accepted,
            offers,
            lambda one: stream_parts(call, one, encapsulated_parts(call, stored, one), attempt=attempt_of(one)),
        )
    location = f"{location_of(call, stored)}/bulkdata/{path}"
    asked = None if call.request.method == "HEAD" else call.request.headers.get("range")  # RFC 9110 14.2
    # A part of a value is a part of one object: a client that names a range and takes single parts gets that.
    offer = accepted.require(OFFERS if asked is None else OFFERS[::-1])
    if offer.multipart:
        parts = [Part({"Content-Type": OCTETS, "Content-Location": location}, data.chunks())]
        return await stream_parts(call, offer, parts)
    headers = {"content-type": OCTETS, "content-location": location, "accept-ranges": "bytes"}
    # A value has no entity tag and no date, so no condition of If-Range is true (RFC 9110 13.1.5).
    span = None if asked is None or "if-range" in call.request.headers else _span(asked, data.length)
    if span is None:
        headers["content-length"] = str(data.length)
        return await stream_single(call, data.chunks(), headers)
    start, length = span
    headers["content-length"] = str(length)
    headers["content-range"] = f"bytes {start}-{start + length - 1}/{data.length}"
    return await stream_single(call, data.range(start, length), headers, status=206)


def _refuse_other_study(call: Call, place: Place) -> None:
    """Refuse a path whose metadata resource is not one of the instance.

    The metadata names bulk data relative to the service root. A client that resolves that against the metadata resource
    (RFC 3986 5.2), as PS3.18 F.2.2 has it, comes to a path with the UIDs twice.

    Raises:
        NotFoundError: it is not.
    """
    for name in ("study", "series", "instance"):
        if f"outer_{name}" in call.request.path_params and call.uid(f"outer_{name}") != getattr(place, name):
            raise NotFoundError("The path names a metadata resource that does not belong to the instance.")


def _open(call: Call, place: Place, path: str) -> tuple[Stored, BulkData | None]:
    """Open a value; None: it is encapsulated pixel data."""
    services = call.site.services
    stored = stored_of(call, place)[0]
    try:
        settings = services.settings("reader", ReaderSettings)
        return stored, open_bulk_data(services.storage, stored, path, settings=settings)
    except DicomError as error:
        if error.reason == Reason.ENCAPSULATED:
            return stored, None
        raise


def _span(asked: str, size: int) -> tuple[int, int] | None:
    """Return where a range (RFC 9110 14.1.2) begins and how long it is; None: it is not one that is answered as one.

    Raises:
        HttpError: 416, it is outside of the value.
    """
    found = _RANGE.fullmatch(asked.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise HttpError(416, f"The value has {size} bytes.", {"content-range": f"bytes */{size}"})
    return start, end - start


async def _all(call: Call, *, pixels_only: bool) -> Response:
    place, accepted = place_of(call), accepted_by(call.request)
    stored = await call.site.lanes.retrieve.run(stored_of, call, place)
    return await bulk_response(call, stored, accepted, pixels_only=pixels_only)


def _endpoint(path: str, name: str, pixels_only: bool) -> Endpoint:
    handler = partial(_all, pixels_only=pixels_only)
    return Endpoint(
        path=path, method="GET", action=Action.RETRIEVE, lane="retrieve", handler=handler, name=name, gives=(OCTETS,)
    )


_OUTER = (
    "",
    *(
        level.replace("{study}", "{outer_study}")
        .replace("{series}", "{outer_series}")
        .replace("{instance}", "{outer_instance}")
        for level in (STUDY, SERIES, INSTANCE)
    ),
)

BULK_DATA = (
    *(
        Endpoint(
            path=f"{outer}{INSTANCE}/bulkdata/{{path}}",
            method="GET",
            action=Action.RETRIEVE,
            lane="retrieve",
            handler=_value,
            name="retrieve bulk data",
            gives=(OCTETS,),
        )
        for outer in _OUTER
    ),
    *(_endpoint(f"{level}/bulkdata", f"retrieve {level}/bulkdata", pixels_only=False) for level in LEVELS),
    *(_endpoint(f"{level}/pixeldata", f"retrieve {level}/pixeldata", pixels_only=True) for level in LEVELS),
)
