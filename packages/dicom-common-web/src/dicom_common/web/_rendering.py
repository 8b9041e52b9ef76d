"""Pictures of frames: the parameters of a rendering, its entity tag, and what becomes of what is no picture."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from dicom_common.codecs import CodecReason, Codecs, Image, Picture, Rendering, Viewport, Window
from dicom_common.core import DicomError, Stored
from dicom_common.dicom import Reason
from dicom_common.web._endpoint import Parameter
from dicom_common.web._errors import HttpError

__all__ = [
    "PARAMETERS",
    "PICTURES",
    "annotation_warning",
    "entity_tag",
    "parse_number",
    "parse_rendering",
    "refuse_source_region",
    "render",
    "rendering_error",
]

PICTURES = ("image/jpeg", "image/png", "image/gif")
"""The media types of pictures, the default first (PS3.18 table 8.7.4-1)."""
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)
_PROFILES = ("no", "yes", "srgb", "adobergb", "rommrgb", "displayp3")
_ANNOTATIONS = ("patient", "technique")
PARAMETERS = (
    Parameter("quality", "The quality of a JPEG image.", {"type": "integer", "minimum": 1, "maximum": 100}),
    Parameter(
        "viewport", "The size of the rendered image, and its source region: vw,vh,sx,sy,sw,sh.", {"type": "string"}
    ),
    Parameter("window", "The VOI window: center,width,shape.", {"type": "string"}),
    Parameter("annotation", "Accepted; annotations are not burned in.", {"type": "string", "enum": list(_ANNOTATIONS)}),
    Parameter("iccprofile", "Accepted; profiles are not embedded.", {"type": "string", "enum": list(_PROFILES)}),
)
"""What `parse_rendering` understands."""
_NO_PICTURE = (CodecReason.NOT_AN_IMAGE, CodecReason.NO_SUCH_FRAME, Reason.NO_PIXEL_DATA)


def parse_rendering(parameters: Mapping[str, str], media_type: str, *, thumbnail: bool = False) -> Rendering:
    """Return the rendering that query parameters ask for (PS3.18 8.3.5).

    No annotation is burned in, and no profile is put in, whatever is asked for: both may be left out (8.3.5.1).

    Args:
        parameters: `quality`, `viewport`, `window`, `annotation`, `iccprofile`; others are ignored.
        media_type: of the picture.
        thumbnail: whether a picture without a viewport is a small one.

    Raises:
        HttpError: 400, a parameter is malformed.
    """
    if any(one not in _ANNOTATIONS for one in parameters.get("annotation", "patient").split(",")):
        raise HttpError(400, "The parameter annotation is patient, technique, or both, joined by a comma.")
    if parameters.get("iccprofile", "no") not in _PROFILES:
        raise HttpError(400, f"The parameter iccprofile is one of {', '.join(_PROFILES)}.")
    small = Viewport(width=128, height=128) if thumbnail else None
    try:
        return Rendering(
            media_type=media_type,  # type: ignore[arg-type]  # it is compared with the literals at run time
            quality=int(_whole("quality", parameters["quality"])) if "quality" in parameters else None,
            window=_window(parameters["window"]) if "window" in parameters else None,
            viewport=_viewport(parameters["viewport"]) if "viewport" in parameters else small,
        )
    except ValueError as error:
        raise HttpError(400, f"The rendering is not possible: {error}.") from None


def refuse_source_region(parameters: Mapping[str, str]) -> None:
    """Refuse a source region where none may be: of a thumbnail, and of a presentation state (PS3.18 8.3.5.1.3).

    Raises:
        HttpError: 400.
    """
    if parameters.get("viewport", "").count(",") > 1:
        raise HttpError(400, "The viewport of a thumbnail or a presentation state is vw,vh (PS3.18 8.3.5.1.3).")


def annotation_warning(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the header that says that annotations were asked for and left out (PS3.18 8.3.5.1.1)."""
    if "annotation" not in parameters:
        return {}
    # Each value is a keyword that `parse_rendering` knows.
    text = f"The following annotation values are not supported: {parameters['annotation']}"
    return {"warning": f'299 dicom-common "{text}"'}


def _viewport(text: str) -> Viewport:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (2, 6):
        raise HttpError(400, "The parameter viewport is vw,vh or vw,vh,sx,sy,sw,sh.")
    width, height = (int(_whole("viewport", part)) for part in parts[:2])
    if len(parts) == 2:
        return Viewport(width=width, height=height)
    x, y, source_width, source_height = (parse_number("viewport", part) if part else None for part in parts[2:])
    return Viewport(
        width=width,
        height=height,
        source_x=x or 0,
        source_y=y or 0,
        source_width=source_width,
        source_height=source_height,
    )


def _window(text: str) -> Window:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3:
        raise HttpError(400, "The parameter window is center,width,shape.")
    center, width = (parse_number("window", part) for part in parts[:2])
    return Window(center=center, width=width, shape=parts[2])  # type: ignore[arg-type]  # compared at run time


def _whole(name: str, text: str) -> str:
    if not _WHOLE.fullmatch(text):
        raise HttpError(400, f"The parameter {name} has to have whole numbers.")
    return text


def parse_number(name: str, text: str) -> float:
    """Return a number of a parameter.

    Raises:
        HttpError: 400, it is invalid.
    """
    if not _NUMBER.fullmatch(text):
        raise HttpError(400, f"The parameter {name} has to have numbers.")
    return float(text)


def render(codecs: Codecs, image: Image, frame: int, rendering: Rendering) -> Picture:
    """Render a frame. It blocks.

    Raises:
        HttpError: 404, there is no such picture; 406, it cannot be made.
    """
    try:
        return codecs.render(image, frame, rendering=rendering)
    except DicomError as error:
        raise rendering_error(error) from error


def rendering_error(error: DicomError) -> HttpError:
    """Return the answer where there is no picture."""
    if error.reason in _NO_PICTURE:
        return HttpError(
            404, "There is no such rendered image: the instance is not an image, or does not have this frame."
        )
    if error.reason == CodecReason.TOO_LARGE:
        return HttpError(400, "The rendered image would have too many pixels: request a smaller viewport.")
    if error.reason == CodecReason.NOT_PRESENTABLE:
        return HttpError(406, str(error))
    if error.reason == CodecReason.OUTSIDE:
        return HttpError(400, "The viewport shows no part of the image: choose a source region within it.")
    return HttpError(406, "The server cannot render this image: retrieve it as it is stored.")


def entity_tag(stored: Stored, frames: object, rendering: Rendering) -> str:
    """Return what changes where a picture does (RFC 9110 8.8.3)."""
    parts = f"{stored.sha256} {frames} {rendering!r}"
    return f'W/"{hashlib.sha256(parts.encode()).hexdigest()}"'
