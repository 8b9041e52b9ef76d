"""What a rendered picture is to look like (PS3.18 8.3.5), and the picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, Literal, Self, get_args

__all__ = ["MediaType", "Picture", "Rendering", "Viewport", "Window", "WindowShape"]

MediaType = Literal["image/jpeg", "image/png", "image/gif"]
WindowShape = Literal["linear", "linear-exact", "sigmoid"]


@dataclass(frozen=True, kw_only=True)
class Window:
    """A VOI window, in the unit of the modality LUT's output (PS3.3 C.11.2.1.2, C.11.2.1.3).

    Raises:
        ValueError: the width is below 1 (`linear`) or not above 0, or a number is not finite.
    """

    center: float
    width: float
    shape: WindowShape = "linear"

    def __post_init__(self) -> None:
        """Refuse what the standard's formulae cannot take."""
        if self.shape not in get_args(WindowShape):
            raise ValueError(f"the shape of a window has to be one of {', '.join(get_args(WindowShape))}")
        if not (isfinite(self.center) and isfinite(self.width)):
            raise ValueError("the center and the width of a window have to be finite numbers")
        if self.width < 1 if self.shape == "linear" else self.width <= 0:
            raise ValueError("the width of a linear window has to be at least 1, that of the other shapes above 0")


@dataclass(frozen=True, kw_only=True)
class Viewport:
    """The size of the picture, and the part of the image that it shows (PS3.18 8.3.5.1.3).

    The part is scaled to the largest size that fits `width` and `height` and keeps its proportions; the picture has
    that size. Pixels that are not square (PS3.3 C.7.6.3.1.7) are shown in their true proportions.

    Raises:
        ValueError: a size is not positive, or an offset is negative.
    """

    width: int
    height: int
    source_x: float = 0
    """The left edge of the part, in columns of the image."""
    source_y: float = 0
    """The upper edge of the part, in rows of the image."""
    source_width: float | None = None
    """Columns of the part; None: up to the right edge. A negative one flips the picture horizontally."""
    source_height: float | None = None
    """Rows of the part; None: down to the lower edge. A negative one flips the picture vertically."""

    def __post_init__(self) -> None:
        """Refuse what is no rectangle."""
        if self.width < 1 or self.height < 1:
            raise ValueError("the width and the height of a viewport have to be at least 1")
        if not (0 <= self.source_x < 65536 and 0 <= self.source_y < 65536):
            raise ValueError("the source of a viewport has to begin at a positive offset within the image")
        for size in (self.source_width, self.source_height):
            if size is not None and not 0 < abs(size) <= 65535:
                raise ValueError("the source of a viewport has to have a width and a height other than 0")


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """How to render a frame. Nothing is burned in: no annotation, no overlay, no text but that of a presentation state.

    Raises:
        ValueError: the media type is not offered, or `quality` is not from 1 to 100.
    """

    media_type: MediaType = "image/jpeg"
    quality: int | None = None
    """1 to 100 for JPEG, ignored otherwise; None: 90."""
    window: Window | None = None
    """In place of the VOI transformation of the instance; ignored for colour images (PS3.3 C.11.2.1.2)."""
    viewport: Viewport | None = None
    """None: all of the image, each pixel of it once."""

    def __post_init__(self) -> None:
        """Refuse what is not offered."""
        if self.media_type not in get_args(MediaType):
            raise ValueError(f"the media type of a rendering has to be one of {', '.join(get_args(MediaType))}")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise ValueError("the quality of a rendering has to be from 1 to 100")

    @classmethod
    def thumbnail(cls, size: int = 128, media_type: MediaType = "image/jpeg") -> Self:
        """Make the rendering of a thumbnail whose longer side has `size` pixels (PS3.18 10.4.1.1.4)."""
        return cls(media_type=media_type, viewport=Viewport(width=size, height=size))

    def as_json(self) -> dict[str, Any]:
        """Write it for the worker."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        window, viewport = told["window"], told["viewport"]
        return cls(
            media_type=told["media_type"],
            quality=told["quality"],
            window=None if window is None else Window(**window),
            viewport=None if viewport is None else Viewport(**viewport),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A rendered frame."""

    media_type: str
    data: bytes = field(repr=False)
    width: int
    height: int
