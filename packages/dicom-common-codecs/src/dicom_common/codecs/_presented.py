"""A frame as a presentation state shows it (PS3.4 N.2.3): shutter, displayed area, rotation, and annotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from dicom_common.codecs._annotations import draw
from dicom_common.codecs._attributes import Attributes
from dicom_common.codecs._pictures import aspect_of, fitting, in_proportion, written
from dicom_common.codecs._presentation import Presentation, Shutter
from dicom_common.codecs._reasons import CodecReason
from dicom_common.codecs._rendering import Picture, Rendering
from dicom_common.core import DicomError

__all__ = ["presented_picture"]

Levels = npt.NDArray[np.uint8]
_TURNED: Final = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}
"""Pillow turns counterclockwise."""


def presented_picture(
    levels: Levels, display: Attributes, presentation: Presentation, rendering: Rendering, max_pixels: int
) -> Picture:
    """Make the picture of a frame.

    Args:
        levels: grey levels of the whole frame.
        display: what the image says of the sides of its pixels.
        presentation: what the state says.
        rendering: the file format, and the size.
        max_pixels: of the displayed area, and of the picture.

    Raises:
        DicomError: reason `too-large`, `not-presentable`.
    """
    area = presentation.area
    aspect = aspect_of(display, area.sides)
    size = (area.right - area.left, area.bottom - area.top)
    _require_within(size, max_pixels)
    image = Image.fromarray(np.ascontiguousarray(_shuttered(levels, presentation.shutter, aspect)))
    image = image.crop((area.left, area.top, area.right, area.bottom))
    if presentation.rotation:
        image = image.transpose(_TURNED[presentation.rotation])
    if presentation.flipped:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if presentation.rotation in (90, 270):
        aspect = 1 / aspect
    viewport = rendering.viewport
    if area.magnification is not None:
        shown = (round(image.width * area.magnification), round(image.height * aspect * area.magnification))
        shown = (max(1, shown[0]), max(1, shown[1]))
    elif viewport is not None:
        shown = fitting(image.size, aspect, viewport)
    else:
        shown = in_proportion(image.size, aspect, max_pixels)
    _require_within(shown, max_pixels)
    if shown != image.size:
        image = image.resize(shown, Image.Resampling.BICUBIC)
    draw(image, presentation)
    if viewport is not None and area.magnification is not None:
        image = image.crop((0, 0, min(viewport.width, image.width), min(viewport.height, image.height)))
    return Picture(
        media_type=rendering.media_type, data=written(image, rendering), width=image.width, height=image.height
    )


def _require_within(size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise DicomError(CodecReason.TOO_LARGE, "The displayed area has more pixels than codecs.max_pixels.")


def _shuttered(levels: Levels, shutter: Shutter | None, aspect: float) -> Levels:
    """Hide what lies outside of the shutter; its attributes count columns and rows from 1 (PS3.3 C.7.6.11.1)."""
    if shutter is None:
        return levels
    rows, columns = levels.shape
    mask = np.ones(levels.shape, bool)
    for shape, given in shutter.shapes:
        if shape == "RECTANGULAR":
            left, right, upper, lower = (max(0, int(one)) for one in given)
            inside = np.zeros(levels.shape, bool)
            inside[max(0, upper - 1) : lower, max(0, left - 1) : right] = True
        elif shape == "CIRCULAR":
            row, column, radius = given
            down, across = np.ogrid[1 : rows + 1, 1 : columns + 1]
            # The radius counts pixels along a row.
            inside = ((down - row) * aspect) ** 2 + (across - column) ** 2 <= radius**2
        else:
            inside = _polygon(given, columns, rows)
        mask &= inside
    return np.where(mask, levels, np.uint8(shutter.level))


def _polygon(vertices: Sequence[float], columns: int, rows: int) -> npt.NDArray[np.bool_]:
    image = Image.new("1", (columns, rows))
    ImageDraw.Draw(image).polygon([(x - 1, y - 1) for y, x in zip(vertices[::2], vertices[1::2], strict=True)], fill=1)
    return np.asarray(image)
