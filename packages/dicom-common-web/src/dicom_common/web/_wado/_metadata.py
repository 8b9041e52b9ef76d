"""Metadata (PS3.18 10.4.1.1.2): the kept documents of studies and series, and the DICOM JSON of an instance."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain

from starlette.responses import Response

from dicom_common.core import AuditKind, NotFoundError
from dicom_common.dicom import absolute_bulk_data
from dicom_common.host import Action
from dicom_common.pipeline import Document, valid_objects
from dicom_common.web._auditing import audit_instances, keeps_trail
from dicom_common.web._call import Call
from dicom_common.web._endpoint import Endpoint
from dicom_common.web._entity_tags import has_current
from dicom_common.web._multipart import Part
from dicom_common.web._negotiation import Offer, accepted_by
from dicom_common.web._stream import Stream
from dicom_common.web._wado._body import stream_parts
from dicom_common.web._wado._place import LEVELS, Place, place_of, stored_of
from dicom_common.web._xml import to_xml

__all__ = ["METADATA", "OFFERS"]

_XML = Offer(media_type="application/dicom+xml", multipart=True)
OFFERS = (Offer(media_type="application/dicom+json"), Offer(media_type="application/json"), _XML)
_AT_ONCE = 256 * 1024
"""Bytes of a kept document up to which it is answered at once."""


async def _retrieve(call: Call) -> Response:
    place, offer = place_of(call), accepted_by(call.request).require(OFFERS)
    lane = call.site.lanes.search
    if keeps_trail(call):
        await lane.run(_audit, call, place)
    if offer is _XML:
        objects = valid_objects(call.site.services.db.metadata(call.tenant, *place))
        first = await lane.run(next, objects, None)
        if first is None:
            raise _absent()
        return await stream_parts(call, offer, _as_xml(call, chain([first], objects)), lane=lane)
    headers = {
        "content-type": offer.media_type,
        "vary": "Accept, Accept-Encoding, Authorization",
        "cache-control": "private, no-cache",
    }
    if place.instance is not None:
        body = await lane.run(_of_instance, call, place)
        headers["etag"] = f'W/"{hashlib.sha256(body).hexdigest()}"'
        return (
            Response(None, 304, headers) if has_current(call.request, headers["etag"]) else Response(body, 200, headers)
        )
    document: Document = await lane.run(_document, call, place)
    try:
        if document.revision is not None:
            headers["etag"] = f'W/"{document.revision}"'
            if has_current(call.request, headers["etag"]):
                document.close()
                return Response(None, 304, headers)
        if _takes_gzip(call):
            headers["content-encoding"] = "gzip"
            if document.size <= _AT_ONCE:
                return Response(await lane.run(_whole, document), 200, headers)
            headers["content-length"] = str(document.size)
            chunks = _closing(document, document.gzip())
        else:
            chunks = _closing(document, document.plain())
        return Stream(lane, chunks, headers, send_seconds=call.site.settings.send_seconds)
    except BaseException:
        document.close()
        raise


def _document(call: Call, place: Place) -> Document:
    documents = call.documents
    if place.series is None:
        return documents.study(call.tenant, place.study)
    return documents.series(call.tenant, place.study, place.series)


def _whole(document: Document) -> bytes:
    with document:
        return b"".join(document.gzip())


def _closing(document: Document, chunks: Iterator[bytes]) -> Iterator[bytes]:
    with document:
        yield from chunks


def _of_instance(call: Call, place: Place) -> bytes:
    objects = list(valid_objects(call.site.services.db.metadata(call.tenant, *place)))
    if not objects:
        raise _absent()
    return absolute_bulk_data(b"[" + objects[0] + b"]\n", call.bulk_data_root)


def _as_xml(call: Call, objects: Iterable[bytes]) -> Iterator[Part]:
    """Give each instance as a part, one at a time: no document of that form is kept."""
    for one in objects:
        data = to_xml(json.loads(absolute_bulk_data(one, call.bulk_data_root)))
        yield Part({"Content-Type": _XML.media_type}, iter((data,)))


def _absent() -> NotFoundError:
    return NotFoundError("The index has no such study, series or instance: search to list what exists.")


def _audit(call: Call, place: Place) -> None:
    audit_instances(call, AuditKind.INSTANCES_ACCESSED, stored_of(call, place))


def _takes_gzip(call: Call) -> bool:
    """Tell whether the client takes gzip (RFC 9110 12.5.3)."""
    qualities = {}
    for member in ",".join(call.request.headers.getlist("accept-encoding")).split(","):
        coding, *parameters = (part.strip().lower() for part in member.split(";"))
        qualities[coding] = not any(re.fullmatch(r"q\s*=\s*0(?:\.0*)?", one) for one in parameters)
    return qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", False)))


METADATA = tuple(
    Endpoint(
        path=f"{level}/metadata",
        method="GET",
        action=Action.RETRIEVE,
        lane="search",
        handler=_retrieve,
        name=f"retrieve {level}/metadata",
        gives=tuple(one.media_type for one in OFFERS),
    )
    for level in LEVELS
)
