"""Whole files, good and bad, in explicit, implicit and big endian VR, for tests of the reader."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from made_elements import EXPLICIT, UNDEFINED, item

from dicom_common.core import DicomError
from dicom_common.dicom import ReaderSettings, Reading, Reason, read

JPEG = "1.2.840.10008.1.2.4.50"
LONG = {b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC"}

IDENTITY = [
    (0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.7\0"),
    (0x00080018, "UI", b"1.2.5\0"),
    (0x0020000D, "UI", b"1.2.3\0"),
    (0x0020000E, "UI", b"1.2.4\0"),
]


def explicit(tag: int, vr: str, value: bytes, length: int | None = None, order: str = "<") -> bytes:
    letters, size = vr.encode(), len(value) if length is None else length
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF) + letters
    return head + (struct.pack(f"{order}HI", 0, size) if letters in LONG else struct.pack(f"{order}H", size)) + value


def implicit(tag: int, _vr: str, value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


def big(tag: int, vr: str, value: bytes) -> bytes:
    return explicit(tag, vr, value, order=">")


def data_set(*extra: bytes, write: Callable[..., bytes] = explicit, order: str = "<") -> bytes:
    """Join the identity and other elements, by ascending tag."""

    def tag(data: bytes) -> tuple[int, ...]:
        return struct.unpack(f"{order}HH", data[:4])

    everything = [*(write(*row) for row in IDENTITY), *extra]
    everything.sort(key=tag)
    return b"".join(everything)


def meta(syntax: str, *extra: bytes, group_length: int | None = None) -> bytes:
    group = b"".join(extra) + (
        explicit(0x00020010, "UI", syntax.encode() + b"\0" * (len(syntax) % 2)) if syntax else b""
    )
    length = struct.pack("<I", len(group) if group_length is None else group_length)
    return bytes(128) + b"DICM" + explicit(0x00020000, "UL", length) + group


def rules(result: Reading) -> set[tuple[str, str]]:
    return {(finding.tag, finding.rule) for finding in result.instance.warnings}


def reason_of(data: Any, **settings: Any) -> str:
    with pytest.raises(DicomError) as caught:
        read(data, settings=ReaderSettings(**settings))
    assert caught.value.reason in set(Reason)
    return caught.value.reason


ROWS = explicit(0x00280010, "US", b"\2\0")
COLUMNS = explicit(0x00280011, "US", b"\2\0")
BITS = explicit(0x00280100, "US", b"\x10\0")
PIXELS = explicit(0x7FE00010, "OW", bytes(8))
GOOD = meta(EXPLICIT) + data_set(ROWS, COLUMNS, BITS, PIXELS)
CODE = explicit(0x00080100, "SH", b"ab")
ENCAPSULATED = explicit(0x7FE00010, "OB", item(b"") + item(b"\xff\xd8\xff\xd9"), UNDEFINED)


def long_file(write: Callable[..., bytes] = explicit) -> bytes:
    """Make a file that is longer than what is read at once, with values on both sides of long ones."""
    middle = write(0x00091001, "OB", bytes(3 << 20))
    texts = [write(0x00110000 | number, "LO", b"x" * 200) for number in range(0x1000, 0x1FFF)]
    tail = write(0xFFFCFFFC, "OB", bytes(100))
    pixels = write(0x7FE00010, "OW", bytes(3 << 20))
    return data_set(middle, *texts, pixels, tail, write=write)
