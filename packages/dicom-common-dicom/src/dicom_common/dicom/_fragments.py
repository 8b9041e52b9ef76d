"""The fragments of encapsulated pixel data (PS3.5 A.4), found by reading their item headers and little else."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable
from typing import Final, NamedTuple

from dicom_common.core import DicomError
from dicom_common.dicom._native_module import native_module
from dicom_common.dicom._pixel_form import SIGNATURE_BYTES, signature
from dicom_common.dicom._reasons import Reason

__all__ = ["ByteRange", "Fragments", "RangeReader", "ReadRange", "read_item", "walk_fragments"]

ReadRange = Callable[[int, int], bytes]
"""`read_range(offset, length)` returns that part of the object as received; fewer bytes only at its end."""

ITEM_HEADER: Final = 8
_HEADER: Final = {False: struct.Struct("<HHI").unpack_from, True: struct.Struct(">HHI").unpack_from}
_BIG_ENDIAN: Final = (b"\xff\xfe\xe0\x00", b"\xff\xfe\xe0\xdd")
_ITEM: Final = (0xFFFE, 0xE000)
_DELIMITER: Final = (0xFFFE, 0xE0DD)
_UNDEFINED: Final = 0xFFFFFFFF


class ByteRange(NamedTuple):
    """Bytes of the object as received: from `offset` on, `length` of them."""

    offset: int
    length: int


class RangeReader:
    """Reads small pieces through a window, so that headers that lie close together cost one request.

    `window` is how much is fetched at least. 0 is right for what is in memory; an object storage answers a request for
    256 KiB about as fast as one for 8 bytes. `data` is the object where it is in memory.
    """

    def __init__(self, read_range: ReadRange, window: int, data: bytes | None = None) -> None:
        self.data = data
        self._read_range = read_range
        self._window = window
        self._start = 0
        self._held = b""

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset` on, or what there is of them."""
        begin = offset - self._start
        if begin < 0 or begin + length > len(self._held):
            self._held = self._read_range(offset, max(length, self._window))
            self._start, begin = offset, 0
        return self._held[begin : begin + length]


class Fragments(NamedTuple):
    """The Value Fields of the items of encapsulated pixel data.

    Arrays, not a record for each: there may be a million.
    """

    offsets: array[int]
    lengths: array[int]
    images: bytes = b""
    """For each fragment 1 where a compressed image begins, of the kind that the first such one is, else 0."""
    signature: bytes | None = None
    """The signature with which these begin."""
    terminated: bool = True
    """False where the object ends before the sequence delimiter."""

    def range(self, index: int) -> ByteRange:
        """Give the place of one fragment."""
        return ByteRange(self.offsets[index], self.lengths[index])

    def behind_first(self) -> Fragments:
        """Leave out the first item, which is the Basic Offset Table."""
        return self._replace(offsets=self.offsets[1:], lengths=self.lengths[1:], images=self.images[1:])


def read_item(reader: RangeReader, offset: int, end: int, *, big: bool = False) -> ByteRange | None:
    """Read the header of an item at `offset`; None where the sequence ends there.

    Raises:
        DicomError: there is no item, or it is longer than what is left up to `end`.
    """
    header = reader.read(offset, ITEM_HEADER)
    if len(header) < ITEM_HEADER:
        raise DicomError(Reason.TRUNCATED, "The object ends within its pixel data: send it again, whole.")
    group, element, length = _HEADER[big](header)
    if (group, element) == _DELIMITER:
        return None
    if (group, element) != _ITEM or length == _UNDEFINED:
        raise DicomError(Reason.MALFORMED, "Encapsulated pixel data holds something else than fragments (PS3.5 A.4).")
    if offset + ITEM_HEADER + length > end:
        raise DicomError(Reason.TRUNCATED, "A fragment of the pixel data is longer than what is left of the object.")
    return ByteRange(offset + ITEM_HEADER, length)


def walk_fragments(reader: RangeReader, offset: int, end: int, limit: int) -> Fragments:
    """Find all items, from that of the Basic Offset Table at `offset` to the sequence delimiter, or to `end`.

    An object that ends behind a whole fragment, without the delimiter, is read as far as it goes.

    Raises:
        DicomError: what is there is not fragments, is cut off, or there are more than `limit`.
    """
    if reader.data is not None and (natively := _walk_natively(reader.data, offset, end, limit)) is not None:
        return natively
    big = reader.read(offset, 4) in _BIG_ENDIAN
    offsets, lengths, images = array("Q"), array("Q"), bytearray()
    kind: bytes | None = None
    position, terminated = offset, False
    while position < end:
        item = read_item(reader, position, end, big=big)
        if item is None:
            terminated = True
            break
        if len(offsets) > limit:
            raise DicomError(Reason.TOO_MANY_ITEMS, f"The pixel data has more than {limit} fragments.")
        offsets.append(item.offset)
        lengths.append(item.length)
        found = signature(reader.read(item.offset, min(item.length, SIGNATURE_BYTES)))
        kind = kind or found
        images.append(found is not None and found == kind)
        position = item.offset + item.length
    return Fragments(offsets, lengths, bytes(images), kind, terminated)


def _walk_natively(data: bytes, offset: int, end: int, limit: int) -> Fragments | None:
    """Do so by the native reader; None where it is not installed, or the fragments are not as they should be."""
    native = native_module()
    told = None if native is None else native.walk_fragments(data, offset, end, limit)
    if told is None:
        return None
    offsets, lengths, images, kind = told
    return Fragments(array("Q", offsets), array("Q", lengths), images, kind)
