"""Where each frame of an instance lies, so that a range read gives one frame without reading the object."""

from __future__ import annotations

import mmap
import os
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Final, NamedTuple

from dicom_common.core import DicomError, Finding, Instance, PixelData
from dicom_common.dicom._fragments import ByteRange, Fragments, RangeReader, ReadRange, walk_fragments
from dicom_common.dicom._frame_bytes import KeptIndex
from dicom_common.dicom._native_frames import geometry_of, native_frames
from dicom_common.dicom._offset_tables import (
    Starts,
    frames_by_basic_table,
    frames_by_beginnings,
    frames_by_count,
    frames_by_extended_table,
    refuse_images_in_one_fragment,
    take_table,
)
from dicom_common.dicom._pixel_form import SIGNATURE_BYTES, Form, contradicts, pixel_form
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._rules import Rule
from dicom_common.dicom._transfer_syntaxes import transfer_syntax

__all__ = ["Frame", "FrameIndex", "index_frames"]

Source = bytes | bytearray | memoryview | mmap.mmap | os.PathLike[str] | ReadRange
"""The bytes of an object, a file with them, or a function for range reads."""

_WINDOW: Final = 256 * 1024
_FILE_WINDOW: Final = 4096
_FAR: Final = 1 << 62
"""The end of an inflated object, whose size is not in its record."""


class Frame(NamedTuple):
    """The place of one frame.

    The frame is `bits` bits, from `first_bit` on, of the joined ranges; bit 0 is the least significant one of the first
    byte (PS3.5 8.1.1). `first_bit` is other than 0, and `bits` no multiple of 8, only for packed pixels, such as those
    of binary segmentations.
    """

    ranges: tuple[ByteRange, ...]
    first_bit: int
    bits: int


