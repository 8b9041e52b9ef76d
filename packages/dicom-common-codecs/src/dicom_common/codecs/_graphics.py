"""The graphic annotations of a presentation state (PS3.3 C.10.5, C.10.7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal

from dicom_common.codecs._attributes import Attributes, items, number, numbers, text
from dicom_common.codecs._presentation import Graphic, Points
from dicom_common.codecs._reasons import not_presentable

__all__ = ["graphics_of"]

_POINTS: Final[dict[str, tuple[int, int | None]]] = {
    "POINT": (1, 1),
    "POLYLINE": (2, None),
    "INTERPOLATED": (2, None),
    "CIRCLE": (2, 2),
    "ELLIPSE": (4, 4),
}
"""How many points a shape has: at least and at most."""
_ALIGNED: Final[dict[str, Literal["left", "center", "right"]]] = {"CENTER": "center", "RIGHT": "right"}
_WHITE: Final = 255


def graphics_of(header: Attributes, annotations: Iterable[Attributes]) -> list[Graphic]:
    """Return what is drawn on a picture.

    Args:
        header: the state's, with its layers.
        annotations: the items of its Graphic Annotation Sequence that are for the picture.

    Raises:
        DicomError: reason `not-presentable`: something of it cannot be drawn.
    """
    layers = {str(text(one, "00700002")): one for one in items(header, "00700060")}
    drawn: list[tuple[float, Graphic]] = []
    for annotation in annotations:
        if items(annotation, "00700209"):
            raise not_presentable("it has compound graphics")
        layer = layers.get(str(text(annotation, "00700002")), {})
        order, level = number(layer, "00700062") or 0, _level(layer)
        drawn += [(order, _shape(one, level)) for one in items(annotation, "00700009")]
        drawn += [(order, _text(one, level)) for one in items(annotation, "00700008")]
    return [graphic for _, graphic in sorted(drawn, key=lambda one: one[0])]


def _level(layer: Attributes) -> int:
    """Give the grey level of a layer: its own, or the lightness of its colour (PS3.3 C.10.7, C.10.7.1.1)."""
    found = number(layer, "00700066")
    if found is None:
        found = number(layer, "00700401")
    return _WHITE if found is None else min(_WHITE, max(0, int(found / 257 + 0.5)))


def _shape(item: Attributes, level: int) -> Graphic:
    kind: Any = text(item, "00700023")
    if kind not in _POINTS:
        raise not_presentable("it has graphics of an unknown type")
    least, most = _POINTS[kind]
    points = _pairs(numbers(item, "00700022"))
    if not least <= len(points) <= (most or len(points)) or number(item, "00700020") not in (2, None):
        raise not_presentable("its graphics cannot be read")
    return Graphic(
        kind=kind,
        points=points,
        of_display=_is_of_display(item, "00700005"),
        level=level,
        filled=text(item, "00700024") == "Y",
    )


def _text(item: Attributes, level: int) -> Graphic:
    box = _pairs(numbers(item, "00700010") + numbers(item, "00700011"))
    anchor = numbers(item, "00700014")
    if len(box) not in (0, 2) or len(anchor) not in (0, 2) or not (box or anchor):
        raise not_presentable("the place of a text cannot be read")
    return Graphic(
        kind="TEXT",
        points=box,
        of_display=bool(box) and _is_of_display(item, "00700003"),
        level=level,
        text="\n".join((text(item, "00700006") or "").replace("\t", " ").splitlines()),
        aligned=_ALIGNED.get(text(item, "00700012") or "", "left"),
        anchor=anchor,
        anchor_of_display=bool(anchor) and _is_of_display(item, "00700004"),
        anchor_shown=text(item, "00700015") == "Y",
    )


def _pairs(found: tuple[float, ...]) -> Points:
    if len(found) % 2:
        raise not_presentable("its graphics cannot be read")
    return tuple(zip(found[::2], found[1::2], strict=True))


def _is_of_display(item: Attributes, tag: str) -> bool:
    units = text(item, tag)
    if units not in ("PIXEL", "DISPLAY"):
        raise not_presentable("its graphics have other units than pixels and shares of the displayed area")
    return units == "DISPLAY"
