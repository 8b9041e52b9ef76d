"""An instance that is open for decoding: its header, read once, and the bytes of each frame."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from dicom_common.codecs._display_attributes import display_attributes
from dicom_common.codecs._elements import Encoding, encoding_of
from dicom_common.codecs._inflate import inflated
from dicom_common.codecs._pixel_description import PixelDescription, described
from dicom_common.codecs._reasons import CodecReason
from dicom_common.codecs._sources import Ranges, Source, opened
from dicom_common.core import DicomError, Instance
from dicom_common.dicom import (
    FrameIndex,
    ReaderSettings,
    Reason,
    Rule,
    index_frames,
    pixel_word,
    read_header,
    swapped,
    transfer_syntax,
)

__all__ = ["Image", "open_image"]

_FIRST: Final = 64 << 10
_LONGEST_LUT: Final = 256 << 10
"""65,536 entries of 16 bits, and some: no lookup table is longer (PS3.3 C.11.1.1)."""


class Image:
    """An instance whose header was read. It is used by one thread at a time; its frames are read when asked for."""

    def __init__(self, ranges: Ranges, settings: ReaderSettings) -> None:
        """Read the header.

        Raises:
            DicomError: this cannot be taken as an instance (reasons of dicom-common-dicom).
        """
        whole = dataclasses.replace(
            settings,
            bulk_data_threshold=max(settings.bulk_data_threshold, _LONGEST_LUT),
            max_element_value=max(settings.max_element_value, _LONGEST_LUT),
            numbers_as="number",
        )
        reading = read_header(ranges.read, size=ranges.size, sha256="", first=_FIRST, settings=whole)
        self.instance: Instance = reading.instance
        self.header: dict[str, Any] = json.loads(reading.metadata)
        self.syntax = transfer_syntax(self.instance.transfer_syntax_uid)
        self.ranges, self.start = ranges, self.instance.data_set_offset
        """The bytes of the instance, inflated where the data set is deflated, and where in them the data set begins."""
        contradicted = any(finding.rule == Rule.TRANSFER_SYNTAX for finding in self.instance.warnings)
        if self.syntax is not None and self.syntax.deflated and not contradicted:
            self.ranges, self.start = inflated(ranges, settings), 0
        self.encoding = (
            encoding_of(ranges.read(self.start, 8))
            if contradicted or self.syntax is None
            else Encoding(implicit_vr=self.syntax.implicit_vr, big_endian=self.syntax.big_endian)
        )
        self._pixels: PixelDescription | None = None
        self._index: FrameIndex | None = None

    @property
    def pixels(self) -> PixelDescription:
        """What describes the pixels.

        Raises:
            DicomError: reason `not-an-image`, `unsupported`.
        """
        if self._pixels is None:
            self._pixels = described(self.instance, self.header)
        return self._pixels

    @property
    def index(self) -> FrameIndex:
        """Where the frames are.

        Raises:
            DicomError: they cannot be told apart; see `dicom_common.dicom.index_frames`.
        """
        if self._index is None:
            self._index = index_frames(self.ranges.read, self.instance)
        return self._index

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return self.index.count

    def display(self, frame: int) -> dict[str, Any]:
        """Give the attributes that tell how a frame is shown."""
        return display_attributes(self.header, frame)

    def stored_frame(self, frame: int, max_bytes: int) -> bytes:
        """Read one frame: the joined fragments, or native pixels in little endian, the first at the first bit.

        Raises:
            DicomError: reason `no-such-frame`, `too-large`, `truncated`.
        """
        index = self.index
        if not 1 <= frame <= index.count:
            raise DicomError(
                CodecReason.NO_SUCH_FRAME, f"There is no frame {frame}: the instance has the frames 1 to {index.count}."
            )
        size = sum(length for _, length in index.frame(frame).ranges)
        if size > max_bytes:
            raise DicomError(
                CodecReason.TOO_LARGE,
                f"Frame {frame} has {size} bytes, which is more than codecs.max_frame_bytes ({max_bytes}).",
            )
        word = 1 if index.encapsulated else self.swapped_word
        return index.read(self.ranges.read, frame) if word == 1 else self._swapped_frame(frame, word)

    @property
    def swapped_word(self) -> int:
        """How many bytes the words have whose bytes native pixel data has in big endian order; 1: it has none."""
        pixel = self.instance.pixel_data
        has_them = self.encoding.big_endian or (self.syntax is not None and self.syntax.big_endian_pixels)
        if pixel is None or not has_them:
            return 1
        return pixel_word(pixel.vr, self.instance.bits_allocated)

    def _swapped_frame(self, frame: int, word: int) -> bytes:
        """Read a native frame whose words are big endian; a word may hold pixels of two frames."""
        place, pixel = self.index.frame(frame), self.instance.pixel_data
        (offset, length), start = place.ranges[0], 0 if pixel is None else pixel.offset
        before = (offset - start) % word
        wanted = before + length + -(before + length) % word
        data = self.ranges.read(offset - before, wanted)
        if len(data) < before + length:
            raise DicomError(Reason.TRUNCATED, f"The object ends within frame {frame}: send it again, whole.")
        data = swapped(data.ljust(wanted, b"\0")[:wanted], word)[before : before + length]
        if not place.first_bit and not place.bits % 8:
            return data
        pixels = int.from_bytes(data, "little") >> place.first_bit & (1 << place.bits) - 1
        return pixels.to_bytes((place.bits + 7) // 8, "little")


@contextmanager
def open_image(source: Source, settings: ReaderSettings) -> Iterator[Image]:
    """Open an instance, and read its header."""
    with opened(source) as ranges:
        yield Image(ranges, settings)
