"""Pictures by presentation states: the images that they refer to, shown as they say (PS3.18 8.3.5, PS3.4 N.2)."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import NamedTuple

from dicom_common.codecs import Picture, PresentationState, Rendering
from dicom_common.core import DicomError, NotFoundError, Stored
from dicom_common.web._call import Call
from dicom_common.web._links import shows_series
from dicom_common.web._rendering import rendering_error
from dicom_common.web._wado._converted import ranges_of

__all__ = ["PresentedImage", "first_picture", "is_state", "presented_images", "presented_pictures", "read_state"]

_SOFTCOPY = "1.2.840.10008.5.1.4.1.1.11."
"""The SOP Class UIDs of all softcopy presentation states begin so (PS3.6 table A-1)."""


class PresentedImage(NamedTuple):
    """A stored image that a presentation state is for."""

    stored: Stored
    frames: tuple[int, ...]
    """The numbers of its frames, from 1; none: all of them."""


def is_state(stored: Stored) -> bool:
    """Tell whether an instance is a presentation state."""
    return stored.sop_class_uid.startswith(_SOFTCOPY)


def read_state(call: Call, stored: Stored) -> PresentationState:
    """Read a presentation state. It blocks.

    Raises:
        HttpError: 406, it cannot be applied.
    """
    try:
        return call.site.codecs.presentation_state(ranges_of(call.site.services.storage, stored))
    except DicomError as error:
        raise rendering_error(error) from error


def presented_images(call: Call, stored: Stored, state: PresentationState) -> list[PresentedImage]:
    """Return those images of a state that are stored, and that the caller may see. It blocks.

    Args:
        call: the request.
        stored: the state; its images are a part of the same study (PS3.4 N.1).
        state: what it says.

    Raises:
        NotFoundError: there are none.
    """
    found = call.site.services.db.stored(call.tenant, [one.sop_uid for one in state.images])
    images = [
        PresentedImage(image, one.frames)
        for one in state.images
        if (image := found.get(one.sop_uid)) is not None
        and (image.study_uid, image.series_uid) == (stored.study_uid, one.series_uid)
        and shows_series(call.site.capabilities, call.request, image.series_uid)
    ]
    if not images:
        raise NotFoundError("The server has none of the images that the presentation state refers to.")
    return images


def first_picture(call: Call, images: list[PresentedImage], state: PresentationState, rendering: Rendering) -> Picture:
    """Render the first of the frames that a state is for. It blocks.

    Raises:
        HttpError: as in `render`.
    """
    with closing(presented_pictures(call, images, state, rendering)) as pictures:
        return next(pictures)


def presented_pictures(
    call: Call, images: list[PresentedImage], state: PresentationState, rendering: Rendering
) -> Generator[Picture, None, None]:
    """Render the frames that a state is for, in its order. It blocks.

    Raises, while iterating:
        HttpError: as in `render`.
    """
    codecs = call.site.codecs
    for stored, frames in images:
        try:
            with codecs.open(ranges_of(call.site.services.storage, stored)) as image:
                for number in frames or range(1, image.frames + 1):
                    yield codecs.render(image, number, rendering=rendering, state=state)
        except DicomError as error:
            raise rendering_error(error) from error
