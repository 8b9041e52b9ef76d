"""Damaged File Meta, elements, sequences and deflate streams: what is wrong spoils nothing around it."""

from __future__ import annotations

import json
import struct
import zlib

import pytest
from made_elements import (
    BACK,
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

from dicom_common.dicom import Reason, read

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


# Elements


@pytest.mark.parametrize("letters", [b"??", b"  ", b"\0\0", b"us", b"\xff\xff"])
@pytest.mark.parametrize("size", [16, 300_000])
def test_letters_that_are_no_vr_are_read_alike_in_files_of_any_size(letters: bytes, size: int) -> None:
    bad = struct.pack("<HH2sH", 0x0021, 0x1001, letters, 2) + b"AB"
    reading = read(file_of(FRONT + BACK + bad + ROWS + element(0x7FE00010, "OB", bytes(size))))
    assert reading.instance.rows == 2
    assert reading.instance.pixel_data is not None


@pytest.mark.parametrize("letters", [b"??", b"Lo", b"\0\0", b"  ", b"\x07Q"])
@pytest.mark.parametrize("tag", [0x0020FFF0, 0x00229998, 0x002700FF])
def test_letters_that_are_no_vr_directly_behind_a_uid_are_read_by_what_follows(tag: int, letters: bytes) -> None:
    strange = struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, letters, 6) + b"abcdef"
    reading = read(file_of(FRONT + PATIENT + BACK + strange + FOLLOWING))
    assert (reading.instance.study_uid, reading.instance.series_uid, reading.instance.rows) == ("1.2.3", "1.2.4", 2)
    assert f"{tag:08X}" in json.loads(reading.metadata)


@pytest.mark.parametrize("tag", [0x00080005, 0x00080008, 0x00080012])
def test_a_first_element_without_a_vr_does_not_make_the_data_set_implicit(tag: int) -> None:
    first = struct.pack("<HHI", tag >> 16, tag & 0xFFFF, 10) + b"ISO_IR 100"
    reading = read(file_of(first + FRONT + PATIENT + BACK + ROWS + PIXELS))
    assert (reading.instance.rows, reading.instance.transfer_syntax_uid) == (2, EXPLICIT)
    assert "no-vr" in rules(reading)


def test_zeros_hide_no_elements() -> None:
    reading = read(file_of(FRONT + PATIENT + bytes(30) + BACK + bytes(100)))
    assert reading.instance.study_uid == "1.2.3"
    assert "zeros" in rules(reading)


@pytest.mark.parametrize("size", [8, 13, 1000, 70_000])
@pytest.mark.parametrize("byte", [b"\xff", b"\xfe", b"\xe5"])
def test_bytes_behind_the_pixel_data_that_are_no_elements_are_passed_over(byte: bytes, size: int) -> None:
    reading = read(file_of(FRONT + PATIENT + BACK + PIXELS + byte * size))
    assert reading.instance.pixel_data is not None
    assert "trailing-bytes" in rules(reading)


# Sequences


@pytest.mark.parametrize("delimiter", [b"\xff\xfe\xe0\x0d", b"\xff\xfe\xe0\xdd"])
def test_a_delimiter_in_the_other_byte_order_is_one(delimiter: bytes) -> None:
    end = [ITEM_END, SEQUENCE_END]
    end[delimiter[3] == 0xDD] = delimiter + bytes(4)
    reading = read(file_of(FRONT + element(SQ, "SQ", item(CODE + end[0], UNDEFINED) + end[1], UNDEFINED) + BACK))
    assert "byte-order" in rules(reading)


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


def test_many_stray_delimiters_cost_no_more_than_reading_them() -> None:
    data = file_of(FRONT + PATIENT + BACK + element(SQ, "SQ", item(CODE) + ITEM_END * 350_000))
    assert reason_of(data) == Reason.TOO_MANY_ITEMS
    between = (ITEM_END + element(0x00080100, "SH", b"C1")) * 15_000
    assert reason_of(file_of(FRONT + PATIENT + BACK + between)) == Reason.AMBIGUOUS


# Deflate


@pytest.mark.parametrize("wbits", [15, 31, 9])
def test_a_deflate_stream_with_a_header_is_read(wbits: int) -> None:
    stream = zlib.compressobj(wbits=wbits)
    data = file_of(stream.compress(FRONT + PATIENT + BACK) + stream.flush(), DEFLATED)
    reading = read(data)
    assert reading.instance.patient_id == "P001"
    assert rules(reading) == {"deflate-header"}


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
