"""Elements and small objects as bytes, for tests of the reader."""

from __future__ import annotations

import struct

import pytest

from dicom_common.core import DicomError
from dicom_common.dicom import Reading, read

EXPLICIT, IMPLICIT, JPEG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.70"
DEFLATED, BIG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
LONG = frozenset(("OB", "OW", "SQ", "UN", "UT"))
UNDEFINED = 0xFFFFFFFF
ITEM_END, SEQUENCE_END = b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"


def element(tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    return head + struct.pack("<2xI" if vr in LONG else "<H", size) + value


def item(content: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content) if length is None else length) + content


def uid(tag: int, text: bytes, vr: str = "UI") -> bytes:
    return element(tag, vr, text + b"\0" * (len(text) % 2))


def file_of(data_set: bytes, syntax: str = EXPLICIT) -> bytes:
    group = uid(0x00020010, syntax.encode())
    return bytes(128) + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(group))) + group + data_set


CLASS = uid(0x00080016, b"1.2.840.10008.5.1.4.1.1.7")
FRONT = CLASS + uid(0x00080018, b"1.2.5")
PATIENT = element(0x00100020, "LO", b"P001")
BACK = uid(0x0020000D, b"1.2.3") + uid(0x0020000E, b"1.2.4")
ROWS = element(0x00280010, "US", b"\2\0")
PIXELS = element(0x7FE00010, "OB", bytes(16))
CODE = element(0x00080100, "SH", b"C1") + element(0x00080104, "LO", b"code")
SQ = 0x00081115
FOLLOWING = ROWS + element(0x00280011, "US", b"\2\0") + element(0x00280100, "US", b"\x08\0") + PIXELS


def rules(reading: Reading) -> set[str]:
    return {finding.rule for finding in reading.instance.warnings}


def reason_of(data: bytes) -> str:
    with pytest.raises(DicomError) as caught:
        read(data)
    return caught.value.reason
