"""Objects with pixel data, native and encapsulated, for tests of the frame index."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dicom_common.core import DicomError, Instance, PixelData
from dicom_common.dicom import FrameIndex

JPEG = "1.2.840.10008.1.2.4.50"
RLE = "1.2.840.10008.1.2.5"
MPEG4 = "1.2.840.10008.1.2.4.102"
SOI, EOI = b"\xff\xd8\xff\xe0", b"\xff\xd9"
HEADER_BYTES = 500


def item(value: bytes, element: int = 0xE000) -> bytes:
    return struct.pack("<HHI", 0xFFFE, element, len(value)) + value


def long_element(element: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2s2xI", 0x7FE0, element, vr, len(value)) + value


def instance(size: int, pixel: PixelData | None, **attributes: Any) -> Instance:
    identity = dict.fromkeys(("study_uid", "series_uid", "sop_uid", "sop_class_uid"), "1.2")
    return Instance(**{"transfer_syntax_uid": JPEG, **identity, **attributes}, size=size, sha256="", pixel_data=pixel)


def encapsulated(
    fragments: Sequence[bytes],
    *,
    table: Sequence[int] = (),
    extended: tuple[Sequence[int], Sequence[int]] | None = None,
    total: bool = False,
    delimiter: bool = True,
    **attributes: Any,
) -> tuple[bytes, Instance]:
    data = b"\x55" * HEADER_BYTES
    if extended is not None:
        for element, values in zip((1, 2), extended, strict=True):
            data += long_element(element, b"OV", struct.pack(f"<{len(values)}Q", *values))
        if total:
            data += long_element(3, b"UV", struct.pack("<Q", sum(extended[1])))
    data += struct.pack("<HH2s2xI", 0x7FE0, 0x0010, b"OB", 0xFFFFFFFF)
    offset = len(data)
    data += item(struct.pack(f"<{len(table)}I", *table)) + b"".join(map(item, fragments))
    if delimiter:
        data += item(b"", 0xE0DD) + b"\xfc\xff\xfc\xff\0\0\0\0"
    return data, instance(len(data), PixelData(0x7FE00010, "OB", offset, None), **attributes)


def native(value: bytes, **attributes: Any) -> tuple[bytes, Instance]:
    data = b"\x55" * HEADER_BYTES + value
    pixel = PixelData(attributes.pop("tag", 0x7FE00010), "OW", HEADER_BYTES, len(value))
    return data, instance(len(data), pixel, **{"transfer_syntax_uid": "1.2.840.10008.1.2.1", **attributes})


def frames(source: bytes, index: FrameIndex) -> list[bytes]:
    return [index.read(source, number) for number in range(1, index.count + 1)]


class Remote:
    """An object that can only be read by ranges, and counts them."""

    def __init__(self, data: bytes) -> None:
        self.data, self.requests, self.bytes = data, 0, 0

    def __call__(self, offset: int, length: int) -> bytes:
        assert offset >= 0
        assert length >= 0
        answer = self.data[offset : offset + length]
        self.requests += 1
        self.bytes += len(answer)
        return answer


def refused(function: Callable[[], object]) -> str:
    with pytest.raises(DicomError) as refusal:
        function()
    return refusal.value.reason
