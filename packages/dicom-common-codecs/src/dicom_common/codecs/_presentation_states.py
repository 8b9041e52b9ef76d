"""Grayscale Softcopy Presentation States (PS3.3 A.33.1): what they say of a frame, or why it cannot be shown so.

What a state says is shown wholly or not at all: a picture that lacks a mark, a shutter or a subtraction could mislead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from dicom_common.codecs._attributes import Attributes, items, number, numbers, text, values
from dicom_common.codecs._graphics import graphics_of
from dicom_common.codecs._images import Image
from dicom_common.codecs._presentation import DisplayedArea, Presentation, Shutter
from dicom_common.codecs._reasons import not_presentable

__all__ = ["PresentationState", "ReferencedImage"]

_GRAYSCALE: Final = "1.2.840.10008.5.1.4.1.1.11.1"
_MODALITY: Final = ("00281052", "00281053", "00283000")
_VOI: Final = ("00281050", "00281051", "00281056", "00283010")
_PRESENTATION: Final = ("20500010", "20500020")
_REFERENCED_IMAGES: Final = "00081140"
_FURTHEST: Final = 1 << 20
"""How far from the image the displayed area may reach, in pixels."""


class ReferencedImage(NamedTuple):
    """An image that a presentation state is for."""

    series_uid: str
    sop_uid: str
    frames: tuple[int, ...]
    """The numbers of the frames, from 1; none: all of them."""


class PresentationState:
    """A Grayscale Softcopy Presentation State, read once for the frames that it is for."""

    def __init__(self, state: Image) -> None:
        """Read it.

        Args:
            state: the instance.

        Raises:
            DicomError: reason `not-presentable`: it is of another kind, or has what no picture here can show.
        """
        header = state.header
        if state.instance.sop_class_uid != _GRAYSCALE:
            raise not_presentable("it is not a Grayscale Softcopy Presentation State")
        if items(header, "00286100") or text(header, "00281090") == "SUB":
            raise not_presentable("it subtracts a mask")
        if any(_activates(tag, header) for tag in header):
            raise not_presentable("it shows an overlay or a curve")
        self._header = header
        self.study_uid = state.instance.study_uid
        """The study that it is a part of, and all its images are (PS3.4 N.1)."""
        self.images: tuple[ReferencedImage, ...] = _referenced(header)
        """The images, in their order."""
        self._shutter = _shutter(header)

    def of(self, image: Image, frame: int) -> Presentation:
        """Return how a frame is presented.

        Raises:
            DicomError: reason `not-presentable`: the state is not for this frame, or cannot be shown.
        """
        header, uid = self._header, image.instance.sop_uid
        if not any(one.sop_uid == uid and (not one.frames or frame in one.frames) for one in self.images):
            raise not_presentable("it does not refer to this image")
        if image.pixels.samples != 1 or not image.pixels.photometric.startswith("MONOCHROME"):
            raise not_presentable("the image is not a grayscale image")
        display: dict[str, Any] = {tag: header[tag] for tag in (*_MODALITY, *_PRESENTATION) if tag in header}
        for item in _applying(header, "00283110", uid, frame)[:1]:
            display |= {tag: item[tag] for tag in _VOI if tag in item}
            center, width = number(item, "00281050"), number(item, "00281051")
            if not items(item, "00283010") and (center is None or width is None or width <= 0):
                raise not_presentable("its window cannot be read")
        rotation = number(header, "00700042") or 0
        if rotation not in (0, 90, 180, 270):
            raise not_presentable("its rotation is not a multiple of 90 degrees")
        return Presentation(
            display=display,
            shutter=self._shutter,
            area=_area(_applying(header, "0070005A", uid, frame), image.pixels.columns, image.pixels.rows),
            rotation=int(rotation),
            flipped=text(header, "00700041") == "Y",
            graphics=graphics_of(header, _applying(header, "00700001", uid, frame)),
        )


def _activates(tag: str, header: Attributes) -> bool:
    """Tell whether an attribute shows an overlay (60xx,1001) or a curve (50xx,1001): a layer of it is named."""
    return tag[:2] in ("60", "50") and tag[4:] == "1001" and bool(values(header, tag))


def _referenced(header: Attributes) -> tuple[ReferencedImage, ...]:
    found = []
    for series in items(header, "00081115"):
        for item in items(series, _REFERENCED_IMAGES):
            uids = text(series, "0020000E"), text(item, "00081155")
            if uids[0] is None or uids[1] is None:
                raise not_presentable("a reference to an image has no UIDs")
            found.append(ReferencedImage(uids[0], uids[1], _frames(item)))
    return tuple(found)


def _frames(item: Attributes) -> tuple[int, ...]:
    found = numbers(item, "00081160")
    if len(found) != len(values(item, "00081160")):
        raise not_presentable("a reference to frames cannot be read")
    return tuple(int(one) for one in found)


def _applying(header: Attributes, sequence: str, uid: str, frame: int) -> list[Attributes]:
    """Return the items of a sequence that are for a frame: those without references are for all."""
    found = []
    for item in items(header, sequence):
        references = items(item, _REFERENCED_IMAGES)
        if not references or any(
            text(one, "00081155") == uid and frame in (_frames(one) or (frame,)) for one in references
        ):
            found.append(item)
    return found


def _shutter(header: Attributes) -> Shutter | None:
    shapes = [str(one) for one in values(header, "00181600")]
    if not shapes:
        return None
    shown: list[tuple[str, tuple[float, ...]]] = []
    for shape in shapes:
        tags, counts = _SHUTTERS.get(shape, ((), None))
        if not tags:
            raise not_presentable("it has a bitmap shutter, or one of an unknown shape")
        found = tuple(value for tag in tags for value in numbers(header, tag))
        if (len(found) != counts) if counts else (len(found) < 6 or len(found) % 2):
            raise not_presentable("its shutter cannot be read")
        shown.append((shape, found))
    return Shutter(shapes=tuple(shown), level=int((number(header, "00181622") or 0) / 257 + 0.5))


_SHUTTERS: Final[Mapping[str, tuple[tuple[str, ...], int | None]]] = {
    "RECTANGULAR": (("00181602", "00181604", "00181606", "00181608"), 4),
    "CIRCULAR": (("00181610", "00181612"), 3),
    "POLYGONAL": (("00181620",), None),
}
"""The attributes of each shape of a shutter, and how many numbers they are."""


def _area(found: list[Attributes], columns: int, rows: int) -> DisplayedArea:
    if not found:
        return DisplayedArea(left=0, top=0, right=columns, bottom=rows)
    item = found[0]
    corners = (*numbers(item, "00700052"), *numbers(item, "00700053"))
    if len(corners) != 4 or any(abs(one) > _FURTHEST for one in corners):
        raise not_presentable("its displayed area cannot be read")
    if text(item, "00480301") == "VOLUME":
        raise not_presentable("its displayed area is a part of a total pixel matrix")
    # The corners are those of the picture: a rotation may have changed which of them is which (PS3.3 C.10.4).
    across, down = sorted((corners[0], corners[2])), sorted((corners[1], corners[3]))
    mode, ratio = text(item, "00700100"), number(item, "00700103")
    if mode == "MAGNIFY" and (ratio is None or ratio <= 0):
        raise not_presentable("its magnification cannot be read")
    return DisplayedArea(
        left=int(across[0]) - 1,
        top=int(down[0]) - 1,
        right=int(across[1]),
        bottom=int(down[1]),
        sides=numbers(item, "00700101") or numbers(item, "00700102"),
        magnification=ratio if mode == "MAGNIFY" else None,
    )
