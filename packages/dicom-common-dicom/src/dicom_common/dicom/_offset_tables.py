"""Which fragments make which frame: by the Basic or the Extended Offset Table, or by the fragments themselves.

The answer is the indices of the fragments with which frames begin, and the number of fragments at its end.
"""

from __future__ import annotations

import re
import struct
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from dicom_common.core import DicomError, PixelData
from dicom_common.dicom._fragments import ITEM_HEADER, Fragments, RangeReader, read_item
from dicom_common.dicom._reasons import Reason

__all__ = [
    "Starts",
    "frames_by_basic_table",
    "frames_by_beginnings",
    "frames_by_count",
    "frames_by_extended_table",
    "refuse_images_in_one_fragment",
    "take_table",
]

Starts = Sequence[int]

_LONG_HEADER: Final = struct.Struct("<HH2s2xI")
_EXPLICIT_LONG: Final = _LONG_HEADER.size
_END: Final = b"\xff\xd9"
_TAIL: Final = 10
_PIECE: Final = 1 << 20
_NEXT_IMAGE: Final = re.compile(rb"\xff\xd9[\0\xff]{0,2}(?:\xff\xd8\xff|\xff\x4f\xff\x51)")
"""The end of an image, and the beginning of another."""
_SURE: Final = 3
"""Bytes of a signature that are no chance."""


def take_table(reader: RangeReader, items: Fragments, frames: int, limit: int) -> tuple[bytes | None, Fragments]:
    """Take the Basic Offset Table from the front of the items; None where the first one is a fragment already.

    A table may be damaged. It is one where it begins with 0 and ascends, and else where it does not begin as an image
    does, has no more entries than there are fragments or frames, and is not needed as one of the frames itself. Where
    other items begin as images do, one that is no longer than a table of 64-bit offsets is not needed.

    Raises:
        DicomError: the table has more entries than `limit`.
    """
    if not items.offsets:
        return b"", items
    offset, length = items.range(0)
    if length > 4 * limit and not items.images[0] and reader.read(offset, 4) == bytes(4):
        raise DicomError(Reason.TOO_MANY_ITEMS, f"The Basic Offset Table has more than {limit} entries.")
    if items.images[0] or length > 4 * limit:
        return None, items
    fragments = len(items.offsets) - 1
    if items.signature is not None and fragments + 1 != frames and length <= 8 * max(frames, fragments):
        return reader.read(offset, length), items.behind_first()
    if length % 4:
        return None, items
    table = reader.read(offset, length)
    needed = items.signature is None and len(items.offsets) == frames
    if length and (needed or length > 4 * max(frames, fragments)):
        entries = struct.unpack(f"<{length // 4}I", table)
        if entries[0] or any(one >= other for one, other in pairwise(entries)):
            return None, items
    return table, items.behind_first()


def frames_by_basic_table(table: bytes | None, found: Fragments) -> Starts | None:
    """Group fragments by the Basic Offset Table (PS3.5 A.4); None where it is empty or does not fit them.

    It fits if it begins with 0, ascends, and each offset is that of an item. In objects of over 4 GiB its 32-bit
    offsets wrap round, and it does not.
    """
    if not table or len(table) % 4 or not found.offsets:
        return None
    base = found.offsets[0]
    starts = array("Q")
    for (offset,) in struct.iter_unpack("<I", table):
        index = bisect_left(found.offsets, base + offset, lo=len(starts))
        if index == len(found.offsets) or found.offsets[index] != base + offset or (starts and index <= starts[-1]):
            return None
        starts.append(index)
    if starts[0] != 0:
        return None
    starts.append(len(found.offsets))
    return starts


