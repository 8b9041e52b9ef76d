"""Which fragments make which frame: by the Basic or the Extended Offset Table, or by the fragments themselves."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from dicom_common.core import PixelData
from dicom_common.dicom._fragments import ByteRange, Fragments, RangeReader, read_item, read_table

__all__ = ["Ranges", "frames_by_basic_table", "frames_by_count", "frames_by_extended_table"]

Ranges = tuple[ByteRange, ...]

_ITEM_HEADER: Final = 8
_LONG_HEADER: Final = struct.Struct("<HH2s2xI")
_EXPLICIT_LONG: Final = _LONG_HEADER.size
# JPEG and JPEG-LS; JPEG 2000 as a codestream and in a JP2 file; JPEG XL bare and in a container.
_STARTS: Final = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ", b"\xff\x0a", b"\0\0\0\x0cJXL ")
_LONGEST_START: Final = 8
_END: Final = b"\xff\xd9"
_TAIL: Final = 10


def frames_by_basic_table(found: Fragments) -> list[Ranges] | None:
    """Group fragments by the Basic Offset Table (PS3.5 A.4); None where it is empty or does not fit them.

    It fits if it begins with 0, ascends, and each offset is that of an item. In objects of over 4 GiB its 32-bit
    offsets wrap round, and it does not.
    """
    if not found.table or len(found.table) % 4 or not found.fragments:
        return None
    offsets = struct.unpack(f"<{len(found.table) // 4}I", found.table)
    base = found.fragments[0].offset
    position = {fragment.offset - base: index for index, fragment in enumerate(found.fragments)}
    starts = [position.get(offset, -1) for offset in offsets]
    if starts[0] != 0 or any(before >= after for before, after in pairwise(starts)):
        return None
    return _cut(found.fragments, starts)


def frames_by_extended_table(
    reader: RangeReader, pixel: PixelData, frames: int, size: int, limit: int
) -> list[Ranges] | None:
    """Make frames of the Extended Offset Table (PS3.3 C.7.6.3.1.8); None where there is none, or it does not fit.

    Each frame then is one fragment, so table and lengths must account for every byte: each fragment begins where the
    one before ends, and the sequence delimiter follows the last. That is checked with two small reads however many
    frames there are; no fragment is visited.
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
    return [
        (ByteRange(first + offset + _ITEM_HEADER, length),) for offset, length in zip(offsets, lengths, strict=True)
    ]


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


def frames_by_count(reader: RangeReader, fragments: Sequence[ByteRange], frames: int) -> list[Ranges] | None:
    """Group fragments without a table; None where that cannot be done.

    One fragment is one frame, or all are the only frame. Else the fragments are looked into: where a JPEG, JPEG 2000
    or JPEG XL image begins, or ends, a frame does. Within entropy-coded data none of their markers can occur
    (ITU-T T.81 B.1.1.5, T.800 A.1.1).
    """
    if not fragments:
        return None
    if frames == 1:
        return [tuple(fragments)]
    if len(fragments) == frames:
        return [(fragment,) for fragment in fragments]
    if len(fragments) < frames:
        return None
    starts = [index for index, fragment in enumerate(fragments) if _begins_image(reader, fragment)]
    if len(starts) != frames or starts[0] != 0:
        ends = [index + 1 for index, fragment in enumerate(fragments) if _ends_image(reader, fragment)]
        if len(ends) != frames or ends[-1] != len(fragments):
            return None
        starts = [0, *ends[:-1]]
    return _cut(fragments, starts)


def _begins_image(reader: RangeReader, fragment: ByteRange) -> bool:
    return reader.read(fragment.offset, min(fragment.length, _LONGEST_START)).startswith(_STARTS)


def _ends_image(reader: RangeReader, fragment: ByteRange) -> bool:
    tail = min(fragment.length, _TAIL)
    return _END in reader.read(fragment.offset + fragment.length - tail, tail)


def _cut(fragments: Sequence[ByteRange], starts: Sequence[int]) -> list[Ranges]:
    return [tuple(fragments[start:end]) for start, end in pairwise([*starts, len(fragments)])]
