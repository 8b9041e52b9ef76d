"""Where each frame of an instance lies, so that a range read gives one frame without reading the object."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from dicom_common.core import DicomError, Finding, Instance, PixelData
from dicom_common.dicom._fragments import ByteRange, Fragments, RangeReader, ReadRange, walk_fragments
from dicom_common.dicom._offset_tables import (
    Starts,
    frames_by_basic_table,
    frames_by_count,
    frames_by_extended_table,
)
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._transfer_syntaxes import transfer_syntax

__all__ = ["Frame", "FrameIndex", "index_frames"]

Buffer = bytes | bytearray | memoryview | mmap.mmap

_WINDOW: Final = 256 * 1024
# Float and Double Float Pixel Data (PS3.3 C.7.6.24, C.7.6.25) have one word length; Pixel Data has Bits Allocated.
_FLOAT_BITS: Final = {0x7FE00008: 32, 0x7FE00009: 64}
# Pixels share their chrominance (PS3.3 C.7.6.3.1.2): of the six samples of two pixels, so many are there.
_SUBSAMPLED: Final = {"_422": 4, "_420": 3}


class Frame(NamedTuple):
    """The place of one frame.

    The frame is `bits` bits, from `first_bit` on, of the joined ranges; bit 0 is the least significant one of the first
    byte (PS3.5 8.1.1). `first_bit` is other than 0, and `bits` no multiple of 8, only for packed pixels, such as those
    of binary segmentations.
    """

    ranges: tuple[ByteRange, ...]
    first_bit: int
    bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameIndex:
    """The places of all frames. Frame numbers start with 1, as in PS3.3 and in DICOMweb."""

    count: int
    encapsulated: bool
    inflated: bool
    """The offsets count bytes of the inflated object (PS3.5 A.5): range reads of the object as stored are useless."""
    warnings: tuple[Finding, ...] = ()
    _start: int = 0
    _bits: int = 0
    _fragments: Fragments | None = field(default=None, repr=False)
    _starts: Starts = field(default=(), repr=False)

    def frame(self, number: int) -> Frame:
        """Tell where frame `number` is.

        Raises:
            IndexError: there is no frame of this number.
        """
        if not 1 <= number <= self.count:
            raise IndexError(f"frame {number} is not one of the frames 1 to {self.count}")
        if self._fragments is not None:
            fragments = range(self._starts[number - 1], self._starts[number])
            ranges = tuple(self._fragments.range(index) for index in fragments)
            return Frame(ranges, 0, 8 * sum(length for _, length in ranges))
        first = (number - 1) * self._bits
        begin, end = first // 8, (first + self._bits + 7) // 8
        return Frame((ByteRange(self._start + begin, end - begin),), first % 8, self._bits)

    def read(self, source: Buffer | ReadRange, number: int) -> bytes:
        """Read frame `number`: the joined fragments, or the pixels, in the byte order of the transfer syntax.

        Packed pixels that do not begin at a byte are shifted so that they do (PS3.18 8.7.3.3.1).

        Raises:
            IndexError: there is no frame of this number.
            DicomError: the source is shorter than the index says; reason `truncated`.
        """
        frame = self.frame(number)
        read_range = _read_range(source)
        data = b"".join([read_range(offset, length) for offset, length in frame.ranges])
        if len(data) != sum(length for _, length in frame.ranges):
            raise DicomError(Reason.TRUNCATED, f"The object ends within frame {number}: send it again, whole.")
        if not frame.first_bit and not frame.bits % 8:
            return data
        pixels = int.from_bytes(data, "little") >> frame.first_bit & (1 << frame.bits) - 1
        return pixels.to_bytes((frame.bits + 7) // 8, "little")


def index_frames(source: Buffer | ReadRange, instance: Instance, *, max_fragments: int = 1_000_000) -> FrameIndex:
    """Find the frames of an instance.

    Native pixel data (PS3.5 8.1) is arithmetic: nothing is read. Of encapsulated pixel data the offset tables are read,
    and, except where an Extended Offset Table accounts for every byte, the item headers. A table that does not fit the
    fragments, or Number of Frames, is put aside with a warning if the frames can be found without it. A video is one
    stream: it counts as one frame, whatever Number of Frames is.

    Args:
        source: the object as received: its bytes, a memory map, or a function for range reads. With a deflated
            transfer syntax, the inflated object, from the preamble on.
        instance: its record.
        max_fragments: more are refused.

    Raises:
        DicomError: reason `no-pixel-data`; `no-frames`: the frames cannot be told apart, or the attributes that
            describe them are missing; `truncated`; `malformed`; `too-many-items`.
    """
    pixel = instance.pixel_data
    if pixel is None:
        raise DicomError(Reason.NO_PIXEL_DATA, "The instance has no pixel data, so it has no frames.")
    if pixel.length is None:
        reader = RangeReader(_read_range(source), _WINDOW if callable(source) else 0)
        return _encapsulated(reader, instance, pixel, max_fragments)
    return _native(instance, pixel, pixel.length)


def _read_range(source: Buffer | ReadRange) -> ReadRange:
    if callable(source):
        return source
    buffer = source
    return lambda offset, length: bytes(buffer[offset : offset + length])


def _native(instance: Instance, pixel: PixelData, length: int) -> FrameIndex:
    rows, columns, samples = instance.rows, instance.columns, instance.samples_per_pixel or 1
    allocated = _FLOAT_BITS.get(pixel.tag, instance.bits_allocated or 0)
    if not rows or not columns or not allocated:
        raise DicomError(
            Reason.NO_FRAMES, "Rows, Columns or Bits Allocated is missing: without them there are no frames to find."
        )
    count = max(instance.number_of_frames or 1, 1)
    bits = rows * columns * samples * allocated
    warnings = []
    subsampled = _SUBSAMPLED.get((instance.photometric_interpretation or "")[-4:])
    if samples == 3 and subsampled is not None:
        if length < (count * bits + 7) // 8:
            bits = bits * subsampled // 6
        else:
            warnings.append(Finding("00280004", "pixel-data-longer", "taken as not subsampled"))
    needed = (count * bits + 7) // 8
    inflated = _is_deflated(instance)
    if needed > length or not (inflated or pixel.offset + needed <= instance.size):
        raise DicomError(Reason.TRUNCATED, f"The pixel data is too short for {count} frames: send the object again.")
    return FrameIndex(
        count=count,
        encapsulated=False,
        inflated=inflated,
        warnings=tuple(warnings),
        _start=pixel.offset,
        _bits=bits,
    )


def _is_deflated(instance: Instance) -> bool:
    syntax = transfer_syntax(instance.transfer_syntax_uid)
    return syntax is not None and syntax.deflated


def _encapsulated(reader: RangeReader, instance: Instance, pixel: PixelData, limit: int) -> FrameIndex:
    syntax = transfer_syntax(instance.transfer_syntax_uid)
    video = syntax is not None and syntax.video
    count = 1 if video else max(instance.number_of_frames or 1, 1)
    if count > limit:
        raise DicomError(Reason.TOO_MANY_ITEMS, f"Number of Frames is above {limit}, the limit on fragments.")
    warnings: list[Finding] = []
    starts: Starts = range(count + 1)
    found = None if video else frames_by_extended_table(reader, pixel, count, instance.size, limit)
    if found is None:
        found = walk_fragments(reader, pixel.offset, instance.size, limit)
        if not found.terminated:
            warnings.append(Finding("7FE00010", "no-sequence-delimiter", "read to the end of the object"))
        starts, findings = _group(reader, found, count, counted=video or instance.number_of_frames is not None)
        warnings += findings
    return FrameIndex(
        count=len(starts) - 1,
        encapsulated=True,
        inflated=False,
        warnings=tuple(warnings),
        _fragments=found._replace(table=b""),
        _starts=starts,
    )


def _group(reader: RangeReader, found: Fragments, count: int, *, counted: bool) -> tuple[Starts, list[Finding]]:
    """Group fragments to `count` frames; where that was not `counted` but assumed, the offset table knows better."""
    by_table = frames_by_basic_table(found)
    if by_table is not None and (len(by_table) - 1 == count or not counted):
        return by_table, []
    by_count = frames_by_count(reader, found, count)
    if by_count is not None:
        finding = Finding("7FE00010", "bad-offset-table", "the frames were found by their fragments")
        return by_count, [finding] if found.table else []
    if by_table is not None:
        return by_table, [Finding("00280008", "frame-count-differs", "the frames are those of the offset table")]
    raise DicomError(
        Reason.NO_FRAMES,
        f"The pixel data has {len(found.offsets)} fragments, and nothing tells which of them make the {count} "
        "frames: send it with an offset table.",
    )
