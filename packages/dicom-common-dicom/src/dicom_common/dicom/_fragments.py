"""The fragments of encapsulated pixel data (PS3.5 A.4), found by reading their item headers and little else."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable
from typing import Final, NamedTuple

from dicom_common.core import DicomError
from dicom_common.dicom._reasons import Reason

__all__ = ["ByteRange", "Fragments", "RangeReader", "ReadRange", "walk_fragments"]

ReadRange = Callable[[int, int], bytes]
"""`read_range(offset, length)` returns that part of the object as received; fewer bytes only at its end."""

_HEADER: Final = struct.Struct("<HHI")
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
    256 KiB about as fast as one for 8 bytes.
    """

    def __init__(self, read_range: ReadRange, window: int) -> None:
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
    """The fragments of encapsulated pixel data: the Value Fields of the items behind the Basic Offset Table.

    Arrays, not a record for each: there may be a million. `terminated` is False where the object ends before the
    sequence delimiter.
    """

    table: bytes
    """The bytes of the Basic Offset Table item."""
    offsets: array[int]
    lengths: array[int]
    terminated: bool = True

    def range(self, index: int) -> ByteRange:
        """Give the place of one fragment."""
        return ByteRange(self.offsets[index], self.lengths[index])


def read_item(reader: RangeReader, offset: int, size: int) -> ByteRange | None:
    """Read the header of an item at `offset`; None where the sequence ends there.

    Raises:
        DicomError: there is no item, or it is longer than what is left of the object.
    """
    header = reader.read(offset, _HEADER.size)
    if len(header) < _HEADER.size:
        raise DicomError(Reason.TRUNCATED, "The object ends within its pixel data: send it again, whole.")
    group, element, length = _HEADER.unpack(header)
    if (group, element) == _DELIMITER:
        return None
    if (group, element) != _ITEM or length == _UNDEFINED:
        raise DicomError(Reason.MALFORMED, "Encapsulated pixel data holds something else than fragments (PS3.5 A.4).")
    if offset + _HEADER.size + length > size:
        raise DicomError(Reason.TRUNCATED, "A fragment of the pixel data is longer than what is left of the object.")
    return ByteRange(offset + _HEADER.size, length)


def read_table(reader: RangeReader, offset: int, size: int, limit: int) -> tuple[bytes, int]:
    """Read the Basic Offset Table item at `offset`; return its bytes, and the offset of the first fragment's item."""
    item = read_item(reader, offset, size)
    if item is None:
        return b"", offset
    if item.length > 4 * limit:
        raise DicomError(Reason.TOO_MANY_ITEMS, f"The Basic Offset Table has more than {limit} entries.")
    return reader.read(*item), item.offset + item.length


def walk_fragments(reader: RangeReader, offset: int, size: int, limit: int) -> Fragments:
    """Find all fragments, from the Basic Offset Table item at `offset` to the sequence delimiter.

    An object that ends behind a whole fragment, without the delimiter, is read as far as it goes.

    Raises:
        DicomError: what is there is not fragments, is cut off, or there are more than `limit`.
    """
    table, position = read_table(reader, offset, size, limit)
    offsets, lengths = array("Q"), array("Q")
    while position < size:
        item = read_item(reader, position, size)
        if item is None:
            return Fragments(table, offsets, lengths)
        if len(offsets) == limit:
            raise DicomError(Reason.TOO_MANY_ITEMS, f"The pixel data has more than {limit} fragments.")
        offsets.append(item.offset)
        lengths.append(item.length)
        position = item.offset + item.length
    return Fragments(table, offsets, lengths, terminated=False)
