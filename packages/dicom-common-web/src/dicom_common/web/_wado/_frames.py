"""Frames (PS3.18 10.4.1.1.6): numbers from 1, answered in the order in which they are asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from starlette.responses import Response

from dicom_common.core import AuditKind, NotFoundError
from dicom_common.host import Action
from dicom_common.pipeline import Frames, open_frames
from dicom_common.web._auditing import audit_retrieval
from dicom_common.web._call import Call
from dicom_common.web._endpoint import Endpoint
from dicom_common.web._errors import HttpError
from dicom_common.web._multipart import Part
from dicom_common.web._negotiation import Offer, accepted_by
from dicom_common.web._wado._body import attempt_of, decoded_or_stored, stream_parts, stream_single
from dicom_common.web._wado._frame_parts import frame_bytes, frame_parts, frame_type
from dicom_common.web._wado._offers import OCTETS, pixel_offers
from dicom_common.web._wado._place import INSTANCE, Place, location_of, place_of

__all__ = ["FRAMES", "frame_numbers", "opened_frames"]

_LIST = re.compile(r"[1-9][0-9]{0,99}(?:,[1-9][0-9]{0,99})*", re.ASCII)
_MAX_FRAMES = 10_000
"""Frames of one request."""


def frame_numbers(text: str) -> list[int]:
    """Return the numbers of a list such as `1,3,2`.

    Raises:
        HttpError: 400, it is not a list of numbers.
    """
    if not _LIST.fullmatch(text):
        raise HttpError(400, "Frames are named by their numbers, starting at 1, joined by commas: frames/1,2.")
    numbers = [int(number) for number in text.split(",")]
    if len(numbers) > _MAX_FRAMES:
        raise HttpError(400, f"A request may name {_MAX_FRAMES} frames at most: split it.")
    return numbers


def opened_frames(call: Call, place: Place, numbers: list[int]) -> Frames:
    """Open the frames of an instance that has all the numbers. It blocks; the caller closes them.

    Raises:
        NotFoundError: there is no such instance, or no such frame.
        DicomError: it has no frames.
    """
    frames = open_frames(call.site.services, call.tenant, place.study, place.series or "", place.instance or "")
    if max(numbers) > frames.count:
        frames.close()
        raise NotFoundError(f"The instance has the frames 1 to {frames.count}.")
    return frames


async def _retrieve(call: Call) -> Response:
    place, accepted = place_of(call), accepted_by(call.request)
    numbers = frame_numbers(call.request.path_params["frames"])
    lane = call.site.lanes.retrieve
    frames = await lane.run(opened_frames, call, place, numbers)
    try:
        uid, single = frames.transfer_syntax_uid, len(numbers) == 1
        offers = pixel_offers(call.site.codecs, uid, encapsulated=frames.encapsulated, single=single)
        await audit_retrieval(call, AuditKind.INSTANCES_ACCESSED, [frames.stored])
        return await decoded_or_stored(accepted, offers, partial(_answer, call, frames, numbers))
    except BaseException:
        frames.close()
        raise


async def _answer(call: Call, frames: Frames, numbers: list[int], offer: Offer) -> Response:
    if offer.multipart:
        return await stream_parts(call, offer, _parts(call, frames, numbers, offer), attempt=attempt_of(offer))
    location = f"{location_of(call, frames.stored)}/frames/{numbers[0]}"
    headers = {"content-type": frame_type(offer), "content-location": location}
    return await stream_single(call, _bytes(call, frames, numbers, offer), headers)


def _parts(call: Call, frames: Frames, numbers: list[int], offer: Offer) -> Iterator[Part]:
    with frames:
        yield from frame_parts(call, frames, numbers, offer)


def _bytes(call: Call, frames: Frames, numbers: list[int], offer: Offer) -> Iterator[bytes]:
    with frames:
        yield from frame_bytes(call, frames, numbers, offer)


FRAMES = (
    Endpoint(
        path=f"{INSTANCE}/frames/{{frames}}",
        method="GET",
        action=Action.RETRIEVE,
        lane="retrieve",
        handler=_retrieve,
        name="retrieve frames",
        gives=(OCTETS,),
    ),
)
