"""The parameters of WADO-URI (PS3.18 9.4, 9.5), as those of the newer services."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from dicom_common.codecs import Image, Rendering, Viewport, Window
from dicom_common.dicom import is_valid_uid
from dicom_common.web._endpoint import Parameter
from dicom_common.web._errors import HttpError
from dicom_common.web._rendering import parse_number, parse_rendering
from dicom_common.web._wado._place import Place

__all__ = [
    "PARAMETERS",
    "frame_of",
    "place_of_query",
    "presented_rendering_of",
    "refuse_picture_parameters",
    "rendering_of",
    "state_of_query",
]

_WHOLE = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_UIDS = ("studyUID", "seriesUID", "objectUID")
_STATE = ("presentationSeriesUID", "presentationUID")
_NOT_BESIDE_STATE = ("frameNumber", "region", "windowCenter", "windowWidth")
_OF_PICTURES = (*_NOT_BESIDE_STATE, *_STATE)
"""What asks for another content than the instance's own."""
_TEXT, _POSITIVE = {"type": "string"}, {"type": "integer", "minimum": 1}
PARAMETERS = (
    Parameter("requestType", "Always WADO.", {"type": "string", "enum": ["WADO"]}, required=True),
    *(
        Parameter(name, "Identifies the instance.", {"type": "string", "maxLength": 64}, required=True)
        for name in _UIDS
    ),
    Parameter("contentType", "The media type of the response.", _TEXT),
    Parameter("frameNumber", "The number of the frame to render.", _POSITIVE),
    Parameter("rows", "The height of the rendered image.", _POSITIVE),
    Parameter("columns", "The width of the rendered image.", _POSITIVE),
    Parameter("region", "The source region of the image, from 0 to 1: xmin,ymin,xmax,ymax.", _TEXT),
    Parameter("windowCenter", "The center of the VOI window.", {"type": "number"}),
    Parameter("windowWidth", "The width of the VOI window.", {"type": "number"}),
    Parameter("presentationSeriesUID", "The series of a presentation state to apply.", _TEXT),
    Parameter("presentationUID", "The presentation state to apply.", _TEXT),
    Parameter("imageQuality", "The quality of a JPEG image.", {"type": "integer", "minimum": 1, "maximum": 100}),
    Parameter("transferSyntax", "The transfer syntax of an application/dicom response.", _TEXT),
)
"""What a request of WADO-URI may have."""


def place_of_query(parameters: Mapping[str, str]) -> Place:
    """Return which object is asked for.

    Raises:
        HttpError: 400, the request is not one of WADO, or a UID is absent or none.
    """
    if parameters.get("requestType") != "WADO":
        raise HttpError(400, "The parameter requestType has to be WADO (PS3.18 9.4.1).")
    for name in _UIDS:
        if not is_valid_uid(parameters.get(name, "")):
            raise HttpError(400, f"The parameter {name} has to be a UID (PS3.18 9.4).")
    return Place(*(parameters[name] for name in _UIDS))


def frame_of(parameters: Mapping[str, str]) -> int:
    """Return which frame is asked for; the first by default.

    Raises:
        HttpError: 400, it is no number from 1 on.
    """
    return _whole(parameters, "frameNumber") or 1


def refuse_picture_parameters(parameters: Mapping[str, str]) -> None:
    """Refuse parameters of a picture in a request for the instance itself (PS3.18 9.1.2.1, 9.5.1.2.6).

    Raises:
        HttpError: 400.
    """
    for name in _OF_PICTURES:
        if name in parameters:
            raise HttpError(400, f"The parameter {name} is for rendered images, not for application/dicom: omit it.")


def state_of_query(parameters: Mapping[str, str]) -> Place | None:
    """Return which presentation state is to be applied; None: none is.

    Raises:
        HttpError: 400, one of its two UIDs is absent or invalid, or a parameter is there that must not be beside it
            (PS3.18 9.5.1.2.7, 9.5.2.3).
    """
    if not any(name in parameters for name in _STATE):
        return None
    for name in _STATE:
        if not is_valid_uid(parameters.get(name, "")):
            raise HttpError(400, f"The parameters {' and '.join(_STATE)} have to be UIDs, and used together.")
    for name in _NOT_BESIDE_STATE:
        if name in parameters:
            raise HttpError(400, f"The parameter {name} cannot be used with a presentation state (PS3.18 9.5.2.3).")
    return Place(parameters["studyUID"], *(parameters[name] for name in _STATE))


