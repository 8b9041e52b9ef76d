"""One verdict whatever the source; identity that is never guessed; damage that stays in its container."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from made_elements import (
    BACK,
    CLASS,
    CODE,
    DEFLATED,
    EXPLICIT,
    FOLLOWING,
    FRONT,
    IMPLICIT,
    ITEM_END,
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
    reason_of,
    rules,
    uid,
)

from dicom_common.core import DicomError
from dicom_common.dicom import ReaderSettings, Reading, Reason, read, read_header
from dicom_common.dicom._read import read_through

# Identity


@pytest.mark.parametrize(
    "data_set",
    [
        FRONT + PATIENT + BACK + PIXELS + FRONT,
        FRONT + PATIENT + uid(0x00080018, b"1.2.6") + BACK,
        FRONT + PATIENT + element(0x00100020, "LO", b"P002") + BACK,
        FRONT + element(0x00100020, "LO", b"") + PATIENT + BACK,
        FRONT + PATIENT + PIXELS + BACK,
        FRONT + BACK + PIXELS + PATIENT,
    ],
)
def test_a_second_identity_or_one_behind_the_pixel_data_is_refused(data_set: bytes) -> None:
    assert reason_of(file_of(data_set)) == Reason.CONFLICTING_IDENTITY


def test_the_same_value_with_other_padding_is_no_second_identity() -> None:
    reading = read(file_of(FRONT + element(0x00080018, "UI", b"1.2.5 ") + PATIENT * 2 + BACK))
    assert (reading.instance.sop_uid, reading.instance.patient_id) == ("1.2.5", "P001")
    assert "duplicate" in rules(reading)


@pytest.mark.parametrize("vr", ["LO", "CS", "OB", "ST"])
def test_a_uid_under_another_vr_is_refused(vr: str) -> None:
    front = uid(0x00080016, b"1.2.840.10008.5.1.4.1.1.7") + element(0x00080018, vr, b"1.2.56")
    assert reason_of(file_of(front + BACK)) == Reason.INVALID_UID


@pytest.mark.parametrize("tag", [0x00100020, 0x00100021])
@pytest.mark.parametrize(("vr", "value"), [("OB", b"P001"), ("US", b"P001"), ("SQ", item(CODE)), ("FD", b"P0010000")])
def test_a_patient_id_or_issuer_that_is_no_text_is_refused(tag: int, vr: str, value: bytes) -> None:
    assert reason_of(file_of(FRONT + element(tag, vr, value) + BACK)) == Reason.INVALID_PATIENT_ID


@pytest.mark.parametrize(("vr", "value"), [("SH", b"P001"), ("UN", b"P001"), ("ST", b"P001")])
def test_a_patient_id_under_another_vr_for_text_is_read(vr: str, value: bytes) -> None:
    assert read(file_of(FRONT + element(0x00100020, vr, value) + BACK)).instance.patient_id == "P001"


@pytest.mark.parametrize("vr", ["SQ", "OB"])
def test_an_empty_patient_id_is_empty_under_every_vr(vr: str) -> None:
    assert read(file_of(FRONT + element(0x00100020, vr, b"") + BACK)).instance.patient_id == ""


def test_a_uid_under_vr_un_is_read() -> None:
    front = uid(0x00080016, b"1.2.840.10008.5.1.4.1.1.7") + uid(0x00080018, b"1.2.5", "UN")
    assert read(file_of(front + BACK)).instance.sop_uid == "1.2.5"


OTHER = uid(0x0020000D, b"1.9.9") + element(0x00100020, "LO", b"OTHER ")


@pytest.mark.parametrize(
    "stray",
    [item(OTHER), item(OTHER + ITEM_END, UNDEFINED), item(OTHER) * 2 + SEQUENCE_END, item(item(OTHER) + OTHER)],
)
def test_what_a_stray_item_holds_is_not_of_the_top_level(stray: bytes) -> None:
    reading = read(file_of(FRONT + stray + PATIENT + BACK))
    assert (reading.instance.study_uid, reading.instance.patient_id) == ("1.2.3", "P001")
    assert "stray-delimiter" in rules(reading)
    assert reason_of(file_of(FRONT + stray + element(0x00200010, "SH", b"1 "))) == Reason.MISSING_UID


# File Meta


def test_implicit_vr_file_meta_is_read_with_and_without_a_preamble() -> None:
    syntax = struct.pack("<HHI", 2, 0x10, 20) + EXPLICIT.encode() + b"\0"
    group = struct.pack("<HHII", 2, 0, 4, len(syntax)) + syntax
    for start in (bytes(128) + b"DICM", b"DICM", b""):
        reading = read(start + group + FRONT + BACK)
        assert reading.instance.transfer_syntax_uid == EXPLICIT
        assert reading.instance.data_set_offset == len(start + group)


@pytest.mark.parametrize("second", [IMPLICIT, JPEG, "1.2.3"])
def test_a_second_transfer_syntax_behind_the_file_meta_is_of_the_data_set(second: str) -> None:
    reading = read(file_of(uid(0x00020010, second.encode()) + FRONT + BACK))
    assert reading.instance.transfer_syntax_uid == EXPLICIT
    assert "foreign-group" in rules(reading)


# Recovery


@pytest.mark.parametrize("letters", [b"??", b"  ", b"\0\0", b"us", b"\xff\xff"])
@pytest.mark.parametrize("size", [16, 300_000])
def test_letters_that_are_no_vr_are_read_alike_in_files_of_any_size(letters: bytes, size: int) -> None:
    bad = struct.pack("<HH2sH", 0x0021, 0x1001, letters, 2) + b"AB"
    reading = read(file_of(FRONT + BACK + bad + ROWS + element(0x7FE00010, "OB", bytes(size))))
    assert reading.instance.rows == 2
    assert reading.instance.pixel_data is not None


def test_zeros_hide_no_elements() -> None:
    reading = read(file_of(FRONT + PATIENT + bytes(30) + BACK + bytes(100)))
    assert reading.instance.study_uid == "1.2.3"
    assert "zeros" in rules(reading)


@pytest.mark.parametrize("delimiter", [b"\xff\xfe\xe0\x0d", b"\xff\xfe\xe0\xdd"])
def test_a_delimiter_in_the_other_byte_order_is_one(delimiter: bytes) -> None:
    end = [ITEM_END, SEQUENCE_END]
    end[delimiter[3] == 0xDD] = delimiter + bytes(4)
    reading = read(file_of(FRONT + element(SQ, "SQ", item(CODE + end[0], UNDEFINED) + end[1], UNDEFINED) + BACK))
    assert "byte-order" in rules(reading)


# Damage


@pytest.mark.parametrize(
    "value",
    [
        item(b"no element at all, and long enough"),
        item(CODE + element(0x00080105, "LO", b"", 60000)),
        item(CODE, 10_000),
        item(CODE) + b"no item at all",
        item(element(0x00081140, "SQ", b"junk and junk", UNDEFINED)),
    ],
)
@pytest.mark.parametrize("vr", ["SQ", "UN"])
def test_a_sequence_that_cannot_be_read_is_kept_as_bytes(value: bytes, vr: str) -> None:
    reading = read(file_of(FRONT + element(SQ, vr, value) + PATIENT + BACK + ROWS))
    assert reading.instance.patient_id == "P001"
    assert reading.instance.rows == 2
    if "unreadable" in rules(reading):
        assert b'"00081115":{"vr":"UN","InlineBinary"' in reading.metadata


@pytest.mark.parametrize("length", [16, 20, 28, 30])
def test_a_sequence_that_is_longer_than_its_length_spoils_nothing(length: int) -> None:
    reading = read(file_of(FRONT + element(SQ, "SQ", item(CODE) + item(CODE), length) + PATIENT + BACK + ROWS))
    assert (reading.instance.patient_id, reading.instance.rows) == ("P001", 2)
    assert "sequence-length" in rules(reading) or "stray-delimiter" in rules(reading)


@pytest.mark.parametrize("tag", [0x00081115, 0x00102202, 0x00081140])
def test_un_with_explicit_vr_inside_is_read(tag: int) -> None:
    middle = element(tag, "UN", item(b"") + item(CODE))
    before, after = (FRONT + middle + PATIENT, BACK) if tag < 0x00100020 else (FRONT + PATIENT + middle, BACK)
    reading = read(file_of(before + after))
    assert b'"00080100":{"vr":"SH","Value":["C1"]}' in reading.metadata
    assert "unknown-explicit" in rules(reading)


def test_many_damaged_sequences_cost_no_more_than_reading_them() -> None:
    damaged = element(0x00091001, "SQ", item(b"no element at all, and long enough"))
    assert read(file_of(FRONT + BACK + damaged * 10_000)).instance.sop_uid == "1.2.5"


# Deflate


@pytest.mark.parametrize("wbits", [15, 31, 9])
def test_a_deflate_stream_with_a_header_is_read(wbits: int) -> None:
    stream = zlib.compressobj(wbits=wbits)
    data = file_of(stream.compress(FRONT + PATIENT + BACK) + stream.flush(), DEFLATED)
    reading = read(data)
    assert reading.instance.patient_id == "P001"
    assert rules(reading) == {"deflate-header"}


# Sources

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


class Dribble(io.RawIOBase):
    """A stream that cannot be sought in, and gives a few bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int = -1) -> bytes:
        size = min(size if size >= 0 else len(self._data), 77)
        data, self._data = self._data[:size], self._data[size:]
        return data


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
        sources = (path, memoryview(data), bytearray(data), io.BytesIO(data), Dribble(data))
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


