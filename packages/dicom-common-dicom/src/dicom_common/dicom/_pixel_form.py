"""What pixel data is: native pixels, fragments, or one bare codestream, by its transfer syntax and its first bytes."""

from __future__ import annotations

import struct
from enum import Enum
from itertools import pairwise
from typing import Final

from dicom_common.core import PixelData
from dicom_common.dicom._native_frames import Geometry
from dicom_common.dicom._transfer_syntaxes import TransferSyntax

__all__ = ["SIGNATURE_BYTES", "Form", "begins_with_item", "contradicts", "pixel_form", "signature"]

SIGNATURE_BYTES: Final = 64
"""How many of the first bytes the functions here look at."""

_ITEM_STARTS: Final = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
# JPEG and JPEG-LS; JPEG 2000 as a codestream and in a JP2 file; JPEG XL in a container and bare.
_STARTS: Final = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ", b"\0\0\0\x0cJXL ", b"\xff\x0a")
_RLE_HEADER: Final = struct.Struct("<16I")
_RLE: Final = b"RLE"
_MOST_SEGMENTS: Final = 15
# MPEG-2, H.264 and HEVC begin with a start code, an MPEG-2 transport stream with its sync byte, MP4 with a box.
_VIDEO_STARTS: Final = (b"\0\0\1", b"\0\0\0\1", b"\x47")


class Form(Enum):
    """What the Value Field of pixel data holds."""

    NATIVE = "native pixels"
    FRAGMENTS = "fragments"
    CODESTREAM = "one codestream"
    UNKNOWN = "neither fragments nor pixels"


def signature(head: bytes) -> bytes | None:
    """Give the signature of the compressed image that begins with `head`; None where no known one does."""
    for start in _STARTS:
        if head.startswith(start):
            return start
    return _RLE if len(head) >= _RLE_HEADER.size and _is_rle_header(_RLE_HEADER.unpack_from(head)) else None


def _is_rle_header(words: tuple[int, ...]) -> bool:
    """Recognise the header of an RLE frame (PS3.5 G.5): the number of segments, where each begins, and zeros."""
    segments, offsets = words[0], words[1:]
    if not 1 <= segments <= _MOST_SEGMENTS or offsets[0] != _RLE_HEADER.size or any(offsets[segments:]):
        return False
    return all(one < other for one, other in pairwise(offsets[:segments]))


def begins_with_item(head: bytes, length: int) -> bool:
    """Tell whether a value of `length` bytes begins with an item, of either byte order, that it has room for."""
    if head[:4] not in _ITEM_STARTS or len(head) < 8:
        return False
    return 8 + int.from_bytes(head[4:8], "big" if head[0] == 0xFF else "little") <= length


def pixel_form(pixel: PixelData, head: bytes, syntax: TransferSyntax | None, geometry: Geometry) -> Form:
    """Tell what pixel data holds.

    Args:
        pixel: its place.
        head: its first bytes, `SIGNATURE_BYTES` if there are so many.
        syntax: its transfer syntax, None where it is not known.
        geometry: what its attributes say.
    """
    length = pixel.length
    if length is None:
        return Form.FRAGMENTS
    compressed = syntax is not None and syntax.encapsulated
    # Pixels may be any bytes, those of an item too. Their length is what tells.
    fits = geometry.fits(length)
    if pixel.tag != 0x7FE00010 or (fits and not compressed):
        return Form.NATIVE
    if begins_with_item(head, length):
        return Form.FRAGMENTS
    found = signature(head)
    # Two bytes are too few to say that native pixels are none.
    if found is not None and (compressed or len(found) > 2):
        return Form.CODESTREAM
    if syntax is not None and syntax.video and (head.startswith(_VIDEO_STARTS) or head[4:8] == b"ftyp"):
        return Form.CODESTREAM
    return Form.NATIVE if fits or not compressed else Form.UNKNOWN


def contradicts(form: Form, pixel: PixelData, syntax: TransferSyntax | None) -> bool:
    """Tell whether pixel data has another form than its transfer syntax gives it, or another than its length says."""
    if form is Form.FRAGMENTS and pixel.length is None:
        return syntax is not None and not syntax.encapsulated
    return form is not Form.NATIVE or (syntax is not None and syntax.encapsulated)