def frames_by_extended_table(reader: RangeReader, pixel: PixelData, frames: int, size: int) -> Fragments | None:
    """Make fragments of the Extended Offset Table (PS3.3 C.7.6.3.1.8); None where there is none, or it does not fit.

    Each frame then is one fragment; its length leaves out the padding of an odd one. So table and lengths must account
    for every byte: each fragment begins where the one before ends, and the sequence delimiter follows the last. That is
    checked with two small reads however many frames there are; no fragment is visited.
    """
    tables = _extended_tables(reader, pixel.offset, frames)
    if tables is None:
        return None
    offsets, lengths = tables
    basic = reader.read(pixel.offset, ITEM_HEADER)
    if basic != b"\xfe\xff\x00\xe0\0\0\0\0" or offsets[0] != 0:
        return None
    first = pixel.offset + ITEM_HEADER
    ends = [offset + ITEM_HEADER + length + length % 2 for offset, length in zip(offsets, lengths, strict=True)]
    if any(end != offset for end, offset in zip(ends, offsets[1:], strict=False)) or first + ends[-1] > size:
        return None
    try:
        last = read_item(reader, first + offsets[-1], size)
        behind = read_item(reader, first + ends[-1], size)
    except DicomError:  # there is no item: the table is one of something else
        return None
    if last is None or last.offset + last.length != first + ends[-1] or behind is not None:
        return None
    places = array("Q", [first + offset + ITEM_HEADER for offset in offsets])
    return Fragments(places, array("Q", lengths))


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
    block = reader.read(start, max(before - start, 0))
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


def frames_by_beginnings(found: Fragments, frames: int | None) -> Starts | None:
    """Group fragments by those with which a compressed image begins; None where the first one is none of them.

    Within entropy-coded data none of their markers can occur (ITU-T T.81 B.1.1.5, T.800 A.1.1). That of JPEG XL has two
    bytes only, which may begin a later fragment by chance: it counts where each fragment has it, or one for each frame.
    """
    if found.signature is None or not found.images.startswith(b"\1"):
        return None
    starts = array("Q", [*(index for index, begins in enumerate(found.images) if begins), len(found.images)])
    if len(found.signature) < _SURE and len(starts) - 1 not in (frames, len(found.images)):
        return None
    return starts


def frames_by_count(
    reader: RangeReader, found: Fragments, frames: int, by_beginnings: Starts | None, *, believed: bool
) -> Starts | None:
    """Group fragments to `frames`; None where they do not bear it out.

    The beginnings of images tell, if there are as many. If there are none, one fragment is one frame, or all are the
    only frame where that is `believed`; or the ends of JPEG and JPEG 2000 images tell.
    """
    count = len(found.offsets)
    if not 0 < frames <= count:
        return None
    if by_beginnings is not None:
        if len(by_beginnings) - 1 >= frames:
            return by_beginnings if len(by_beginnings) - 1 == frames else None
    elif frames == count:
        return range(count + 1)
    elif frames == 1 and believed:
        return (0, count)
    ends = [index + 1 for index in range(count) if _ends_image(reader, found, index)]
    return array("Q", [0, *ends]) if len(ends) == frames and ends[-1] == count else None


def refuse_images_in_one_fragment(reader: RangeReader, found: Fragments) -> None:
    """Refuse fragments that hold more than one JPEG or JPEG 2000 image: nothing tells whose frames these are.

    Raises:
        DicomError: one does; reason `no-frames`.
    """
    for offset, length in zip(found.offsets, found.lengths, strict=True):
        for begin in range(0, length, _PIECE):
            piece = reader.read(offset + begin, min(_PIECE + _TAIL, length - begin))
            if _NEXT_IMAGE.search(piece) is not None:
                raise DicomError(
                    Reason.NO_FRAMES,
                    "A fragment of the pixel data holds several images, and a frame has fragments of its own "
                    "(PS3.5 A.4): ask the sender for a new copy.",
                )


def _ends_image(reader: RangeReader, found: Fragments, index: int) -> bool:
    offset, length = found.range(index)
    tail = min(length, _TAIL)
    return _END in reader.read(offset + length - tail, tail)