LOST = (
    FRONT + ROWS + element(0x00080100, "SH", b"C1") + PATIENT + ITEM_END + SEQUENCE_END + BACK,
    FRONT + BACK + ROWS + PATIENT + SEQUENCE_END + PIXELS,
    CLASS + PATIENT + uid(0x00080018, b"1.2.99") + ITEM_END + SEQUENCE_END + BACK,
    # The break may be behind the delimiter: these ascend up to it.
    FRONT + PATIENT + element(0x00400275, "LO", b"A1") + ITEM_END + SEQUENCE_END + BACK + ROWS,
    CLASS + BACK + ITEM_END + uid(0x00080018, b"1.2.5") + PATIENT,
)


@pytest.mark.parametrize("data_set", LOST)
def test_identity_from_a_sequence_that_lost_its_beginning_is_refused(data_set: bytes) -> None:
    assert reason_of(file_of(data_set)) == Reason.AMBIGUOUS


HARMLESS = (
    FRONT + PATIENT + BACK + ROWS + SEQUENCE_END,
    FRONT + PATIENT + BACK + ITEM_END + SEQUENCE_END + ROWS,
    FRONT + PATIENT + BACK + ROWS + CODE + ITEM_END + SEQUENCE_END + element(0x00280011, "US", b"\2\0"),
    FRONT + SEQUENCE_END + PATIENT + ITEM_END + BACK,
    FRONT + PATIENT + BACK + ROWS + CODE + PATIENT + ITEM_END + PIXELS,
)