class FrameIndex(KeptIndex):
    """The places of all frames. Frame numbers start with 1, as in PS3.3 and in DICOMweb."""

    __slots__ = ()

    @property
    def fragments(self) -> int:
        """How many fragments the frames are made of; 0 for native pixel data."""
        return 0 if self._fragments is None else len(self._fragments.offsets)

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

    def read(self, source: Source, number: int) -> bytes:
        """Read frame `number`: the joined fragments, or the pixels, in the byte order of the transfer syntax.

        Packed pixels that do not begin at a byte are shifted so that they do (PS3.18 8.7.3.3.1).

        Raises:
            IndexError: there is no frame of this number.
            DicomError: the source is shorter than the index says; reason `truncated`.
        """
        frame = self.frame(number)
        with _ranges_of(source) as (read_range, _):
            data = b"".join([read_range(offset, length) for offset, length in frame.ranges])
        if len(data) != sum(length for _, length in frame.ranges):
            raise DicomError(Reason.TRUNCATED, f"The object ends within frame {number}: send it again, whole.")
        if not frame.first_bit and not frame.bits % 8:
            return data
        pixels = int.from_bytes(data, "little") >> frame.first_bit & (1 << frame.bits) - 1
        return pixels.to_bytes((frame.bits + 7) // 8, "little")


def index_frames(source: Source, instance: Instance, *, max_fragments: int = 1_000_000) -> FrameIndex:
    """Find the frames of an instance.

    Native pixel data (PS3.5 8.1) is arithmetic: nothing is read. Of encapsulated pixel data the offset tables are read,
    and, except where an Extended Offset Table accounts for every byte, the item headers and the first bytes of each
    fragment. A table that does not fit the fragments, or Number of Frames, is put aside with a warning if the frames
    can be found without it. A video is one stream: it counts as one frame, whatever Number of Frames is.

    Whether pixel data is native or encapsulated follows from the transfer syntax together with what is there. Where the
    two contradict each other, what is there counts, with a warning, if it can be recognised: items, the beginning of a
    compressed image, pixels of exactly the length that the attributes give. So does the number of frames that the
    pixel data has, where Number of Frames says another one or cannot be read.

    Args:
        source: the object as received: its bytes, a memory map, the path of its file (not text), or a function for
            range reads. With a deflated transfer syntax, the inflated data set.
        instance: its record.
        max_fragments: more are refused.

    Raises:
        DicomError: reason `no-pixel-data`; `no-frames`: the frames cannot be told apart, or the attributes that
            describe them are missing; `truncated`; `malformed`; `too-many-items`.
        OSError: a path cannot be opened, or a file cannot be read.
    """
    if instance.pixel_data is None:
        raise DicomError(Reason.NO_PIXEL_DATA, "The instance has no pixel data, so it has no frames.")
    with _ranges_of(source) as (read_range, window):
        reader = RangeReader(read_range, window, source if type(source) is bytes else None)
        return _Indexing(reader, instance, instance.pixel_data, max_fragments).index()


@contextmanager
def _ranges_of(source: Source) -> Iterator[tuple[ReadRange, int]]:
    """Give a function for range reads, and how much it is best asked for at least."""
    if callable(source):
        yield source, _WINDOW
    elif isinstance(source, os.PathLike):
        with open(source, "rb", buffering=0) as file:  # noqa: PTH123  # any path-like

            def read_range(offset: int, length: int) -> bytes:
                file.seek(offset)
                return file.read(length)

            yield read_range, _FILE_WINDOW
    else:
        buffer = source
        yield lambda offset, length: bytes(buffer[offset : offset + length]), 0


class _Indexing:
    """The search for the frames of one instance; it notes what was wrong."""

    def __init__(self, reader: RangeReader, instance: Instance, pixel: PixelData, limit: int) -> None:
        self._reader = reader
        self._pixel = pixel
        self._limit = limit
        self._syntax = transfer_syntax(instance.transfer_syntax_uid)
        self._video = self._syntax is not None and self._syntax.video
        # A data set that was not deflated, whatever its transfer syntax says, has a finding.
        plain = any(finding.rule == Rule.TRANSFER_SYNTAX for finding in instance.warnings)
        self._inflated = self._syntax is not None and self._syntax.deflated and not plain
        self._size = _FAR if self._inflated else instance.size
        self._geometry = geometry_of(instance, pixel, instance.warnings)
        self._warnings: list[Finding] = []

    def index(self) -> FrameIndex:
        pixel, geometry = self._pixel, self._geometry
        compressed = self._syntax is not None and self._syntax.encapsulated
        # Honest native pixel data is arithmetic: nothing has to be read.
        honest = not compressed and pixel.length is not None and geometry.fits(pixel.length)
        head = b"" if honest else self._reader.read(pixel.offset, min(pixel.length or 0, SIGNATURE_BYTES))
        form = pixel_form(pixel, head, self._syntax, geometry)
        contradicted = contradicts(form, pixel, self._syntax)
        if contradicted:
            self._note(Rule.PIXEL_DATA_FORM, f"read as {form.value}")
        if form is Form.FRAGMENTS:
            return self._encapsulated(*self._fragments(must_show=contradicted and not compressed))
        if form is Form.CODESTREAM:
            return self._encapsulated(*self._codestream())
        if form is Form.NATIVE:
            return self._native(pixel.length or 0)
        raise DicomError(
            Reason.NO_FRAMES,
            "The transfer syntax is a compressed one, and the pixel data is neither fragments nor a codestream, nor as "
            "long as its attributes say: ask the sender for a new copy.",
        )

    def _note(self, rule: Rule, action: str, tag: str = "7FE00010") -> None:
        self._warnings.append(Finding(tag, rule.value, action))

    def _native(self, length: int) -> FrameIndex:
        found = native_frames(self._geometry, length)
        if self._pixel.offset + (found.frames * found.bits + 7) // 8 > self._size:
            raise DicomError(
                Reason.TRUNCATED, f"The pixel data is too short for {found.frames} frames: send the object again."
            )
        if found.finding is not None:
            self._warnings.append(found.finding)
        return FrameIndex(
            count=found.frames,
            encapsulated=False,
            inflated=self._inflated,
            warnings=tuple(self._warnings),
            _start=self._pixel.offset,
            _bits=found.bits,
        )

    def _encapsulated(self, found: Fragments, starts: Starts) -> FrameIndex:
        return FrameIndex(
            count=len(starts) - 1,
            encapsulated=True,
            inflated=self._inflated,
            warnings=tuple(self._warnings),
            _fragments=Fragments(found.offsets, found.lengths),
            _starts=starts,
        )

    def _codestream(self) -> tuple[Fragments, Starts]:
        """Take the whole Value Field as one image, or one video."""
        offset, length = self._pixel.offset, self._pixel.length or 0
        frames = self._geometry.frames
        if frames != 1 and not self._video:
            if frames is not None:
                raise DicomError(
                    Reason.NO_FRAMES,
                    f"The pixel data is one codestream without items, and Number of Frames is {frames}: "
                    "ask the sender for a new copy.",
                )
            self._note(Rule.FRAME_COUNT, "took the codestream as one frame", "00280008")
        if offset + length > self._size:
            raise DicomError(Reason.TRUNCATED, "The object ends within its pixel data: send it again, whole.")
        return Fragments(array("Q", [offset]), array("Q", [length])), (0, 1)

    def _fragments(self, *, must_show: bool) -> tuple[Fragments, Starts]:
        """Find the fragments, and group them to frames.

        `must_show` says that nothing but the fragments tells that they are images, so that they have to look like it.
        """
        pixel, limit = self._pixel, self._limit
        frames = 1 if self._video else self._geometry.frames
        if frames is not None and frames > limit:
            frames = limit  # not to be believed, as there may not be so many fragments: the pixel data tells
        end = self._size if pixel.length is None else pixel.offset + pixel.length
        if frames is not None and not self._video:
            found = frames_by_extended_table(self._reader, pixel, frames, end)
            if found is not None and not must_show:
                return found, range(frames + 1)
        items = walk_fragments(self._reader, pixel.offset, end, limit)
        if not items.terminated and pixel.length is None:
            self._note(Rule.NO_SEQUENCE_DELIMITER, "read to the end of the object")
        table, found = take_table(self._reader, items, frames or 1, limit)
        if table is None:
            self._note(Rule.NO_OFFSET_TABLE, "took the first item as a fragment")
        starts = (0, len(found.offsets)) if self._video and found.offsets else self._group(table, found, frames)
        if must_show and not (found.images.startswith(b"\1") or self._are_native(found, starts)):
            raise DicomError(
                Reason.NO_FRAMES,
                "The transfer syntax is not a compressed one, and the fragments of the pixel data are no images that "
                "can be recognised: ask the sender for a new copy.",
            )
        return found, starts

    def _are_native(self, found: Fragments, starts: Starts) -> bool:
        """Tell whether frames that are fragments have the length of native ones, as of PS3.5 A.4.11."""
        lengths = {sum(found.lengths[one:other]) for one, other in pairwise(starts)}
        one = self._geometry._replace(frames=1)
        return bool(lengths) and all(one.fits(length) for length in lengths)

    def _group(self, table: bytes | None, found: Fragments, frames: int | None) -> Starts:
        """Group fragments to frames: as Number of Frames says, where the fragments bear it out, else as they say."""
        count = len(found.offsets)
        by_table, by_beginnings = frames_by_basic_table(table, found), frames_by_beginnings(found, frames)
        if by_table is not None and by_beginnings is not None and not set(by_beginnings).issubset(by_table):
            by_table = None  # one of its frames would be several images
        if by_table is not None and len(by_table) - 1 == frames:
            return by_table
        if frames is not None:
            starts = frames_by_count(self._reader, found, frames, by_beginnings, believed=by_table is None)
            if starts is not None:
                if table:
                    self._note(Rule.BAD_OFFSET_TABLE, "the frames were found by their fragments")
                return starts
        if frames is not None and frames > count:
            refuse_images_in_one_fragment(self._reader, found)
        self._note(Rule.FRAME_COUNT, "the frames are those that the pixel data has", "00280008")
        if by_table is not None or by_beginnings is not None:
            return by_table or by_beginnings or ()
        if frames is None and count == 1:
            return (0, 1)
        if frames_by_extended_table(self._reader, self._pixel, count, self._size) is not None:
            return range(count + 1)
        stated = self._geometry.frames
        told = "Number of Frames cannot be read" if stated is None else f"there should be {stated} frames"
        raise DicomError(
            Reason.NO_FRAMES,
            f"The pixel data has {count} fragments, {told}, and nothing tells which fragments make which frame: "
            "send it with an offset table.",
        )
