"""Pictures of studies, series, instances and frames: rendered, and as thumbnails (PS3.18 10.4.1.1.3, 10.4.1.1.4).

A body of one picture is that of the first frame that was asked for; of a study or series it is the first image. As
`multipart/related` an instance gives all its frames, a study or series the first frame of each image: with status 206
where there are images that the server cannot decode. A presentation state gives the frames that it is for, as it
shows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice

from starlette.responses import Response

from dicom_common.codecs import Picture, Rendering
from dicom_common.core import AuditKind, DicomError, Stored
from dicom_common.host import Action
from dicom_common.web._auditing import audit_retrieval
from dicom_common.web._call import Call
from dicom_common.web._endpoint import Endpoint
from dicom_common.web._entity_tags import has_current
from dicom_common.web._errors import HttpError
from dicom_common.web._multipart import Part
from dicom_common.web._negotiation import Offer, accepted_by
from dicom_common.web._parameters import single_parameters
from dicom_common.web._rendering import (
    PARAMETERS,
    PICTURES,
    annotation_warning,
    entity_tag,
    parse_rendering,
    refuse_source_region,
    render,
    rendering_error,
)
from dicom_common.web._wado._body import Attempt, stream_parts
from dicom_common.web._wado._converted import ranges_of
from dicom_common.web._wado._frames import frame_numbers
from dicom_common.web._wado._offers import decodes
from dicom_common.web._wado._place import INSTANCE, LEVELS, location_of, place_of, stored_of
from dicom_common.web._wado._presentations import (
    first_picture,
    is_state,
    presented_images,
    presented_pictures,
    read_state,
)

__all__ = ["RENDERED"]

_SEARCHED = 100
"""Instances of a study or series that are looked at for one that is an image."""


async def _retrieve(call: Call, *, thumbnail: bool) -> Response:
    place, parameters = place_of(call), single_parameters(call.request)
    asked = call.request.path_params.get("frames")
    numbers = frame_numbers(asked) if asked is not None else None
    accepted = accepted_by(call.request)
    many = not thumbnail and (numbers is None or len(numbers) > 1)
    forms = (True,) if many and numbers is not None else (False, True) if many else (False,)
    offer = accepted.require([Offer(media_type=one, multipart=form) for form in forms for one in PICTURES])
    rendering = parse_rendering(parameters, offer.media_type, thumbnail=thumbnail)
    if thumbnail:
        refuse_source_region(parameters)
    lane = call.site.lanes.retrieve
    stored = await lane.run(stored_of, call, place)
    if place.instance is not None and many and numbers is None and is_state(stored[0]):
        return await _presented(call, stored[0], offer, rendering, parameters)
    headers = {"cache-control": "private, no-cache"} | ({} if thumbnail else annotation_warning(parameters))
    if place.instance is not None:
        headers["etag"] = entity_tag(stored[0], (numbers, offer.multipart), rendering)
        if has_current(call.request, headers["etag"]):
            return Response(None, 304, headers)
    else:
        stored = [one for one in stored if not is_state(one)]
    if offer.multipart:
        shown, attempt = stored, Attempt()
        if place.instance is None:
            # Where there is no other one, the first that is tried tells why.
            shown = [one for one in stored if decodes(call.site.codecs, one.transfer_syntax_uid)] or stored
            pictures = _first_frames(call, shown, rendering, attempt)
        else:
            pictures = _all_frames(call, stored[0], numbers, rendering)
        await audit_retrieval(call, AuditKind.INSTANCES_ACCESSED, shown)
        status = 200 if len(shown) == len(stored) else 206
        return await stream_parts(call, offer, _parts(pictures), status=status, headers=headers, attempt=attempt)
    one, picture = await lane.run(_picture, call, stored, (numbers or [1])[0], rendering)
    await audit_retrieval(call, AuditKind.INSTANCES_ACCESSED, [one])
    return Response(picture.data, 200, {**headers, "content-type": picture.media_type})


async def _presented(
    call: Call, stored: Stored, offer: Offer, rendering: Rendering, parameters: Mapping[str, str]
) -> Response:
    """Answer with the frames of a presentation state: with all of them, or with the first."""
    refuse_source_region(parameters)
    if rendering.window is not None:
        raise HttpError(400, "A presentation state has a window of its own: omit the parameter (PS3.18 8.3.5.1.4).")
    lane = call.site.lanes.retrieve
    state = await lane.run(read_state, call, stored)
    images = await lane.run(presented_images, call, stored, state)
    shown = images if offer.multipart else images[:1]
    await audit_retrieval(call, AuditKind.INSTANCES_ACCESSED, [stored, *(one.stored for one in shown)])
    headers = {"cache-control": "private, no-cache", **annotation_warning(parameters)}
    if not offer.multipart:
        picture = await lane.run(first_picture, call, images, state, rendering)
        return Response(picture.data, 200, {**headers, "content-type": picture.media_type})
    location = f"{location_of(call, stored)}/rendered"
    parts = _parts((location, one) for one in presented_pictures(call, images, state, rendering))
    status = 200 if len(images) == len(state.images) else 206
    return await stream_parts(call, offer, parts, status=status, headers=headers, attempt=Attempt())


def _picture(call: Call, stored: list[Stored], frame: int, rendering: Rendering) -> tuple[Stored, Picture]:
    """Render the first of instances that is an image."""
    none: HttpError | None = None
    for one in islice(stored, _SEARCHED):
        try:
            return one, _rendered(call, one, frame, rendering)
        except HttpError as error:
            none = none or error
    raise none or _no_image()


def _rendered(call: Call, stored: Stored, frame: int, rendering: Rendering) -> Picture:
    codecs = call.site.codecs
    try:
        with codecs.open(ranges_of(call.site.services.storage, stored)) as image:
            return render(codecs, image, frame, rendering)
    except DicomError as error:
        raise rendering_error(error) from error


def _all_frames(
    call: Call, stored: Stored, numbers: list[int] | None, rendering: Rendering
) -> Iterator[tuple[str, Picture]]:
    codecs = call.site.codecs
    try:
        with codecs.open(ranges_of(call.site.services.storage, stored)) as image:
            for number in numbers or range(1, image.frames + 1):
                location = f"{location_of(call, stored)}/frames/{number}/rendered"
                yield location, render(codecs, image, number, rendering)
    except DicomError as error:
        raise rendering_error(error) from error


def _first_frames(
    call: Call, stored: list[Stored], rendering: Rendering, attempt: Attempt
) -> Iterator[tuple[str, Picture]]:
    failed: HttpError | None = None
    is_empty = True
    for one in stored:
        try:
            picture = _rendered(call, one, 1, rendering)
        except HttpError as error:
            if error.status != 404:  # it is an image
                attempt.leave_out(error)
                failed = failed or error
            continue
        yield f"{location_of(call, one)}/rendered", picture
        is_empty = False
    if is_empty:
        raise failed or _no_image()


def _no_image() -> HttpError:
    return HttpError(404, "There is no image.")


def _parts(pictures: Iterator[tuple[str, Picture]]) -> Iterator[Part]:
    for location, picture in pictures:
        yield Part({"Content-Type": picture.media_type, "Content-Location": location}, iter((picture.data,)))


def _endpoint(path: str, what: str) -> Endpoint:
    return Endpoint(
        path=f"{path}/{what}",
        method="GET",
        action=Action.RETRIEVE,
        lane="retrieve",
        handler=partial(_retrieve, thumbnail=what == "thumbnail"),
        name=f"retrieve {path}/{what}",
        parameters=PARAMETERS,
        gives=PICTURES,
    )


RENDERED = tuple(
    _endpoint(path, what) for path in (*LEVELS, f"{INSTANCE}/frames/{{frames}}") for what in ("rendered", "thumbnail")
)
