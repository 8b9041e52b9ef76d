"""A whole instance in another transfer syntax (PS3.5 A), in pieces: memory does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dicom_common.codecs._attributes import text, whole
from dicom_common.codecs._coders import ENCODERS, EXPLICIT, available, named
from dicom_common.codecs._conversion import Changes, Conversion, IconPixels
from dicom_common.codecs._elements import ITEM, SEQUENCE_END, ElementReader, Head, malformed, written_head
from dicom_common.codecs._frames import DecodedFrame, FrameCodec
from dicom_common.codecs._images import Image
from dicom_common.codecs._pixel_description import PixelDescription
from dicom_common.codecs._reasons import CodecReason
from dicom_common.core import DicomError
from dicom_common.dicom import TransferSyntax, file_start, swapped, transfer_syntax

__all__ = ["transcoded"]

_RLE: Final = "1.2.840.10008.1.2.5"
_ALWAYS_LOSSY: Final = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
_PLANAR, _PHOTOMETRIC, _FRAMES, _LOSSY = 0x00280006, 0x00280004, 0x00280008, 0x00282110
_OFFSETS: Final = (0x7FE00001, 0x7FE00002, 0x7FE00003)
"""Extended Offset Table, its lengths, and Encapsulated Pixel Data Value Total Length."""
_LONGEST: Final = 0xFFFFFFFE


def transcoded(image: Image, target: str, frames: FrameCodec, max_bytes: int) -> Iterator[bytes]:
    """Write an instance as a file of another transfer syntax.

    What can be refused is refused before the first piece.

    Args:
        image: the instance.
        target: the transfer syntax: explicit VR little endian, one of `ENCODERS`, or that of a compressed instance.
        frames: decodes and encodes.
        max_bytes: bytes of one frame.

    Raises:
        DicomError: it cannot be converted.
    """
    source = image.syntax
    if source is None or source.referenced:
        raise DicomError(
            CodecReason.UNSUPPORTED,
            f"An instance in {named(image.instance.transfer_syntax_uid)} is not converted: it can be sent as it is "
            "stored.",
        )
    _require_target(target, source)
    icons = None if target == source.uid or not source.encapsulated else _IconPixels(source, frames)
    there = image.instance.pixel_data is not None
    pixels = _Pixels(image, source, target, frames, icons) if there else _NoPixels(icons)
    reader = ElementReader(image.ranges, image.start, image.encoding)
    signed = image.instance.pixel_representation == 1
    yield file_start(image.instance.sop_class_uid, image.instance.sop_uid, target)
    yield from Conversion(reader, pixels, signed=signed, max_icon_bytes=max_bytes).pieces()


def _require_target(target: str, source: TransferSyntax) -> None:
    """Refuse targets that lose information, and those that nothing here writes."""
    if target == EXPLICIT or (target == source.uid and source.encapsulated):
        return
    syntax = transfer_syntax(target)
    if syntax is not None and syntax.lossy:
        raise DicomError(
            CodecReason.LOSSY_TARGET, f"{syntax.name} may lose information: instances are only converted without loss."
        )
    coders = ENCODERS.get(target, ())
    if available(coders):
        return
    extra = next((coder.extra for coder in coders if coder.extra), None)
    cure = f"run `pip install dicom-common-codecs[{extra}]`" if extra else "ask for another transfer syntax"
    raise DicomError(CodecReason.NO_ENCODER, f"Nothing that is installed encodes {named(target)}: {cure}.")


class _NoPixels:
    """What is converted where there is no pixel data of the top level."""

    def __init__(self, icon_pixels: IconPixels | None) -> None:
        self.icon_pixels = icon_pixels

    def changes(self) -> Changes:
        """Give nothing."""
        return {}

    def pieces(self, head: Head, reader: ElementReader) -> Iterator[bytes]:  # noqa: ARG002  # as PixelWriter has it
        """Refuse pixel data that the reader has not seen."""
        raise malformed(head.tag)


class _Pixels:
    """The pixel data of an instance in its new transfer syntax."""

    def __init__(
        self, image: Image, source: TransferSyntax, target: str, frames: FrameCodec, icon_pixels: IconPixels | None
    ) -> None:
        pixel = image.instance.pixel_data
        assert pixel is not None
        self._image, self._source, self._pixel, self._target, self._frames = image, source, pixel, target, frames
        self.icon_pixels = icon_pixels
        defined = pixel.length is not None
        plain = defined and (not source.encapsulated or not image.index.encapsulated)
        if not plain and not source.encapsulated:
            raise malformed(pixel.tag)
        self._copied = (target == EXPLICIT and plain) or (target == source.uid and source.encapsulated and not defined)
        if not self._copied:
            if source.video:
                raise DicomError(CodecReason.UNSUPPORTED, "A video is not converted: it can be sent as it is stored.")
            self._start()
        elif not plain and image.index.warnings:
            raise malformed(pixel.tag)

    def _start(self) -> None:
        """Convert the first frame: it tells how the others will be described, and whether they can be converted."""
        self._first = self._frames.decode(self._image, 1)
        self._described = self._first.pixels
        described, count = self._described, self._image.frames
        if self._target == EXPLICIT:
            self._length = (_bits(described) * count + 7) // 8
            if self._length > _LONGEST:
                raise DicomError(
                    CodecReason.UNSUPPORTED,
                    "The decoded frames are longer than native pixel data can be: the instance can be sent as it is "
                    "stored.",
                )
            return
        if described.kind != "integer" or described.bits_allocated not in (8, 16) or described.subsampled:
            raise DicomError(
                CodecReason.UNSUPPORTED,
                "Pixels of this kind are not compressed: ask for the instance as it is stored, or in explicit VR "
                "little endian.",
            )
        if not available(ENCODERS.get(self._target, ())):
            raise malformed(self._pixel.tag)  # native pixels where the stored transfer syntax says compressed ones
        self._first_encoded = self._encoded(self._first)

    def changes(self) -> Changes:
        """Give the attributes that describe the pixels otherwise than before."""
        if self._copied:
            return {}
        described, header = self._described, self._image.header
        changes: dict[int, tuple[bytes, bytes] | None] = dict.fromkeys(_OFFSETS)
        changes |= _described_as(described, planar=1 if self._target == _RLE and described.samples > 1 else 0)
        count = self._image.frames
        if whole(header, "00280008") != count and (count > 1 or "00280008" in header):
            changes[_FRAMES] = (b"IS", _even(str(count).encode()))
        if self._source.uid in _ALWAYS_LOSSY and text(header, "00282110") != "01":
            changes[_LOSSY] = (b"CS", b"01")
        return changes

    def pieces(self, head: Head, reader: ElementReader) -> Iterator[bytes]:
        """Write the element, and leave the reader behind that of the stored instance."""
        if head.tag != self._pixel.tag or reader.position != self._pixel.offset:
            raise malformed(head.tag)  # a second one, which no decoder would look at
        if self._copied:
            yield from self._copy(reader)
            return
        if self._target == EXPLICIT:
            vr = b"OW" if self._described.bits_allocated > 8 else b"OB"
            yield written_head(head.tag, vr, self._length + self._length % 2)
            yield from _joined(self._decoded())
            if self._length % 2:
                yield b"\0"
        else:
            yield written_head(head.tag, b"OB", None)
            yield written_head(ITEM, b"", 0)
            for number, frame in enumerate(self._decoded()):
                data = self._encoded(frame) if number else self._first_encoded
                yield written_head(ITEM, b"", len(data)) + data
            yield written_head(SEQUENCE_END, b"", 0)
        self._pass_over(reader)

    def _decoded(self) -> Iterator[DecodedFrame]:
        yield self._first
        for number in range(2, self._image.frames + 1):
            frame = self._frames.decode(self._image, number)
            if frame.pixels != self._described:
                raise DicomError(
                    CodecReason.UNSUPPORTED,
                    f"Frame {number} has another colour space than the first: the instance can be sent as it is "
                    "stored.",
                )
            yield frame

    def _encoded(self, frame: DecodedFrame) -> bytes:
        data = self._frames.encode(frame, self._target)
        return data + b"\0" * (len(data) % 2)

    def _copy(self, reader: ElementReader) -> Iterator[bytes]:
        """Copy native pixel data, in little endian, or fragments."""
        pixel, length = self._pixel, self._pixel.length
        if length is None:
            yield written_head(pixel.tag, b"OB", None)
            yield from _fragments(reader)
            return
        vr = pixel.vr.encode("ascii")
        if self._image.encoding.implicit_vr:
            vr = {0x7FE00008: b"OF", 0x7FE00009: b"OD"}.get(pixel.tag, b"OW")
        word = self._image.swapped_word
        odd = length % 2
        if (length + odd) % word or vr not in (b"OB", b"OW", b"OF", b"OD"):
            raise malformed(pixel.tag)
        yield written_head(pixel.tag, vr, length + odd)
        for piece in reader.value(length):
            yield swapped(piece + b"\0" * (len(piece) % word), word)
        if odd and word == 1:
            yield b"\0"

    def _pass_over(self, reader: ElementReader) -> None:
        if self._pixel.length is not None:
            reader.skip(self._pixel.length)
            return
        for _ in _fragments(reader):
            pass


def _fragments(reader: ElementReader) -> Iterator[bytes]:
    """Copy items up to the sequence delimiter."""
    while (item := reader.head()).tag == ITEM and item.length is not None:
        yield written_head(ITEM, b"", item.length)
        yield from reader.value(item.length)
    if item.tag != SEQUENCE_END:
        raise malformed(0x7FE00010)
    yield written_head(SEQUENCE_END, b"", 0)


class _IconPixels:
    """Decodes the pixels of icons, which are compressed as those of their instance are."""

    def __init__(self, source: TransferSyntax, frames: FrameCodec) -> None:
        self._source, self._frames = source, frames

    def __call__(
        self, values: dict[int, bytes], fragments: list[bytes]
    ) -> tuple[dict[int, tuple[bytes, bytes]], bytes]:
        """Decode them by the values of their Image Pixel attributes."""

        def number(element: int, default: int | None = None) -> int:
            value = values.get(0x00280000 | element, b"")
            if len(value) == 2:
                return int.from_bytes(value, "little")
            if default is None:
                raise malformed(0x00280000 | element)
            return default

        allocated = number(0x0100)
        stored = number(0x0101, allocated)
        described = PixelDescription(
            rows=number(0x0010),
            columns=number(0x0011),
            samples=number(0x0002, 1),
            photometric=values.get(_PHOTOMETRIC, b"").decode("latin-1").strip(" \0"),
            bits_allocated=allocated,
            bits_stored=stored,
            high_bit=number(0x0102, stored - 1),
            signed=number(0x0103, 0) == 1,
            planar=number(0x0006, 0),
        )
        decoded = self._frames.decode_data(b"".join(fragments), self._source.uid, described)
        return _described_as(decoded.pixels, planar=0), decoded.data


def _described_as(described: PixelDescription, *, planar: int) -> dict[int, tuple[bytes, bytes]]:
    changes = {_PHOTOMETRIC: (b"CS", _even(described.photometric.encode("ascii", "replace")))}
    if described.samples > 1:
        changes[_PLANAR] = (b"US", planar.to_bytes(2, "little"))
    return changes


def _even(value: bytes) -> bytes:
    return value + b" " * (len(value) % 2)


def _bits(described: PixelDescription) -> int:
    """Give the bits of a frame, which need not fill its last byte."""
    return described.rows * described.columns * described.samples * described.bits_allocated


def _joined(frames: Iterator[DecodedFrame]) -> Iterator[bytes]:
    """Put frames one behind the other: packed ones that do not end at a byte go on within it (PS3.5 8.1.1)."""
    carried, count = 0, 0
    for frame in frames:
        bits = _bits(frame.pixels)
        if not bits % 8 and not count:
            yield frame.data
            continue
        carried |= (int.from_bytes(frame.data, "little") & (1 << bits) - 1) << count
        count += bits
        yield (carried & (1 << count // 8 * 8) - 1).to_bytes(count // 8, "little")
        carried, count = carried >> count // 8 * 8, count % 8
    if count:
        yield carried.to_bytes(1, "little")
