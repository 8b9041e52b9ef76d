"""The record of an instance: its typed fields, and what becomes of values that are none."""

from __future__ import annotations

import hashlib
import struct
from datetime import date, time
from typing import Any

import pytest
from made_elements import BACK, FRONT, PATIENT, file_of
from made_files import data_set, explicit, meta

from dicom_common.core import ATTRIBUTES, PersonName, RequestAttributes
from dicom_common.dicom import Reading, read

EXPLICIT = "1.2.840.10008.1.2.1"


def element(tag: int, vr: str, value: bytes) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    size = struct.pack("<HI", 0, len(value)) if vr in ("OB", "SQ", "UN", "UT") else struct.pack("<H", len(value))
    return head + size + value


def file_with(*elements: bytes) -> bytes:
    ids = [
        element(tag, "UI", value)
        for tag, value in [(0x00080016, b"1.2.840.10008.5.1.4.1.1.7"), (0x00080018, b"1.2.5"), (0x0020000D, b"1.2.3")]
    ]
    everything = sorted(
        [*ids, element(0x0020000E, "UI", b"1.2.4"), *elements], key=lambda data: struct.unpack("<HH", data[:4])
    )
    group = element(0x00020010, "UI", EXPLICIT.encode() + b"\0")
    head = bytes(128) + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(group))) + group
    return head + b"".join(everything)


def reading(*elements: bytes) -> Reading:
    return read(file_with(*elements))


def field(name: str, vr: str, value: bytes) -> Any:
    """Give the field that an attribute with this value becomes, and the rules that the value broke."""
    attribute = next(attribute for attribute in ATTRIBUTES if attribute.field == name)
    result = reading(element(attribute.tag, vr, value)).instance
    return getattr(result, name), {finding.rule for finding in result.warnings}


@pytest.mark.parametrize(
    ("name", "vr", "value", "expected"),
    [
        ("patient_id", "LO", b" P 1 ", "P 1"),
        ("patient_name", "PN", b"A^B=C=D ", PersonName("A^B", "C", "D")),
        ("patient_name", "PN", b"A^B\0", PersonName("A^B")),
        ("patient_name", "PN", b"= ", None),
        ("patient_name", "PN", b"\0A=B\0", PersonName("A", "B")),
        ("study_description", "LO", b"\0a\x7f\0", "a\x7f"),
        ("patient_birth_date", "DA", b"19700131", date(1970, 1, 31)),
        ("patient_sex", "CS", b"F ", "F"),
        ("patient_weight", "DS", b"+70.5 ", 70.5),
        ("patient_size", "DS", b"1E0 ", 1.0),
        ("study_time", "TM", b"07", time(7)),
        ("study_time", "TM", b"0730", time(7, 30)),
        ("study_time", "TM", b"073015", time(7, 30, 15)),
        ("study_time", "TM", b"073015.5 ", time(7, 30, 15, 500000)),
        ("study_time", "TM", b"073015.123456 ", time(7, 30, 15, 123456)),
        ("study_time", "TM", b"235960", time(23, 59, 59, 999999)),
        ("series_number", "IS", b"-7", -7),
        ("series_number", "IS", b"+012 ", 12),
        ("rows", "US", b"\0\2", 512),
        ("image_type", "CS", b"ORIGINAL\\PRIMARY\\\\M ", ("ORIGINAL", "PRIMARY", "", "M")),
        ("image_position_patient", "DS", b"-1.5\\0\\ 2 ", (-1.5, 0.0, 2.0)),
        ("window_center", "DS", b"40\\400", (40.0, 400.0)),
        ("study_description", "LO", b'a=b "c"', 'a=b "c"'),
        ("laterality", "CS", b"  ", None),
        # Another VR than the standard's that says the same.
        ("modality", "LO", b"CT", "CT"),
    ],
)
def test_a_value_becomes_a_typed_field(name: str, vr: str, value: bytes, expected: Any) -> None:
    assert field(name, vr, value) == (expected, set())


