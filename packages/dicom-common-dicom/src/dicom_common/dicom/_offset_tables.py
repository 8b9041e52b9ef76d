"""Which fragments make which frame: by the Basic or the Extended Offset Table, or by the fragments themselves.

The answer is the indices of the fragments with which frames begin, and the number of fragments at its end.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from dicom_common.core import PixelData
from dicom_common.dicom._fragments import ByteRange, Fragments, RangeReader, read_item, read_table

__all__ = ["Starts", "frames_by_basic_table", "frames_by_count", "frames_by_extended_table"]

Starts = Sequence[int]

_ITEM_HEADER: Final = 8
_LONG_HEADER: Final = struct.Struct("<HH2s2xI")
_EXPLICIT_LONG: Final = _LONG_HEADER.size
# JPEG and JPEG-LS; JPEG 2000 as a codestream and in a JP2 file; JPEG XL bare and in a container.
_STARTS: Final = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ", b"\xff\x0a", b"\0\0\0\x0cJXL ")
_LONGEST_START: Final = 8
_END: Final = b"\xff\xd9"
_TAIL: Final = 10


def frames_by_basic_table(found: Fragments) -> Starts | None:
    """Group fragments by the Basic Offset Table (PS3.5 A.4); None where it is empty or does not fit them.

    It fits if it begins with 0, ascends, and each offset is that of an item. In objects of over 4 GiB its 32-bit
    offsets wrap round, and it does not.
    """
    if not found.table or len(found.table) % 4 or not found.offsets:
        return None
    base = found.offsets[0]
    starts = array("Q")
    for (offset,) in struct.iter_unpack("<I", found.table):
        index = bisect_left(found.offsets, base + offset, lo=len(starts))
        if index == len(found.offsets) or found.offsets[index] != base + offset or (starts and index <= starts[-1]):
            return None
        starts.append(index)
    if starts[0] != 0:
        return None
    starts.append(len(found.offsets))
    return starts


def frames_by_extended_table(
    reader: RangeReader, pixel: PixelData, frames: int, size: int, limit: int
) -> Fragments | None:
    """Make fragments of the Extended Offset Table (PS3.3 C.7.6.3.1.8); None where there is none, or it does not fit.

    Each frame then is one fragment; its length leaves out the padding of an odd one. So table and lengths must account
    for every byte: each fragment begins where the one before ends, and the sequence delimiter follows the last. That is
    checked with two small reads however many frames there are; no fragment is visited.
    """
    tables = _extended_tables(reader, pixel.offset, frames)
    if tables is None:
        return None
    offsets, lengths = tables
    basic, first = read_table(reader, pixel.offset, size, limit)
    if basic or offsets[0] != 0:
        return None
    ends = [offset + _ITEM_HEADER + length + length % 2 for offset, length in zip(offsets, lengths, strict=True)]
    if any(end != offset for end, offset in zip(ends, offsets[1:], strict=False)) or first + ends[-1] > size:
        return None
    last = read_item(reader, first + offsets[-1], size)
    if last is None or last.offset + last.length != first + ends[-1]:
        return None
    if read_item(reader, first + ends[-1], size) is not None:
        return None
    places = array("Q", [first + offset + _ITEM_HEADER for offset in offsets])
    return Fragments(b"", places, array("Q", lengths))


def _extended_tables(reader: RangeReader, offset: int, frames: int) -> tuple[Sequence[int], Sequence[int]] | None:
    """Read (7FE0,0001) and (7FE0,0002), which stand before Pixel Data, from its Value Field at `offset` backwards.

    Nothing can lie between them but (7FE0,0003), and how long they are follows from the number of frames. So their
    place need not be known.
    """
    table_length = 8 * frames
    total_length = _EXPLICIT_LONG + 8
    before = offset - _EXPLICIT_LONG
    length = 2 * (_EXPLICIT_LONG + table_length) + total_length
    start = max(before - length, 0)
    block = reader.read(start, before - start)
    end = len(block)
    if _element_before(block, end, 0x0003, 8):
        end -= total_length
    tables = []
    for element in (0x0002, 0x0001):
        if not _element_before(block, end, element, table_length):
            return None
        tables.append(struct.unpack_from(f"<{frames}Q", block, end - table_length))
        end -= _EXPLICIT_LONG + table_length
    return tables[1], tables[0]


def _element_before(block: bytes, end: int, element: int, length: int) -> bool:
    """Tell whether the element (7FE0,`element`), with a Value Field of `length` bytes, ends at `end`."""
    start = end - length - _EXPLICIT_LONG
    if start < 0:
        return False
    group, found, _, declared = _LONG_HEADER.unpack_from(block, start)
    return (group, found, declared) == (0x7FE0, element, length)


def frames_by_count(reader: RangeReader, found: Fragments, frames: int) -> Starts | None:
    """Group fragments without a table; None where that cannot be done.

    One fragment is one frame, or all are the only frame. Else the fragments are looked into: where a JPEG, JPEG 2000
    or JPEG XL image begins, or ends, a frame does. Within entropy-coded data none of their markers can occur
    (ITU-T T.81 B.1.1.5, T.800 A.1.1).
    """
    count = len(found.offsets)
    if not 0 < frames <= count:
        return None
    if frames == 1:
        return (0, count)
    if frames == count:
        return range(count + 1)
    starts = [index for index in range(count) if _begins_image(reader, found.range(index))]
    if len(starts) == frames and starts[0] == 0:
        return array("Q", [*starts, count])
    ends = [index + 1 for index in range(count) if _ends_image(reader, found.range(index))]
    if len(ends) == frames and ends[-1] == count:
        return array("Q", [0, *ends])
    return None


def _begins_image(reader: RangeReader, fragment: ByteRange) -> bool:
    return reader.read(fragment.offset, min(fragment.length, _LONGEST_START)).startswith(_STARTS)


def _ends_image(reader: RangeReader, fragment: ByteRange) -> bool:
    tail = min(fragment.length, _TAIL)
    return _END in reader.read(fragment.offset + fragment.length - tail, tail)
