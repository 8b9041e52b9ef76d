"""Objects with pixel data in every form and encoding, and the frames that are found in them."""

from __future__ import annotations

import struct
import zlib

import pytest
from made_elements import BIG, DEFLATED, EXPLICIT, IMPLICIT, UNDEFINED

from dicom_common.core import DicomError
from dicom_common.dicom import FrameIndex, ReaderSettings, Reading, index_frames, read

UNCOMPRESSED, RLE = "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.5"
JPEG, JPEG_LS, J2K, JXL = (f"1.2.840.10008.1.2.4.{number}" for number in (50, 80, 90, 110))
HTJ2K, MPEG4, PRIVATE = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.102", "1.2.3.4.5"
TOLERANT = ReaderSettings(truncated_pixel_data="accept")

IMAGES = {
    JPEG: b"\xff\xd8\xff\xe0" + bytes(20) + b"\xff\xd9",
    JPEG_LS: b"\xff\xd8\xff\xf7" + bytes(30) + b"\xff\xd9",
    J2K: b"\xff\x4f\xff\x51" + bytes(22) + b"\xff\xd9",
    HTJ2K: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40),
    JXL: b"\xff\x0a" + b"\x55" * 32,
    RLE: struct.pack("<16I", 1, 64, *[0] * 14) + b"\x03abcd\0",
}


def element(tag: int, vr: str, value: bytes, length: int | None = None, *, syntax: str = EXPLICIT) -> bytes:
    order = ">" if syntax == BIG else "<"
    size = len(value) if length is None else length
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if syntax == IMPLICIT:
        return head + struct.pack("<I", size) + value
    if vr in {"OB", "OW", "OF", "OD", "OV"}:
        return head + vr.encode() + struct.pack(f"{order}HI", 0, size) + value
    return head + vr.encode() + struct.pack(f"{order}H", size) + value


def item(value: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}HHI", 0xFFFE, 0xE000, len(value)) + value


def end(order: str = "<") -> bytes:
    return struct.pack(f"{order}HHI", 0xFFFE, 0xE0DD, 0)


def fragments(*values: bytes, table: bytes = b"", order: str = "<") -> bytes:
    return item(table, order) + b"".join(item(value, order) for value in values) + end(order)


def made(
    syntax: str,
    pixels: bytes,
    *,
    undefined: bool = False,
    frames: bytes | None = None,
    shape: tuple[int, int, int, int] = (4, 4, 1, 8),
    photometric: bytes = b"MONOCHROME2 ",
    tag: int = 0x7FE00010,
    declared: str | None = None,
) -> bytes:
    """Make an object; `declared` is another transfer syntax for its File Meta."""

    def short(tag: int, value: int) -> bytes:
        return element(tag, "US", struct.pack(">H" if syntax == BIG else "<H", value), syntax=syntax)

    rows, columns, samples, bits = shape
    body = b"".join(
        element(tag, "UI", uid + b"\0" * (len(uid) % 2), syntax=syntax)
        for tag, uid in (
            *((0x00080016, b"1.2.840.10008.5.1.4.1.1.7"), (0x00080018, b"1.2.5")),
            *((0x0020000D, b"1.2.3"), (0x0020000E, b"1.2.4")),
        )
    )
    body += short(0x00280002, samples) + element(0x00280004, "CS", photometric, syntax=syntax)
    if frames is not None:
        body += element(0x00280008, "IS", frames + b" " * (len(frames) % 2), syntax=syntax)
    body += short(0x00280010, rows) + short(0x00280011, columns) + short(0x00280100, bits)
    vr = {0x7FE00008: "OF", 0x7FE00009: "OD"}.get(tag, "OW" if undefined or bits > 8 else "OB")
    body += element(tag, vr, pixels, UNDEFINED if undefined else None, syntax=syntax)
    uid = (declared or syntax).encode()
    group = element(0x00020010, "UI", uid + b"\0" * (len(uid) % 2))
    if (declared or syntax) == DEFLATED:
        stream = zlib.compressobj(wbits=-15)
        body = stream.compress(body) + stream.flush()
    return bytes(128) + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(group))) + group + body


def indexed(data: bytes, settings: ReaderSettings = TOLERANT) -> tuple[Reading, FrameIndex]:
    reading = read(data, settings=settings)
    return reading, index_frames(data, reading.instance)


def frames_of(data: bytes) -> list[bytes]:
    _, index = indexed(data)
    return [index.read(data, number) for number in range(1, index.count + 1)]


def refusal(data: bytes) -> str:
    with pytest.raises(DicomError) as refused:
        indexed(data)
    return refused.value.reason


def rules(data: bytes) -> set[str]:
    """Give what was noted about the pixel data, by the reader and by the frame index."""
    reading, index = indexed(data)
    told = {finding.rule for finding in (*reading.instance.warnings, *index.warnings)}
    return told & {"pixel-data-form", "frame-count-differs", "no-offset-table", "bad-offset-table", "pixel-data-longer"}