def presented_rendering_of(parameters: Mapping[str, str], media_type: str, max_pixels: int) -> Rendering:
    """Return how a frame is to be rendered that a presentation state shows: it has proportions of its own.

    Args:
        parameters: `rows`, `columns`, `imageQuality`, `annotation`.
        media_type: of the picture.
        max_pixels: the most that a viewport may have.

    Raises:
        HttpError: 400, a parameter is malformed.
    """
    rendering = _named_rendering(parameters, media_type)
    sizes = _sizes(parameters, (1, 1), max_pixels)
    return rendering if sizes is None else replace(rendering, viewport=Viewport(width=sizes[0], height=sizes[1]))


def _named_rendering(parameters: Mapping[str, str], media_type: str) -> Rendering:
    _whole(parameters, "imageQuality")
    named = {"quality": "imageQuality", "annotation": "annotation"}
    return parse_rendering(
        {name: parameters[given] for name, given in named.items() if given in parameters}, media_type
    )


def rendering_of(parameters: Mapping[str, str], media_type: str, image: Image, max_pixels: int) -> Rendering:
    """Return how the frame is to be rendered.

    Args:
        parameters: `rows`, `columns`, `region`, `windowCenter` and `windowWidth`, `imageQuality`, `annotation`.
        media_type: of the picture.
        image: the instance, whose size a region is a part of.
        max_pixels: the most that a viewport may have.

    Raises:
        HttpError: 400, a parameter is malformed.
    """
    try:
        return replace(
            _named_rendering(parameters, media_type),
            window=_window(parameters),
            viewport=_viewport(parameters, image.instance.rows or 1, image.instance.columns or 1, max_pixels),
        )
    except ValueError as error:
        raise HttpError(400, f"The rendering is not possible: {error}.") from None


def _window(parameters: Mapping[str, str]) -> Window | None:
    given = [name for name in ("windowCenter", "windowWidth") if name in parameters]
    if not given:
        return None
    if len(given) == 1:
        raise HttpError(400, "The parameters windowCenter and windowWidth have to be used together.")
    center, width = (parse_number(name, parameters[name]) for name in given)
    return Window(center=center, width=width)


def _viewport(parameters: Mapping[str, str], rows: int, columns: int, max_pixels: int) -> Viewport | None:
    region = parameters.get("region")
    if region is None:
        sizes = _sizes(parameters, (columns, rows), max_pixels)
        return None if sizes is None else Viewport(width=sizes[0], height=sizes[1])
    ends = [parse_number("region", part.strip()) for part in region.split(",")]
    if len(ends) != 4 or not (0 <= ends[0] < ends[2] <= 1 and 0 <= ends[1] < ends[3] <= 1):
        raise HttpError(400, "The parameter region is xmin,ymin,xmax,ymax, from 0 to 1, with min below max.")
    left, top, right, bottom = ends[0] * columns, ends[1] * rows, ends[2] * columns, ends[3] * rows
    part = right - left, bottom - top
    width, height = _sizes(parameters, part, max_pixels) or (max(1, round(part[0])), max(1, round(part[1])))
    return Viewport(
        width=width, height=height, source_x=left, source_y=top, source_width=part[0], source_height=part[1]
    )


def _sizes(parameters: Mapping[str, str], part: tuple[float, float], max_pixels: int) -> tuple[int, int] | None:
    """Return the most columns and rows of the picture; None: none are asked for.

    One that is not given follows from the proportions of what is shown (PS3.18 9.5.2.5), which pixels that are not
    square change: so it is left as free as a picture may be, and at least what square pixels need.

    Args:
        parameters: `rows` and `columns`.
        part: the width and the height of what is shown, in pixels of the image.
        max_pixels: the most that a picture may have.
    """
    height, width = _whole(parameters, "rows"), _whole(parameters, "columns")
    if height is None and width is None:
        return None
    if width is None:
        width = max(1, round((height or 1) * part[0] / part[1]), max_pixels // (height or 1))
    if height is None:
        height = max(1, round(width * part[1] / part[0]), max_pixels // width)
    return width, height


def _whole(parameters: Mapping[str, str], name: str) -> int | None:
    text = parameters.get(name)
    if text is None:
        return None
    if not _WHOLE.fullmatch(text):
        raise HttpError(400, f"The parameter {name} has to be a whole number, 1 or above.")
    return int(text)
