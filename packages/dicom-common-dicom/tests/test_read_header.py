"""`read_header` says what `read` says, of every file, with fewer bytes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pydicom
import pytest

from dicom_common.core import DicomError, Instance
from dicom_common.dicom import read, read_header

FILES = sorted(path for path in (Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm"))


class Ranges:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[tuple[int, int]] = []

    def __call__(self, offset: int, length: int) -> bytes:
        self.asked.append((offset, length))
        return self.data[offset : offset + length]


def outcome(reading: Callable[[], tuple[Instance, bytes]]) -> object:
    try:
        return reading()
    except DicomError as error:
        return error.reason


def whole(data: bytes) -> tuple[Instance, bytes]:
    reading = read(data)
    return reading.instance, reading.metadata


def header(data: bytes, first: int) -> tuple[Instance, bytes]:
    reading = read_header(Ranges(data), size=len(data), sha256=hashlib.sha256(data).hexdigest(), first=first)
    return reading.instance, reading.metadata


@pytest.mark.parametrize("first", [200, 4096, 1 << 20])
def test_it_agrees_with_read_about_every_file_and_every_cut_file(first: int) -> None:
    for file in FILES:
        data = file.read_bytes()[: 3 << 20]
        for part in (data, data[: len(data) * 2 // 3]):
            assert outcome(partial(header, part, first)) == outcome(partial(whole, part)), file.name


def test_native_pixel_data_is_not_read() -> None:
    data_set = pydicom.dcmread(Path(pydicom.__file__).parent / "data" / "test_files" / "MR_small.dcm")
    data_set.PixelData = bytes(8 << 20)
    made = io.BytesIO()
    data_set.save_as(made)
    ranges = Ranges(made.getvalue())
    read_header(ranges, size=len(made.getvalue()), sha256="0" * 64)
    assert [length for _, length in ranges.asked] == [256 * 1024, 138], "the padding behind it is looked at"


def test_an_object_that_is_shorter_than_it_was_said_to_be_is_refused() -> None:
    data = FILES[0].read_bytes()
    with pytest.raises(DicomError) as error:
        read_header(Ranges(data[:1000]), size=len(data), sha256="0" * 64)
    assert error.value.reason == "truncated"
