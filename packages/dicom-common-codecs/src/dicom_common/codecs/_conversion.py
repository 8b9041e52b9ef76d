"""A data set written anew in explicit VR little endian, in pieces: value bytes stay as they are, or are swapped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from dicom_common.codecs._elements import (
    ITEM,
    ITEM_END,
    SEQUENCE_END,
    ElementReader,
    Head,
    malformed,
    written_head,
)
from dicom_common.codecs._vrs import Surroundings, is_creator, swapped_size, vr_of
from dicom_common.dicom import swapped

__all__ = ["PIXEL_DATA", "Changes", "Conversion", "IconPixels", "PixelWriter"]

PIXEL_DATA: Final = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_ICONS: Final = 0x00880200
_DEEPEST: Final = 128
_LONGEST_NOTED: Final = 1 << 10

Changes = Mapping[int, tuple[bytes, bytes] | None]
"""Elements of the top level that are written otherwise: by tag, VR and value, or None for those that are left out."""
IconPixels = Callable[[dict[int, bytes], list[bytes]], tuple[dict[int, tuple[bytes, bytes]], bytes]]
"""Decodes the compressed pixels of an icon: of its values and fragments it gives what changes, and native pixels."""


class PixelWriter(Protocol):
    """Writes what changes with the transfer syntax of the pixels."""

    icon_pixels: IconPixels | None
    """None where compressed icons stay as they are."""

    def changes(self) -> Changes:
        """Give the attributes that are written otherwise."""
        ...

    def pieces(self, head: Head, reader: ElementReader) -> Iterator[bytes]:
        """Write the pixel data of the top level, and leave the reader behind that of the stored instance."""
        ...


class Conversion:
    """The conversion of one data set."""

    def __init__(self, reader: ElementReader, pixels: PixelWriter, *, signed: bool, max_icon_bytes: int) -> None:
        """Prepare it.

        Args:
            reader: stands at the first element.
            pixels: writes pixel data, and tells what changes with it.
            signed: whether Pixel Representation is 1.
            max_icon_bytes: bytes that an icon may have.
        """
        self._reader = reader
        self._pixels = pixels
        self._signed = signed
        self._max_bytes = max_icon_bytes

    def pieces(self) -> Iterator[bytes]:
        """Write the data set.

        Raises:
            DicomError: it is irregular, ends early, or its pixel data cannot be converted.
        """
        around = Surroundings(self._signed)
        changes, behind = sorted(self._pixels.changes().items()), -1
        while self._reader.has_more():
            head = self._reader.head()
            if head.tag <= behind or head.tag >> 16 == 0xFFFE:
                raise malformed(head.tag)
            behind = head.tag
            while changes and changes[0][0] < head.tag:
                yield _changed(*changes.pop(0))
            if changes and changes[0][0] == head.tag:
                yield _changed(*changes.pop(0))
                self._pass_over(head)
            elif head.tag in PIXEL_DATA:
                yield from self._pixels.pieces(head, self._reader)
            else:
                yield from self._element(head, around, 0)
        for change in changes:
            yield _changed(*change)

    def _pass_over(self, head: Head) -> None:
        if head.length is None:
            raise malformed(head.tag)
        self._reader.skip(head.length)

    def _element(self, head: Head, around: Surroundings, depth: int) -> Iterator[bytes]:
        """Write one element that is not pixel data of the top level."""
        tag, vr, length = head
        if tag & 0xFFFF == 0 or tag >> 16 in (0x0000, 0x0002):  # group lengths are retired (PS3.5 7.2)
            self._pass_over(head)
            return
        if not vr:
            if tag == 0x7FE00010:
                vr = b"OW" if length is not None else b"OB"
            else:
                vr = vr_of(head, self._reader.peek(4), around)
        if tag == 0x7FE00010 and length is None:
            yield written_head(tag, b"OB", None)
            yield from self._fragments()
        elif vr == b"SQ":
            yield from self._sequence(head, around, depth + 1)
        elif vr == b"UN" and length is None:
            yield from self._unknown_sequence(head, depth + 1)
        elif length is None:
            raise malformed(tag)
        else:
            yield written_head(tag, vr, length)
            yield from self._value(tag, vr, length, around)

    def _value(self, tag: int, vr: bytes, length: int, around: Surroundings) -> Iterator[bytes]:
        word = swapped_size(vr) if self._reader.big else 1
        if length % word:
            raise malformed(tag)
        for piece in self._reader.value(length):
            value = swapped(piece, word)
            if length < _LONGEST_NOTED and (tag == 0x00280103 or is_creator(tag)):
                around.note(tag, value)
            yield value

    def _sequence(self, head: Head, around: Surroundings, depth: int) -> Iterator[bytes]:
        """Write a sequence with undefined lengths, which need not be known before."""
        yield written_head(head.tag, b"SQ", None)
        for end in self._items(head, depth):
            yield written_head(ITEM, b"", None)
            if head.tag == _ICONS and self._pixels.icon_pixels is not None:
                yield self._icon(end, around.inner(), depth)
            else:
                inner = around.inner()
                for element in self._elements(end):
                    yield from self._element(element, inner, depth)
            yield written_head(ITEM_END, b"", 0)
        yield written_head(SEQUENCE_END, b"", 0)

    def _items(self, head: Head, depth: int, *, implicit: bool = False) -> Iterator[int | None]:
        """Go through the items of a sequence; of each, give where it ends, None where its length is undefined."""
        if depth > _DEEPEST:
            raise malformed(head.tag)
        end = None if head.length is None else self._reader.position + head.length
        while end is None or self._reader.position < end:
            item = self._reader.head(implicit=implicit)
            if item.tag == SEQUENCE_END and end is None:
                return
            if item.tag != ITEM:
                raise malformed(head.tag)
            yield None if item.length is None else self._reader.position + item.length
        if self._reader.position != end:
            raise malformed(head.tag)

    def _elements(self, end: int | None, *, implicit: bool = False) -> Iterator[Head]:
        """Go through the elements of an item; each has to be read before the next is asked for."""
        tag = ITEM
        while end is None or self._reader.position < end:
            head = self._reader.head(implicit=implicit)
            if head.tag == ITEM_END and end is None:
                return
            if head.tag >> 16 == 0xFFFE:
                raise malformed(tag)
            tag = head.tag
            yield head
        if self._reader.position != end:
            raise malformed(tag)

    def _unknown_sequence(self, head: Head, depth: int) -> Iterator[bytes]:
        """Copy a sequence under VR UN, which is in implicit VR little endian (PS3.5 6.2.2 note 2)."""
        yield written_head(head.tag, head.vr, None)
        for end in self._items(head, depth, implicit=True):
            yield written_head(ITEM, b"", None)
            for element in self._elements(end, implicit=True):
                if element.length is None:
                    yield from self._unknown_sequence(element._replace(vr=b""), depth + 1)
                else:
                    yield written_head(element.tag, b"", element.length)
                    yield from self._reader.value(element.length)
            yield written_head(ITEM_END, b"", 0)
        yield written_head(SEQUENCE_END, b"", 0)

    def _fragments(self) -> Iterator[bytes]:
        """Copy compressed pixel data within an item."""
        for end in self._items(Head(0x7FE00010, b"OB", None), 1):
            if end is None:
                raise malformed(0x7FE00010)
            length = end - self._reader.position
            yield written_head(ITEM, b"", length)
            yield from self._reader.value(length)
        yield written_head(SEQUENCE_END, b"", 0)

    def _icon(self, end: int | None, around: Surroundings, depth: int) -> bytes:
        """Write an icon, whose pixels are decoded if they are compressed: it is small, so it is held."""
        written: dict[int, bytes] = {}
        values: dict[int, bytes] = {}
        for head in self._elements(end):
            if head.tag != 0x7FE00010 or head.length is not None:
                start = self._reader.position
                written[head.tag] = b"".join(self._element(head, around, depth))
                if head.tag >> 16 == 0x0028 and head.length is not None and head.length < _LONGEST_NOTED:
                    values[head.tag] = written[head.tag][-head.length :] if head.length else b""
                if self._reader.position - start > self._max_bytes:
                    raise malformed(_ICONS)
                continue
            fragments = []
            for stop in self._items(head, depth):
                if stop is None:
                    raise malformed(head.tag)
                fragments.append(self._reader.whole(stop - self._reader.position, self._max_bytes, head.tag))
            if self._pixels.icon_pixels is None or len(fragments) < 2:
                raise malformed(head.tag)
            changes, pixels = self._pixels.icon_pixels(values, fragments[1:])
            for tag, (vr, value) in changes.items():
                written[tag] = written_head(tag, vr, len(value)) + value
            pixels += b"\0" * (len(pixels) % 2)
            written[head.tag] = written_head(head.tag, b"OW", len(pixels)) + pixels
        return b"".join(data for _, data in sorted(written.items()))


def _changed(tag: int, change: tuple[bytes, bytes] | None) -> bytes:
    if change is None:
        return b""
    vr, value = change
    return written_head(tag, vr, len(value)) + value
