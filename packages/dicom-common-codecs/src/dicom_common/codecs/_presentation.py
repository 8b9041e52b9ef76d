"""What a worker process needs to show one frame as a presentation state specifies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

__all__ = ["DisplayedArea", "Graphic", "Points", "Presentation", "Shutter"]

Points = Sequence[Sequence[float]]
"""Places as pairs of a column and a row, or of shares of the displayed area."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutter:
    """What of an image is hidden (PS3.3 C.7.6.11)."""

    shapes: Sequence[tuple[str, Sequence[float]]]
    """Shapes, and the values of their attributes; what lies outside of one of them is hidden."""
    level: int
    """The grey level in place of what is hidden."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayedArea:
    """The part of an image that is shown, in whole pixels of it from 0; it may reach beyond the image."""

    left: int
    top: int
    right: int
    bottom: int
    sides: Sequence[float] = ()
    """Height and width of a pixel; none: those that the image says."""
    magnification: float | None = None
    """Pixels of the picture for a pixel of the image; None: what the viewport allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graphic:
    """A line, a shape or a text on the picture."""

    kind: Literal["POINT", "POLYLINE", "INTERPOLATED", "CIRCLE", "ELLIPSE", "TEXT"]
    points: Points
    """Of a text: two corners of its box, or none."""
    of_display: bool
    """Whether they are shares of the displayed area, and not columns and rows of the image."""
    level: int
    """Its grey level."""
    filled: bool = False
    text: str = ""
    aligned: Literal["left", "center", "right"] = "left"
    anchor: Sequence[float] = ()
    """The place that a text is for; none: it is for its box alone."""
    anchor_of_display: bool = False
    anchor_shown: bool = False
    """Whether a line goes from a text to its anchor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """How a frame is shown."""

    display: Mapping[str, Any]
    """The transformations of grey values, in place of those of the image, as DICOM JSON."""
    shutter: Shutter | None
    area: DisplayedArea
    rotation: int
    """Degrees clockwise: 0, 90, 180 or 270."""
    flipped: bool
    """Whether left and right are exchanged, behind the rotation."""
    graphics: Sequence[Graphic]
    """In the order in which they are drawn."""

    def as_json(self) -> dict[str, Any]:
        """Write it for the worker."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        return cls(
            display=told["display"],
            shutter=None if told["shutter"] is None else Shutter(**told["shutter"]),
            area=DisplayedArea(**told["area"]),
            rotation=told["rotation"],
            flipped=told["flipped"],
            graphics=[Graphic(**one) for one in told["graphics"]],
        )
