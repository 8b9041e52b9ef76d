"""The elements of a data set, read strictly: what is not plain is refused, because a copy of it might be another one.

The tolerant reader of dicom-common-dicom has read the same bytes before; this one only has to agree.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from dicom_common.codecs._sources import Ranges
from dicom_common.core import DicomError
from dicom_common.dicom import Reason

__all__ = [
    "ITEM",
    "ITEM_END",
    "LONG_FORM",
    "SEQUENCE_END",
    "ElementReader",
    "Encoding",
    "Head",
    "encoding_of",
    "malformed",
    "written_head",
]

ITEM: Final = 0xFFFEE000
ITEM_END: Final = 0xFFFEE00D
SEQUENCE_END: Final = 0xFFFEE0DD
LONG_FORM: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT_FORM: Final = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
"""The VRs whose length has 16 bits (PS3.5 7.1.2)."""
_UNDEFINED: Final = 0xFFFFFFFF
_LONGEST_SHORT: Final = 0xFFFE
_WINDOW: Final = 256 << 10


class Head(NamedTuple):
    """Tag, VR and length of an element; `vr` is empty in implicit VR and for items, `length` None where undefined."""

    tag: int
    vr: bytes
    length: int | None


def malformed(where: int) -> DicomError:
    """Make the error for a data set that cannot be followed exactly."""
    return DicomError(
        Reason.MALFORMED,
        f"The data set cannot be converted: it is irregular at {where >> 16:04X},{where & 0xFFFF:04X}. It can be sent "
        "as it is stored.",
    )


class Encoding(NamedTuple):
    """How the elements of a data set are written."""

    implicit_vr: bool
    big_endian: bool


def encoding_of(start: bytes) -> Encoding:
    """Tell the encoding by the first bytes of a data set, where its transfer syntax says another one."""
    return Encoding(
        implicit_vr=start[4:6] not in LONG_FORM | _SHORT_FORM,
        big_endian=int.from_bytes(start[:2], "big") < int.from_bytes(start[:2], "little"),
    )


class ElementReader:
    """Reads element after element through a window."""

    def __init__(self, ranges: Ranges, position: int, encoding: Encoding) -> None:
        self._ranges = ranges
        self._implicit, self.big = encoding
        order = ">" if self.big else "<"
        self._tag, self._short, self._long = (struct.Struct(order + form).unpack_from for form in ("HH", "H", "I"))
        self._little = (struct.Struct("<HH").unpack_from, struct.Struct("<I").unpack_from)
        self._window, self._at, self._start = b"", 0, position

    @property
    def position(self) -> int:
        """Where in the object the next byte is."""
        return self._start + self._at

    def has_more(self) -> bool:
        """Tell whether a byte is left."""
        return self._have(1)

    def head(self, *, implicit: bool = False) -> Head:
        """Read the head of an element, or of an item.

        Args:
            implicit: it is in implicit VR little endian, whatever the transfer syntax (PS3.5 6.2.2 note 2).
        """
        head = self._take(8)
        read_tag, read_long = self._little if implicit else (self._tag, self._long)
        group, element = read_tag(head)
        tag = group << 16 | element
        if implicit or self._implicit or group == 0xFFFE:
            (length,) = read_long(head, 4)
            return Head(tag, b"", None if length == _UNDEFINED else length)
        vr = head[4:6]
        if vr in _SHORT_FORM:
            return Head(tag, vr, self._short(head, 6)[0])
        if vr not in LONG_FORM:
            raise malformed(tag)
        (length,) = self._long(self._take(4))
        return Head(tag, vr, None if length == _UNDEFINED else length)

    def peek(self, length: int) -> bytes:
        """Look at the next bytes, or at what there is of them."""
        self._have(length)
        return self._window[self._at : self._at + length]

    def value(self, length: int) -> Iterator[bytes]:
        """Read a value in pieces, each but the last of which is a multiple of 8 bytes long."""
        while length > 0:
            piece = self._take(min(length, _WINDOW))
            length -= len(piece)
            yield piece

    def whole(self, length: int, limit: int, tag: int) -> bytes:
        """Read a value at once; one above the limit is refused."""
        if length > limit:
            raise malformed(tag)
        return b"".join(self.value(length))

    def skip(self, length: int) -> None:
        """Pass over bytes."""
        ahead = len(self._window) - self._at
        if length <= ahead:
            self._at += length
        else:
            self._start, self._window, self._at = self.position + length, b"", 0

    def _take(self, length: int) -> bytes:
        if not self._have(length):
            raise DicomError(Reason.TRUNCATED, "The object ends within its data set: send it again, whole.")
        found = self._window[self._at : self._at + length]
        self._at += length
        return found

    def _have(self, length: int) -> bool:
        ahead = len(self._window) - self._at
        if ahead >= length:
            return True
        more = self._ranges.read(self._start + len(self._window), max(length - ahead, _WINDOW))
        self._start, self._window, self._at = self.position, self._window[self._at :] + more, 0
        return len(self._window) >= length


def written_head(tag: int, vr: bytes, length: int | None) -> bytes:
    """Write the head of an element in explicit VR little endian, or of an item, which has no VR.

    A value that is too long for its VR gets VR UN (PS3.5 6.2.2 note 4).
    """
    group, element = tag >> 16, tag & 0xFFFF
    size = _UNDEFINED if length is None else length
    if not vr:
        return struct.pack("<HHI", group, element, size)
    if vr in LONG_FORM or size > _LONGEST_SHORT:
        return struct.pack("<HH2sHI", group, element, vr if vr in LONG_FORM else b"UN", 0, size)
    return struct.pack("<HH2sH", group, element, vr, size)