@pytest.mark.parametrize("data_set", HARMLESS)
def test_a_stray_delimiter_that_puts_no_identity_in_doubt_is_a_finding(data_set: bytes) -> None:
    reading = read(file_of(data_set))
    assert (reading.instance.sop_uid, reading.instance.patient_id) == ("1.2.5", "P001")
    assert "stray-delimiter" in rules(reading)


@pytest.mark.parametrize("size", [8, 13, 1000, 70_000])
@pytest.mark.parametrize("byte", [b"\xff", b"\xfe", b"\xe5"])
def test_bytes_behind_the_pixel_data_that_are_no_elements_are_passed_over(byte: bytes, size: int) -> None:
    reading = read(file_of(FRONT + PATIENT + BACK + PIXELS + byte * size))
    assert reading.instance.pixel_data is not None
    assert "trailing-bytes" in rules(reading)


def test_the_issuer_of_a_patient_id_is_of_the_identity() -> None:
    issuer = element(0x00100021, "LO", b"SITE A")
    other = element(0x00100021, "LO", b"SITE B")
    assert read(file_of(FRONT + PATIENT + issuer + issuer + BACK)).instance.issuer_of_patient_id == "SITE A"
    for data_set in (FRONT + PATIENT + issuer + other + BACK, FRONT + PATIENT + BACK + PIXELS + issuer):
        assert reason_of(file_of(data_set)) == Reason.CONFLICTING_IDENTITY


@pytest.mark.parametrize("tag", [0x00080005, 0x00080008, 0x00080012])
def test_a_first_element_without_a_vr_does_not_make_the_data_set_implicit(tag: int) -> None:
    first = struct.pack("<HHI", tag >> 16, tag & 0xFFFF, 10) + b"ISO_IR 100"
    reading = read(file_of(first + FRONT + PATIENT + BACK + ROWS + PIXELS))
    assert (reading.instance.rows, reading.instance.transfer_syntax_uid) == (2, EXPLICIT)
    assert "no-vr" in rules(reading)


@pytest.mark.parametrize("frames", [17, 40, 65])
def test_a_deflated_label_map_is_read_however_well_it_deflates(frames: int) -> None:
    rows = element(0x00280010, "US", struct.pack("<H", 1024)) + element(0x00280011, "US", struct.pack("<H", 1024))
    bits = element(0x00280100, "US", b"\x08\0") + element(0x00280008, "IS", b"%d" % frames)
    label = bytearray(1 << 20)
    for row in range(200, 800):
        label[row << 10 | 300 : row << 10 | 700] = bytes([row // 200]) * 400
    data_set = FRONT + PATIENT + BACK + bits[10:] + rows + bits[:10] + element(0x7FE00010, "OB", bytes(label) * frames)
    stream = zlib.compressobj(9, wbits=-15)
    deflated = stream.compress(data_set) + stream.flush()
    assert len(data_set) > 400 * len(deflated)
    assert read(file_of(deflated, DEFLATED)).instance.patient_id == "P001"


def test_many_stray_delimiters_cost_no_more_than_reading_them() -> None:
    data = file_of(FRONT + PATIENT + BACK + element(SQ, "SQ", item(CODE) + ITEM_END * 350_000))
    assert reason_of(data) == Reason.TOO_MANY_ITEMS
    between = (ITEM_END + element(0x00080100, "SH", b"C1")) * 15_000
    assert reason_of(file_of(FRONT + PATIENT + BACK + between)) == Reason.AMBIGUOUS


@pytest.mark.parametrize("letters", [b"??", b"Lo", b"\0\0", b"  ", b"\x07Q"])
@pytest.mark.parametrize("tag", [0x0020FFF0, 0x00229998, 0x002700FF])
def test_letters_that_are_no_vr_directly_behind_a_uid_are_read_by_what_follows(tag: int, letters: bytes) -> None:
    strange = struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, letters, 6) + b"abcdef"
    reading = read(file_of(FRONT + PATIENT + BACK + strange + FOLLOWING))
    assert (reading.instance.study_uid, reading.instance.series_uid, reading.instance.rows) == ("1.2.3", "1.2.4", 2)
    assert f"{tag:08X}" in json.loads(reading.metadata)
