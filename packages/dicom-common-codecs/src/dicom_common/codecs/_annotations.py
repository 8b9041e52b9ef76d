"""Graphic annotations drawn on a picture (PS3.3 C.10.5), each with a rim that shows on any ground."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import hypot, tau
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dicom_common.codecs._presentation import Graphic, Presentation
from dicom_common.codecs._reasons import not_presentable

__all__ = ["draw"]

Point = tuple[float, float]
Place = Callable[[Sequence[float], bool], Point]
_STEPS: Final = 128
"""Sides of the polygon that stands for an ellipse."""
_BETWEEN: Final = 8
"""Lines between two points of an interpolated curve."""
_SMALLEST, _LARGEST = 9, 200
"""The height of letters, in pixels."""
_SPACES: Final = frozenset(" \n")


def draw(image: Image.Image, presentation: Presentation) -> None:
    """Draw the graphics of a presentation on the picture of its displayed area.

    Raises:
        DicomError: reason `not-presentable`: a text has characters that no font here has.
    """
    place = _places(presentation, image.size)
    pen = ImageDraw.Draw(image)
    for graphic in presentation.graphics:
        if graphic.kind == "TEXT":
            _text(pen, graphic, place, image.size)
        else:
            _shape(pen, graphic, place, max(1, round(max(image.size) / 500)))


def _places(presentation: Presentation, size: tuple[int, int]) -> Place:
    """Return what tells where a point is on the picture."""
    area = presentation.area
    width, height = area.right - area.left, area.bottom - area.top

    def place(point: Sequence[float], of_display: bool) -> Point:
        x, y = point
        if of_display:
            return x * size[0], y * size[1]
        share_x, share_y = (x - area.left) / width, (y - area.top) / height
        turned = {
            0: (share_x, share_y),
            90: (1 - share_y, share_x),
            180: (1 - share_x, 1 - share_y),
            270: (share_y, 1 - share_x),
        }[presentation.rotation]
        return (1 - turned[0] if presentation.flipped else turned[0]) * size[0], turned[1] * size[1]

    return place


def _shape(pen: ImageDraw.ImageDraw, graphic: Graphic, place: Place, width: int) -> None:
    points = [place(one, graphic.of_display) for one in graphic.points]
    if graphic.kind == "POINT":
        (x, y), radius = points[0], width + 1
        box = (x - radius, y - radius, x + radius, y + radius)
        pen.ellipse(box, fill=graphic.level, outline=_rim(graphic.level))
        return
    if graphic.kind == "CIRCLE":
        (x, y), on = points[0], points[1]
        radius_of = hypot(on[0] - x, on[1] - y)
        points = _ellipse((x, y), (radius_of, 0), (0, radius_of))
    elif graphic.kind == "ELLIPSE":
        a, b, c, d = points
        middle = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2)
        points = _ellipse(middle, _half(a, b), _half(c, d))
    elif graphic.kind == "INTERPOLATED":
        points = _curve(points)
    closed = points[0] == points[-1]
    if graphic.filled and closed:
        pen.polygon(points, fill=graphic.level)
    pen.line(points, fill=_rim(graphic.level), width=width + 2, joint="curve")
    pen.line(points, fill=graphic.level, width=width, joint="curve")


def _rim(level: int) -> int:
    return 0 if level >= 128 else 255


def _half(one: Point, other: Point) -> Point:
    return (other[0] - one[0]) / 2, (other[1] - one[1]) / 2


def _ellipse(middle: Point, first: Point, second: Point) -> list[Point]:
    """Give an ellipse by two conjugate radii, closed."""
    angles = np.linspace(0, tau, _STEPS + 1)
    x = middle[0] + np.cos(angles) * first[0] + np.sin(angles) * second[0]
    y = middle[1] + np.cos(angles) * first[1] + np.sin(angles) * second[1]
    found = list(zip(x.tolist(), y.tolist(), strict=True))
    return [*found[:-1], found[0]]


def _curve(points: list[Point]) -> list[Point]:
    """Give a curve through all points (Catmull-Rom); which one it is, PS3.3 C.10.5.2 leaves open."""
    closed = points[0] == points[-1] and len(points) > 2
    before = points[-2] if closed else points[0]
    behind = points[1] if closed else points[-1]
    known = np.array([before, *points, behind])
    steps = np.linspace(0, 1, _BETWEEN, endpoint=False)[:, None]
    found: list[Point] = []
    for p0, p1, p2, p3 in zip(known, known[1:], known[2:], known[3:], strict=False):
        bends = 2 * p1 + (p2 - p0) * steps
        bends = bends + (2 * p0 - 5 * p1 + 4 * p2 - p3) * steps**2 + (3 * p1 - p0 - 3 * p2 + p3) * steps**3
        found += [(float(x), float(y)) for x, y in bends / 2]
    return [*found, points[-1]]


def _text(pen: ImageDraw.ImageDraw, graphic: Graphic, place: Place, size: tuple[int, int]) -> None:
    if not graphic.text.strip():
        return
    corners = [place(one, graphic.of_display) for one in graphic.points]
    anchor = place(graphic.anchor, graphic.anchor_of_display) if graphic.anchor else None
    if corners:
        left, right = sorted(x for x, _ in corners)
        top, bottom = sorted(y for _, y in corners)
        font = _fitting(pen, graphic.text, right - left, bottom - top)
    elif anchor is not None:
        font = _font(max(_SMALLEST, round(min(size) / 32)))
        left, top = right, bottom = anchor[0] + font.size / 2, anchor[1] - font.size
    else:
        return
    _require_letters(graphic.text, font)
    box = pen.multiline_textbbox((0, 0), graphic.text, font)
    width, height = box[2] - box[0], box[3] - box[1]
    free = max(0.0, right - left - width) * {"left": 0.0, "center": 0.5, "right": 1.0}[graphic.aligned]
    x = min(max(0.0, left + free), max(0.0, size[0] - width))
    y = min(max(0.0, top), max(0.0, size[1] - height))
    rim = _rim(graphic.level)
    if anchor is not None and graphic.anchor_shown:
        end = (min(max(anchor[0], x), x + width), min(max(anchor[1], y), y + height))
        pen.line([anchor, end], fill=rim, width=3)
        pen.line([anchor, end], fill=graphic.level, width=1)
    pen.multiline_text(
        (x - box[0], y - box[1]),
        graphic.text,
        fill=graphic.level,
        font=font,
        align=graphic.aligned,
        stroke_width=1,
        stroke_fill=rim,
    )


def _fitting(pen: ImageDraw.ImageDraw, text: str, width: float, height: float) -> ImageFont.FreeTypeFont:
    """Give the largest font in which a text fits its box; no smaller one than can be read."""
    size = min(_LARGEST, max(_SMALLEST, int(height / (text.count("\n") + 1))))
    while size > _SMALLEST:
        box = pen.multiline_textbbox((0, 0), text, _font(size))
        if box[2] - box[0] <= width and box[3] - box[1] <= height:
            break
        size = max(_SMALLEST, size * 7 // 8)
    return _font(size)


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise not_presentable("it has text, and Pillow is installed without FreeType")
    return font


def _require_letters(text: str, font: ImageFont.FreeTypeFont) -> None:
    """Refuse a text that would be shown with boxes in place of letters."""
    absent = bytes(font.getmask("\uffff"))
    if any(bytes(font.getmask(one)) == absent for one in set(text) - _SPACES):
        raise not_presentable("it has text with characters that the font of the server does not have")