@pytest.mark.parametrize(
    ("name", "vr", "value"),
    [
        ("study_date", "DA", b"20231345"),
        ("study_date", "DA", b"00000000"),
        ("study_date", "DA", b"NotADate"),
        ("study_date", "DA", b"2023W011"),
        ("study_time", "TM", b"99:99"),
        ("study_time", "TM", b"250000"),
        ("study_time", "TM", b"1"),
        ("patient_weight", "DS", b"1,5 "),
        ("patient_weight", "DS", b"1_5 "),
        ("patient_weight", "DS", b"NaN "),
        ("patient_weight", "DS", b"inf "),
        ("patient_weight", "DS", b"1e999 "),
        ("series_number", "IS", b"1.5 "),
        ("series_number", "IS", b"2147483648"),
        ("series_number", "IS", b"1A"),
        # More than one reading, or none.
        ("study_date", "DA", b"04/05/2023"),
        ("study_date", "DA", b"30.04.1993"),
        ("study_date", "DA", b"2023.02.30"),
        ("study_date", "DA", b"2023.04-05"),
        ("study_date", "DA", b"2023.04"),
        ("study_date", "DT", b"2023"),
        ("study_time", "TM", b"11:60:00"),
        ("study_time", "TM", b"11:27:24:10 "),
        ("study_time", "DT", b"20230405"),
        ("series_number", "FD", struct.pack("<d", 1.5)),
        ("series_number", "DS", b"1.5 "),
        ("rows", "SS", b"\xff\xff"),
        ("rows", "UL", b"\1\0"),
        ("rows", "FL", struct.pack("<f", float("nan"))),
        ("patient_weight", "UL", b"\1\0\0"),
        ("rows", "AT", b"\1\0\0\0"),
        ("rows", "US", b"\1"),
    ],
)
def test_a_bad_value_is_null_and_a_warning(name: str, vr: str, value: bytes) -> None:
    found, rules = field(name, vr, value)
    assert found in (None, "")
    assert "value" in rules


@pytest.mark.parametrize(
    ("name", "vr", "value", "expected"),
    [
        ("study_date", "DA", b"1993.04.30", date(1993, 4, 30)),
        ("study_date", "DA", b"1993 04 30", date(1993, 4, 30)),
        ("series_date", "DA", b"2023-01-02", date(2023, 1, 2)),
        ("content_date", "DA", b" 2023-1-2 ", date(2023, 1, 2)),
        ("acquisition_date", "DA", b"2024/02/29", date(2024, 2, 29)),
        ("patient_birth_date", "DA", b"1970:01:31", date(1970, 1, 31)),
        ("study_date", "DT", b"20230405101112.5+0100 ", date(2023, 4, 5)),
        ("instance_creation_date", "DA", b"2023-04-05T10:11:12Z", date(2023, 4, 5)),
        ("study_time", "TM", b"11:27:24", time(11, 27, 24)),
        ("study_time", "TM", b"10:30 ", time(10, 30)),
        ("series_time", "TM", b"9:05:07.25", time(9, 5, 7, 250000)),
        ("content_time", "TM", b"073015.1234569 ", time(7, 30, 15, 123456)),
        ("content_time", "TM", b"07:30:15.123456789", time(7, 30, 15, 123456)),
        ("study_time", "DT", b"20230405101112.5", time(10, 11, 12, 500000)),
        ("study_time", "TM", b"2023-04-05 10:11 ", time(10, 11)),
        ("study_time", "TM", b"23:59:60", time(23, 59, 59, 999999)),
        ("number_of_frames", "IS", b"3.0 ", 3),
        ("series_number", "IS", b"-7.000 ", -7),
        ("instance_number", "IS", b"0000000000000012.", 12),
    ],
)
def test_a_value_that_is_written_otherwise_and_has_one_reading_is_indexed(
    name: str, vr: str, value: bytes, expected: Any
) -> None:
    found, rules = field(name, vr, value)
    assert found == expected
    assert rules in ({"foreign-format"}, {"foreign-format", "number"})  # of an IS, its JSON says as much


@pytest.mark.parametrize(
    ("name", "vr", "value", "expected"),
    [
        ("rows", "SS", b"\2\0", 2),
        ("rows", "UL", b"\2\0\0\0", 2),
        ("columns", "IS", b"2 ", 2),
        ("columns", "LO", b"512 ", 512),
        ("bits_allocated", "FD", struct.pack("<d", 16), 16),
        ("number_of_frames", "US", b"\3\0", 3),
        ("instance_number", "SL", struct.pack("<i", -3), -3),
        ("window_center", "FD", struct.pack("<2d", 40, 400.5), (40.0, 400.5)),
        ("slice_thickness", "FL", struct.pack("<f", 0.1), 0.1),
        ("rescale_slope", "US", b"\2\0", 2.0),
        ("patient_weight", "IS", b"70", 70.0),
    ],
)
def test_a_number_under_the_vr_of_another_is_indexed(name: str, vr: str, value: bytes, expected: Any) -> None:
    found, rules = field(name, vr, value)
    assert (found, rules) == (expected, {"foreign-vr"})
    assert type(found) is type(expected)


def test_a_nul_ends_a_value() -> None:
    assert field("patient_id", "LO", b"P1\0old junk") == ("P1", {"nul"})
    assert field("study_date", "DA", b"20230405\0\0") == (date(2023, 4, 5), set())
    assert field("image_type", "CS", b"ORIGINAL\0\\PRIMARY\0x") == (("ORIGINAL", "PRIMARY"), {"nul"})
    assert field("patient_name", "PN", b"A^B\0C=D ") == (PersonName("A^B"), {"nul"})
    assert field("series_number", "IS", b"12\x0034 ") == (12, {"nul"})


