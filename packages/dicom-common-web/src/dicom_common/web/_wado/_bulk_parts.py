"""Bulk data as parts of a body: of one instance or of many (PS3.18 10.4.1.1.5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable
from itertools import groupby
from operator import itemgetter

from starlette.responses import Response

from dicom_common.core import AuditKind, DamagedError, DicomError, NotFoundError, Stored
from dicom_common.dicom import ReaderSettings, transfer_syntax
from dicom_common.pipeline import list_bulk_data, open_all_bulk_data, open_frames
from dicom_common.web._auditing import audit_retrieval
from dicom_common.web._call import Call
from dicom_common.web._errors import HttpError
from dicom_common.web._multipart import Part
from dicom_common.web._negotiation import Accepted, Offer, not_acceptable
from dicom_common.web._wado._body import Attempt, stream_parts
from dicom_common.web._wado._frame_parts import frame_parts
from dicom_common.web._wado._offers import OCTETS, pixel_offers
from dicom_common.web._wado._place import location_of

__all__ = ["PIXEL_DATA", "bulk_response", "encapsulated_parts"]

PIXEL_DATA = ("7FE00008", "7FE00009", "7FE00010")
"""The paths of pixel data: floating point, double, and the usual one."""
_PLAIN = Offer(media_type=OCTETS, multipart=True, transfer_syntax="1.2.840.10008.1.2.1")

Wanted = tuple[Stored, str, Offer | None]
"""An instance, the path of a value in it, and how its frames go out where it is encapsulated."""


async def bulk_response(
    call: Call, stored: Iterable[Stored], accepted: Accepted, *, pixels_only: bool = False
) -> Response:
    """Answer with all bulk data of instances, or with their pixel data.

    Raises:
        NotFoundError: they have none.
        HttpError: 406, the client takes none of what there is.
    """
    lane = call.site.lanes.retrieve
    instances = list(stored)
    wanted, left_out = await lane.run(_choose, call, instances, accepted, pixels_only)
    await audit_retrieval(call, AuditKind.INSTANCES_ACCESSED, instances)
    try:
        return await _stream(call, wanted, left_out=left_out)
    except DicomError as error:
        # What cannot be decoded goes out as it is stored, to who takes that.
        wanted, left_out = await lane.run(_choose, call, instances, accepted, pixels_only, as_stored=True)
        try:
            return await _stream(call, wanted, left_out=left_out)
        except DicomError:
            raise HttpError(
                406, "The pixel data cannot be decoded: request it as stored, with transfer-syntax=*."
            ) from error


async def _stream(call: Call, wanted: list[Wanted], *, left_out: bool) -> Response:
    offer = wanted[0][2] or _PLAIN
    attempt = Attempt()
    parts = _parts(call, wanted, attempt)
    decodes = any(one is not None and one.media_type == OCTETS for _, _, one in wanted)
    status = 206 if left_out else 200
    return await stream_parts(call, offer, parts, status=status, attempt=attempt if decodes else None)


def _choose(
    call: Call, instances: list[Stored], accepted: Accepted, pixels_only: bool, *, as_stored: bool = False
) -> tuple[list[Wanted], bool]:
    services = call.site.services
    reader = services.settings("reader", ReaderSettings)
    found: list[Wanted] = []
    offers: list[Offer] = []
    for stored in instances:
        for path in list_bulk_data(services.storage, stored, metadata=_metadata(call, stored), settings=reader):
            if pixels_only and path not in PIXEL_DATA:
                continue
            here = _offers(call, stored, as_stored=as_stored) if path in PIXEL_DATA else [_PLAIN]
            offers += here
            found.append((stored, path, accepted.choose(here)))
    if not offers:
        raise NotFoundError("There is no such bulk data: the metadata lists the bulk data of the instance.")
    # The parts of a body are of one media type: that of most values, so that one of them does not leave out the others.
    types = Counter(offer.media_type for _, _, offer in found if offer is not None)
    if not types:
        raise not_acceptable(offers)
    ((most, _),) = types.most_common(1)
    wanted = [one for one in found if one[2] is not None and one[2].media_type == most]
    return wanted, len(wanted) < len(found)


def _offers(call: Call, stored: Stored, *, as_stored: bool) -> list[Offer]:
    uid = stored.transfer_syntax_uid
    syntax = transfer_syntax(uid)
    encapsulated = syntax is not None and syntax.encapsulated
    offers = pixel_offers(call.site.codecs, uid, encapsulated=encapsulated, single=False)
    return offers[1:] if as_stored and encapsulated and len(offers) > 1 else offers


def _metadata(call: Call, stored: Stored) -> bytes | None:
    uids = (stored.study_uid, stored.series_uid, stored.sop_uid)
    return next(call.site.services.db.metadata(call.tenant, *uids), None)


def _parts(call: Call, wanted: Iterable[Wanted], attempt: Attempt) -> Generator[Part, None, None]:
    services = call.site.services
    failed: DicomError | None = None
    is_empty = True
    settings = services.settings("reader", ReaderSettings)
    for stored, of_instance in groupby(wanted, key=itemgetter(0)):
        here = list(of_instance)
        paths = [path for _, path, _ in here]
        values = dict(open_all_bulk_data(services.storage, stored, paths=paths, settings=settings))
        for _, path, offer in here:
            if path in values:
                location = f"{location_of(call, stored)}/bulkdata/{path}"
                yield Part({"Content-Type": OCTETS, "Content-Location": location}, values[path].chunks())
                is_empty = False
            elif path in PIXEL_DATA:
                parts = encapsulated_parts(call, stored, offer or _PLAIN)
                try:
                    first = next(parts, None)
                except DicomError as error:
                    attempt.leave_out(error)
                    failed = failed or error
                    continue
                if first is not None:
                    yield first
                    is_empty = False
                yield from parts
            else:
                raise DamagedError("The stored object lacks bulk data that its metadata names.")
    if is_empty and failed is not None:
        raise failed


def encapsulated_parts(call: Call, stored: Stored, offer: Offer) -> Generator[Part, None, None]:
    """Give encapsulated pixel data, each frame as a part.

    Raises:
        DicomError: its frames cannot be told apart, or decoded.
    """
    with open_frames(call.site.services, call.tenant, stored.study_uid, stored.series_uid, stored.sop_uid) as frames:
        yield from frame_parts(call, frames, list(range(1, frames.count + 1)), offer)
