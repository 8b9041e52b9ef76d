"""The headers of compressed images: what size a decoder would allocate, read before one is started."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from dicom_common.codecs._pixel_description import PixelDescription
from dicom_common.codecs._reasons import CodecReason
from dicom_common.core import DicomError
from dicom_common.dicom import transfer_syntax

__all__ = ["ImageHeader", "header_of", "require_same_image"]


_END: Final = b"\xff\xd9"
_LONGEST_PADDING: Final = 64


class ImageHeader(NamedTuple):
    """What a compressed image says of itself; 0 samples or bits: not read."""

    rows: int
    columns: int
    samples: int = 0
    bits: int = 0


def require_same_image(data: bytes, uid: str, pixels: PixelDescription) -> ImageHeader | None:
    """Refuse a compressed frame that is not the image which the attributes describe, before it is decoded.

    Raises:
        DicomError: reason `header-differs`, or `undecodable-frame`: there is no header where one has to be.
    """
    syntax = transfer_syntax(uid)
    media_type = (syntax.media_type if syntax else None) or ""
    if media_type not in _READERS:
        return None
    header = header_of(data, media_type)
    if header is None:
        raise DicomError(
            CodecReason.UNDECODABLE, f"The frame does not begin like an image of {syntax.name if syntax else uid}."
        )
    if media_type == "image/jls" and _END not in data[-_LONGEST_PADDING:]:
        # CharLS takes seconds to find out that the end of a few hundred bytes is missing.
        raise DicomError(CodecReason.UNDECODABLE, "The JPEG-LS image is cut off: ask the sender for a new copy.")
    if (header.rows, header.columns) != (pixels.rows, pixels.columns):
        raise DicomError(
            CodecReason.HEADER_DIFFERS,
            f"The compressed image has {header.rows} rows and {header.columns} columns, and the attributes say "
            f"{pixels.rows} and {pixels.columns}: ask the sender to correct them.",
        )
    if header.samples not in (0, pixels.samples) or header.bits > pixels.bits_allocated:
        raise DicomError(
            CodecReason.HEADER_DIFFERS,
            f"The compressed image has {header.samples} components of {header.bits} bits, and the attributes say "
            f"{pixels.samples} of {pixels.bits_allocated}: ask the sender to correct them.",
        )
    return header


def header_of(data: bytes, media_type: str) -> ImageHeader | None:
    """Read the header of an image of a media type of DICOMweb; None where there is none, or it is cut off."""
    read = _READERS.get(media_type)
    try:
        return None if read is None else read(data)
    except IndexError:
        return None


def _number(data: bytes, at: int, size: int) -> int:
    if at < 0 or at + size > len(data):
        raise IndexError(at)
    return int.from_bytes(data[at : at + size], "big")


def _jpeg(data: bytes) -> ImageHeader | None:
    """Read the frame header of JPEG (ISO/IEC 10918-1 B.2.2) and JPEG-LS (ISO/IEC 14495-1 C.2.2)."""
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:
            return ImageHeader(_number(data, at + 5, 2), _number(data, at + 7, 2), data[at + 9], data[at + 4])
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
        elif marker in (0xD9, 0xDA):
            return None
        else:
            at += 2 + max(2, _number(data, at + 2, 2))
    return None


def _jpeg2000(data: bytes) -> ImageHeader | None:
    """Read the SIZ marker segment of JPEG 2000 and HTJ2K (ISO/IEC 15444-1 A.5.1), in a JP2 file or without one."""
    start = _box(data, b"jp2c") if data[4:8] == b"jP  " else 0
    if start is None or data[start : start + 4] != b"\xff\x4f\xff\x51":
        return None
    right, bottom, left, top = (_number(data, start + at, 4) for at in (8, 12, 16, 20))
    return ImageHeader(bottom - top, right - left, _number(data, start + 40, 2), (data[start + 42] & 0x7F) + 1)


def _box(data: bytes, wanted: bytes) -> int | None:
    """Find the content of a box of the JP2 family (ISO/IEC 15444-1 I.4)."""
    at = 0
    while at + 8 <= len(data):
        length, kind, head = _number(data, at, 4), data[at + 4 : at + 8], 8
        if length == 1:
            length, head = _number(data, at + 8, 8), 16
        if kind == wanted:
            return at + head
        if length < head:
            return None
        at += length
    return None


_RATIOS: Final = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_WIDTHS: Final = (9, 13, 18, 30)


def _jpegxl(data: bytes) -> ImageHeader | None:
    """Read the size header of JPEG XL (ISO/IEC 18181-1 D.2), in a container or without one."""
    start: int | None = 0
    if data[4:8] == b"JXL ":
        start = _box(data, b"jxlc")
        if start is None and (part := _box(data, b"jxlp")) is not None:
            start = part + 4
    if start is None or data[start : start + 2] != b"\xff\x0a":
        return None
    bits = _Bits(data[start + 2 : start + 18])
    small = bits.take(1)

    def side() -> int:
        return (bits.take(5) + 1) * 8 if small else bits.take(_WIDTHS[bits.take(2)]) + 1

    rows, ratio = side(), bits.take(3)
    if not ratio:
        return ImageHeader(rows, side())
    across, down = _RATIOS[ratio - 1]
    return ImageHeader(rows, rows * across // down)


class _Bits:
    """Bits, the least significant one of a byte first."""

    def __init__(self, data: bytes) -> None:
        self._word, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise IndexError(count)
        found = self._word & (1 << count) - 1
        self._word >>= count
        return found


_READERS: Final[dict[str, Callable[[bytes], ImageHeader | None]]] = {
    "image/jpeg": _jpeg,
    "image/jls": _jpeg,
    "image/jp2": _jpeg2000,
    "image/jphc": _jpeg2000,
    "image/jxl": _jpegxl,
}
"""By the media type of the transfer syntax."""