def test_a_list_that_is_very_long_is_not_indexed() -> None:
    assert field("image_type", "CS", b"A\\" * 1000) == ((), {"value"})
    items = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, 0) for _ in range(1001))
    result = reading(element(0x00400275, "SQ", items)).instance
    assert len(result.request_attributes) == 1000
    assert [finding.rule for finding in result.warnings] == ["several-values"]


def test_one_bad_value_among_several_makes_all_null() -> None:
    assert field("image_position_patient", "DS", b"1\\x\\3 ")[0] == ()


def test_of_several_values_that_are_all_empty_none_is_indexed_and_a_finding_says_so() -> None:
    for name, vr, value in (("patient_id", "LO", b"\\"), ("patient_id", "LO", b" \\ \\"), ("modality", "CS", b"\\\\")):
        found, rules = field(name, vr, value)
        assert not found
        assert rules == {"several-values"}


def test_of_several_values_the_first_is_indexed() -> None:
    assert field("modality", "CS", b"CT\\MR ") == ("CT", {"several-values"})
    assert field("series_number", "IS", b"1\\2 ") == (1, {"several-values"})


def test_a_patient_id_of_several_values_is_one_identity_as_a_whole() -> None:
    assert field("patient_id", "LO", b"A\\B ") == ("A\\B", {"several-values"})
    assert field("patient_id", "LO", b" A \\ B\\C") == ("A\\B\\C", {"several-values"})
    assert field("patient_id", "LO", b"\\B") == ("\\B", {"several-values"})


def test_the_study_date_is_also_kept_as_it_is() -> None:
    assert reading(element(0x00080020, "DA", b"2023.01.02")).instance.study_date_origin == "2023.01.02"
    assert reading(element(0x00080020, "DA", b"20230102")).instance.study_date_origin == "20230102"
    assert reading().instance.study_date_origin == ""


def test_request_attributes_are_taken_from_each_item() -> None:
    first = element(0x00400009, "SH", b"STEP1 ") + element(0x00401001, "SH", b"PROC")
    second = element(0x00400007, "LO", b"other ")
    items = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content for content in (first, second))
    result = reading(element(0x00400275, "SQ", items)).instance
    assert result.request_attributes == (RequestAttributes("STEP1", "PROC"), RequestAttributes(None, None))


def test_attributes_of_items_are_not_those_of_the_instance() -> None:
    content = element(0x00100020, "LO", b"other ") + element(0x00080018, "UI", b"9.9\0")
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content
    result = reading(element(0x00101002, "SQ", item)).instance
    assert (result.patient_id, result.sop_uid) == ("", "1.2.5")


def test_size_and_digest_are_of_the_bytes_as_received() -> None:
    data = file_with()
    result = read(data).instance
    assert (result.size, result.sha256) == (len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("attribute", [a for a in ATTRIBUTES if a.vr not in ("SQ", "UI")], ids=lambda a: a.keyword)
def test_every_indexed_attribute_reaches_its_field(attribute: Any) -> None:
    value = {"DA": b"20240229", "TM": b"101112", "DS": b"1.5 ", "IS": b"12", "US": b"\1\0"}.get(attribute.vr, b"AB")
    expected = {
        "DA": date(2024, 2, 29),
        "TM": time(10, 11, 12),
        "DS": 1.5,
        "IS": 12,
        "US": 1,
        "PN": PersonName("AB"),
    }.get(attribute.vr, "AB")
    found = getattr(reading(element(attribute.tag, attribute.vr, value)).instance, attribute.field)
    assert found == ((expected,) if attribute.multiple else expected)


def test_a_reading_shows_no_values() -> None:
    result = read(meta(EXPLICIT) + data_set(explicit(0x00100010, "PN", b"CANARY^A")))
    assert "CANARY" not in repr(result) + repr(result.instance) + str(result.instance.warnings)


@pytest.mark.parametrize("vr", ["LO", "UT", "DS", "PN", "IS", "DA", "CS", "OB", "FD", "AT"])
@pytest.mark.parametrize("value", [b"z", b"zz", b"zzz ", rb"aa\bb ", rb"a\bb\cc ", b"1.25", b"20200101"])
def test_a_sequence_under_another_vr_has_no_items(vr: str, value: bytes) -> None:
    value += b" " * (-len(value) % 8)
    made = file_of(FRONT + PATIENT + BACK + element(0x00400275, vr, value))
    instance = read(made).instance
    assert instance.request_attributes == ()
    assert any(finding.tag == "00400275" for finding in instance.warnings)
