"""Where the pixel data of the top level is, as the scan comes by it."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_common.core import PixelData
from dicom_common.dicom._heads import Head
from dicom_common.dicom._pixel_form import SIGNATURE_BYTES
from dicom_common.dicom._window import Window

__all__ = ["PixelPlace"]


@dataclass(slots=True)
class PixelPlace:
    """The first pixel data of the top level, if there is any; what comes later does not count."""

    data: PixelData | None = None
    start: bytes = b""
    """Its first bytes, where it has a defined length."""
    lacks_pad: bool = False
    """Whether the object ends one byte before this pixel data does; that byte is not counted in its length."""

    def met(self, window: Window, head: Head, begin: int, length: int | None) -> None:
        """Note pixel data of the top level, whose value begins at `begin`; without a length it is fragments."""
        if self.data is not None:
            return
        self.data = PixelData(head.tag, head.vr, begin, length)
        if length is not None:
            size = min(length, SIGNATURE_BYTES)
            window.move(begin, size)
            self.start = window.buffer[begin - window.base : begin - window.base + size]

    def ends_without_pad(self, window: Window, position: int) -> bool:
        """Tell whether the pixel data that ends at `position` is whole but for one byte, and nothing is behind it."""
        data = self.data
        if data is None or data.length is None or data.offset + data.length != position:
            return False
        if window.end != position - 1:
            return False
        self.data, self.lacks_pad = data._replace(length=data.length - 1), True
        return True
