"""From levels to the bytes of a picture: the part that is shown, its size, the file format."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from dicom_common.codecs._attributes import Attributes, numbers
from dicom_common.codecs._reasons import CodecReason
from dicom_common.codecs._rendering import Picture, Rendering, Viewport
from dicom_common.core import DicomError

__all__ = ["aspect_of", "fitting", "in_proportion", "picture", "written"]

_QUALITY: Final = 90
_SQUARE: Final = 0.01
"""Pixels whose sides differ by less are square: it is rounding."""
_LONGEST: Final = 32
"""No detector has pixels of longer proportions: whoever says so means something else."""


class _Cut(NamedTuple):
    """A part of the image, in columns and rows, and the size that it gets."""

    box: tuple[float, float, float, float]
    size: tuple[int, int]


def picture(levels: npt.NDArray[np.uint8], display: Attributes, rendering: Rendering, max_pixels: int) -> Picture:
    """Scale levels of grey or of red, green and blue, and write them.

    Raises:
        DicomError: reason `outside`: the viewport shows no part of the image.
    """
    image = Image.fromarray(np.ascontiguousarray(levels))
    aspect = aspect_of(display)
    cut = (
        _Cut((0, 0, *image.size), in_proportion(image.size, aspect, max_pixels))
        if rendering.viewport is None
        else _part(image.size, aspect, rendering.viewport)
    )
    if cut.size != image.size or cut.box != (0, 0, *image.size):
        image = image.resize(cut.size, Image.Resampling.BICUBIC, cut.box)
    if rendering.viewport is not None:
        image = _flipped(image, rendering.viewport)
    return Picture(
        media_type=rendering.media_type, data=written(image, rendering), width=image.width, height=image.height
    )


def aspect_of(display: Attributes, sides: Sequence[float] = ()) -> float:
    """Give the height of a pixel in widths of it (PS3.3 C.7.6.3.1.7, 10.7.1.3); 1 where nothing says otherwise.

    Args:
        display: the attributes of the image.
        sides: what counts before them.
    """
    for found in (sides, *(numbers(display, tag) for tag in ("00280030", "00280034", "00181164", "00182010"))):
        if len(found) == 2 and found[0] > 0 and found[1] > 0:
            aspect = found[0] / found[1]
            return aspect if 1 / _LONGEST <= aspect <= _LONGEST and abs(aspect - 1) > _SQUARE else 1
    return 1


def in_proportion(size: tuple[int, int], aspect: float, max_pixels: int) -> tuple[int, int]:
    """Give the size of a picture that shows each pixel at least once, in true proportions."""
    width, height = size
    shown = (width, round(height * aspect)) if aspect >= 1 else (round(width / aspect), height)
    return shown if shown[0] * shown[1] <= max_pixels else size


def fitting(size: tuple[float, float], aspect: float, viewport: Viewport) -> tuple[int, int]:
    """Give the largest size of a picture that fits a viewport, in true proportions."""
    width, height = size[0], size[1] * aspect
    scale = min(viewport.width / width, viewport.height / height)
    return max(1, min(viewport.width, round(width * scale))), max(1, min(viewport.height, round(height * scale)))


def _part(size: tuple[int, int], aspect: float, viewport: Viewport) -> _Cut:
    left, top = viewport.source_x, viewport.source_y
    right = size[0] if viewport.source_width is None else min(size[0], left + abs(viewport.source_width))
    bottom = size[1] if viewport.source_height is None else min(size[1], top + abs(viewport.source_height))
    if right <= left or bottom <= top:
        raise DicomError(CodecReason.OUTSIDE, "The viewport shows a part that lies outside the image.")
    return _Cut((left, top, right, bottom), fitting((right - left, bottom - top), aspect, viewport))


def _flipped(image: Image.Image, viewport: Viewport) -> Image.Image:
    if viewport.source_width is not None and viewport.source_width < 0:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if viewport.source_height is not None and viewport.source_height < 0:
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return image


def written(image: Image.Image, rendering: Rendering) -> bytes:
    """Write a picture in the file format of a rendering."""
    out = io.BytesIO()
    options: dict[str, Any] = {}
    if rendering.media_type == "image/jpeg":
        quality = rendering.quality or _QUALITY
        options = {"quality": quality, "subsampling": 0 if quality >= _QUALITY else 2}
    image.save(out, rendering.media_type.removeprefix("image/").upper(), **options)
    return out.getvalue()
