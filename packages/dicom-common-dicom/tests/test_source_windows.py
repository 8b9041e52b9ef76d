"""One verdict whatever the source, and whatever window of it is read at once."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from made_elements import (
    BACK,
    CODE,
    DEFLATED,
    FRONT,
    JPEG,
    PATIENT,
    PIXELS,
    ROWS,
    SEQUENCE_END,
    SQ,
    UNDEFINED,
    element,
    file_of,
    item,
)
from made_sources import Dribble

from dicom_common.core import DicomError
from dicom_common.dicom import ReaderSettings, Reading, read, read_header
from dicom_common.dicom._read import read_through

ZOO: dict[str, Callable[[], bytes]] = {
    "plain": lambda: file_of(FRONT + PATIENT + BACK + ROWS + PIXELS),
    "long values": lambda: file_of(
        FRONT + PATIENT + BACK + element(0x00291001, "OB", bytes(9000)) + PIXELS + bytes(700)
    ),
    "fragments": lambda: file_of(
        FRONT + BACK + element(0x7FE00010, "OB", item(bytes(900)) * 30 + SEQUENCE_END, UNDEFINED), JPEG
    ),
    "damaged sequence": lambda: file_of(FRONT + element(SQ, "SQ", item(CODE, 999) + item(CODE) * 9) + PATIENT + BACK),
    "no VR": lambda: file_of(
        FRONT + BACK + struct.pack("<HH2sH", 0x0021, 0x1001, b"??", 2) + b"AB" + ROWS + PIXELS + b"junk behind it"
    ),
    "deflated": lambda: file_of(zlib.compress(FRONT + PATIENT + BACK), DEFLATED),
    "two data sets": lambda: file_of((FRONT + PATIENT + BACK + PIXELS) + FRONT),
}


def outcome(ask: Callable[[], Reading]) -> tuple[object, ...]:
    try:
        reading = ask()
    except DicomError as error:
        return error.reason, str(error)
    return reading.instance, reading.metadata


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("max_header", [100, 800, 1 << 20])
def test_every_kind_of_source_and_window_gives_the_same_verdict(name: str, max_header: int, tmp_path: Path) -> None:
    settings, whole = ReaderSettings(max_header=max_header), ZOO[name]()
    path = tmp_path / "instance"
    for end in (len(whole), len(whole) - 1, len(whole) * 2 // 3, 300):
        data = whole[:end]
        path.write_bytes(data)
        expected = outcome(lambda data=data: read(data, settings=settings))  # type: ignore[misc]
        sources = (path, memoryview(data), bytearray(data), io.BytesIO(data), Dribble(data, 77))
        for source in sources:
            got = outcome(lambda source=source: read_through(source, settings, 64))  # type: ignore[misc]
            assert got == expected, (end, type(source))
        digest = hashlib.sha256(data).hexdigest()
        for first in (150, 4096):
            got = outcome(
                lambda data=data, first=first, digest=digest: read_header(  # type: ignore[misc]
                    lambda at, size: data[at : at + size], size=len(data), sha256=digest, first=first, settings=settings
                )
            )
            assert got == expected, (end, "ranges")


def test_compressed_frames_cost_no_budget(tmp_path: Path) -> None:
    path = tmp_path / "cine"
    start = file_of(FRONT + BACK + element(0x7FE00010, "OB", item(b""), UNDEFINED), JPEG)
    frame = 1 << 20
    with path.open("wb") as file:
        file.write(start)
        for _ in range(90):
            file.write(struct.pack("<HHI", 0xFFFE, 0xE000, frame))
            file.seek(frame, io.SEEK_CUR)
        file.write(SEQUENCE_END)
    assert read(path).instance.pixel_data is not None


def test_native_pixels_of_4_gib_are_passed_over_by_ranges(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(file_of(FRONT + BACK + element(0x7FE00010, "OB", b"", 0xFFFFFFF0)))
        file.truncate(file.tell() + 0xFFFFFFF0)
    size, taken = path.stat().st_size, 0

    with path.open("rb") as large:

        def read_range(offset: int, length: int) -> bytes:
            nonlocal taken
            taken += length
            large.seek(offset)
            return large.read(length)

        reading = read_header(read_range, size=size, sha256="0" * 64)
    assert reading.instance.pixel_data is not None
    assert reading.instance.pixel_data.length == 0xFFFFFFF0
    assert taken < 1 << 20
