"""The retrieve transaction of the URI service (PS3.18 9.5)."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from dicom_common.codecs import CodecReason, Picture
from dicom_common.core import AuditKind, DicomError, NotFoundError, Stored
from dicom_common.dicom import Reason, is_valid_uid
from dicom_common.host import Action
from dicom_common.web._auditing import audit_retrieval
from dicom_common.web._call import Call
from dicom_common.web._endpoint import Endpoint
from dicom_common.web._errors import HttpError
from dicom_common.web._negotiation import Accepted, MediaRange, Offer, parse_accept
from dicom_common.web._parameters import single_parameters
from dicom_common.web._rendering import PICTURES, annotation_warning, render, rendering_error
from dicom_common.web._uri._parameters import (
    PARAMETERS,
    frame_of,
    place_of_query,
    presented_rendering_of,
    refuse_picture_parameters,
    rendering_of,
    state_of_query,
)
from dicom_common.web._wado._converted import ranges_of
from dicom_common.web._wado._instances import single_instance
from dicom_common.web._wado._offers import DICOM, dicom_offers
from dicom_common.web._wado._place import Place, stored_of
from dicom_common.web._wado._presentations import first_picture, presented_images, read_state

__all__ = ["uri_endpoints"]

_NO_IMAGE = (CodecReason.NOT_AN_IMAGE, Reason.NO_PIXEL_DATA)
_NUMBER_OF_FRAMES = "00280008"
"""What has it is a multi-frame image, also with one frame (PS3.3 C.7.6.6)."""
_PICTURES = [Offer(media_type=one) for one in PICTURES]


async def _retrieve(call: Call) -> Response:
    parameters = single_parameters(call.request)
    place, frame = place_of_query(parameters), frame_of(parameters)
    if parameters.get("anonymize") is not None:
        raise HttpError(406, "The server does not de-identify: omit the parameter anonymize.")
    state = state_of_query(parameters)
    lane = call.site.lanes.retrieve
    (stored,) = await lane.run(stored_of, call, place)
    asked = parameters.get("contentType")
    header = ", ".join(call.request.headers.getlist("accept"))
    accepted = Accepted(parse_accept(asked or header.strip() or "*/*"))
    # Without a content type it is a picture (PS3.18 9.3), but of what is no image.
    offer = accepted.require([*_PICTURES, Offer(media_type=DICOM)])
    if offer.media_type == DICOM:
        refuse_picture_parameters(parameters)
        return await _dicom(call, stored, parameters)
    if state is not None:
        return await _presented(call, stored, state, offer.media_type, parameters)
    picture = await lane.run(_picture, call, stored, frame, offer.media_type, parameters)
    if picture is None:
        if asked:
            raise HttpError(406, "The instance is not an image: request application/dicom.")
        refuse_picture_parameters(parameters)
        return await _dicom(call, stored, parameters)
    await audit_retrieval(call, AuditKind.INSTANCES_ACCESSED, [stored])
    return Response(picture.data, 200, {"content-type": picture.media_type, **annotation_warning(parameters)})


async def _presented(
    call: Call, stored: Stored, place: Place, media_type: str, parameters: Mapping[str, str]
) -> Response:
    """Answer with an image as a presentation state shows it (PS3.18 9.5.2.3): with the first of its frames."""
    rendering = presented_rendering_of(parameters, media_type, call.site.codecs.settings.max_pixels)
    lane = call.site.lanes.retrieve
    try:
        (state,) = await lane.run(stored_of, call, place)
    except NotFoundError:
        raise HttpError(400, "The server has no such presentation state (PS3.18 9.5.2.3).") from None
    read = await lane.run(read_state, call, state)
    images = await lane.run(presented_images, call, state, read)
    images = [one for one in images if one.stored.sop_uid == stored.sop_uid]
    if not images:
        raise HttpError(400, "The presentation state does not refer to the instance.")
    picture = await lane.run(first_picture, call, images, read, rendering)
    await audit_retrieval(call, AuditKind.INSTANCES_ACCESSED, [stored, state])
    return Response(picture.data, 200, {"content-type": picture.media_type, **annotation_warning(parameters)})


def _picture(call: Call, stored: Stored, frame: int, media_type: str, parameters: Mapping[str, str]) -> Picture | None:
    """Render a frame; None: it is no image."""
    codecs = call.site.codecs
    try:
        with codecs.open(ranges_of(call.site.services.storage, stored)) as image:
            if "frameNumber" in parameters and _NUMBER_OF_FRAMES not in image.header:
                raise HttpError(400, "The image has a single frame: omit the parameter frameNumber (PS3.18 9.5.2).")
            if not 1 <= frame <= image.frames:
                raise HttpError(400, f"The parameter frameNumber is from 1 to {image.frames} here (PS3.18 9.5.2).")
            return render(codecs, image, frame, rendering_of(parameters, media_type, image, codecs.settings.max_pixels))
    except DicomError as error:
        if error.reason in _NO_IMAGE:
            return None
        raise rendering_error(error) from error


async def _dicom(call: Call, stored: Stored, parameters: Mapping[str, str]) -> Response:
    uid = parameters.get("transferSyntax", "")
    if uid and not is_valid_uid(uid):
        raise HttpError(400, "The parameter transferSyntax has to be a UID (PS3.18 9.4).")
    offers = [one for one in dicom_offers(call.site.codecs, stored, single=True) if not one.multipart]
    wanted = MediaRange("application", "dicom", {"transfer-syntax": uid} if uid else {})
    offer = Accepted((wanted,)).require(offers)
    await audit_retrieval(call, AuditKind.INSTANCES_SENT, [stored])
    return await single_instance(call, stored, offer, {"content-type": DICOM})


def uri_endpoints(path: str) -> tuple[Endpoint, ...]:
    """Return the endpoint of WADO-URI.

    Args:
        path: the setting `web.uri_path`.
    """
    return (
        Endpoint(
            path=path,
            method="GET",
            action=Action.RETRIEVE,
            lane="retrieve",
            handler=_retrieve,
            name="retrieve by WADO-URI",
            beside=True,
            parameters=PARAMETERS,
            gives=(*PICTURES, DICOM),
        ),
    )
