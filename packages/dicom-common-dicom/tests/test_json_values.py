"""The values of DICOM JSON: each as its VR asks, in either byte order, or none (PS3.18 Annex F)."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from made_attributes import attributes, element, one, reading, rules
from made_elements import item


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("CS", b"A\\B ", ["A", "B"]),
        ("CS", b"A\\\\B", ["A", None, "B"]),
        ("CS", b" A ", ["A"]),
        ("LO", b' "q" ', ['"q"']),
        ("LO", b"a\nb\t", ["a\nb\t"]),
        ("LO", b"a\0b\0", ["a"]),
        ("LT", b"  lead\\er ", ["  lead\\er"]),
        ("UT", b"a\r\nb  ", ["a\r\nb"]),
        ("UR", b"http://a/?b=c ", ["http://a/?b=c"]),
        ("UI", b"1.2.3\0", ["1.2.3"]),
        ("UI", b"1.2\\1.3\0", ["1.2", "1.3"]),
        ("AT", struct.pack("<HHHH", 0x0010, 0x0020, 0x0008, 0xABCD), ["00100020", "0008ABCD"]),
        ("US", struct.pack("<HH", 1, 65535), [1, 65535]),
        ("SS", struct.pack("<h", -2), [-2]),
        ("UL", struct.pack("<I", 2**32 - 1), [2**32 - 1]),
        ("SL", struct.pack("<i", -(2**31)), [-(2**31)]),
        ("SV", struct.pack("<q", -(2**53)), [str(-(2**53))]),
        ("UV", struct.pack("<QQ", 2**53 - 1, 2**53), [2**53 - 1, str(2**53)]),
        ("FL", struct.pack("<f", 0.1), [0.1]),
        ("FD", struct.pack("<dd", 0.1, 1e300), [0.1, 1e300]),
        ("FL", struct.pack("<fff", float("nan"), float("inf"), float("-inf")), ["NaN", "inf", "-inf"]),
        ("FD", struct.pack("<d", float("nan")), ["NaN"]),
        ("AS", b"018M", ["018M"]),
        ("DA", b"20240229", ["20240229"]),
    ],
)
def test_a_value_is_written_as_its_vr_asks(vr: str, value: bytes, expected: list[Any]) -> None:
    assert one(0x00091001, vr, value) == {"vr": vr, "Value": expected}


@pytest.mark.parametrize(
    ("vr", "code", "numbers"),
    [("US", "H", [1, 515]), ("SL", "i", [-2, 7]), ("FD", "d", [0.1, 2.5]), ("UV", "Q", [1, 2])],
)
def test_big_endian_numbers_are_those_of_little_endian(vr: str, code: str, numbers: list[Any]) -> None:
    value = struct.pack(f">{len(numbers)}{code}", *numbers)
    result = reading(element(0x00091001, vr, value, order=">"), order=">")
    assert attributes(result)["00091001"]["Value"] == numbers


@pytest.mark.parametrize(
    ("value", "number", "text"),
    [
        (b"1.50", 1.5, "1.50"),
        (b"+1", 1, "+1"),
        (b"007", 7, "007"),
        (b".5", 0.5, ".5"),
        (b"1.", 1, "1."),
        (b"1E3 ", 1000, "1E3"),
        (b"-0.25", -0.25, "-0.25"),
        (b"0.66146850585938", 0.66146850585938, "0.66146850585938"),
        (b"1234567890123456", 1234567890123456, "1234567890123456"),
        # A double cannot hold these, so they stay text.
        (b"0.12345678901234567", "0.12345678901234567", "0.12345678901234567"),
        (b"1E999 ", "1E999", "1E999"),
        (b"NaN ", "NaN", "NaN"),
        (b"1,5 ", "1,5", "1,5"),
    ],
)
def test_a_decimal_string_is_a_number_unless_that_would_change_it(value: bytes, number: Any, text: str) -> None:
    assert one(0x00181151, "DS", value)["Value"] == [number]
    assert one(0x00181151, "DS", value, numbers_as="string")["Value"] == [text]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"12", [12]),
        (b"-07 ", [-7]),
        (b"1\\\\3", [1, None, 3]),
        (b"2147483648", ["2147483648"]),
        (b"1.5 ", ["1.5"]),
        (b"1A", ["1A"]),
    ],
)
def test_an_integer_string_is_a_number_where_it_is_one(value: bytes, expected: list[Any]) -> None:
    assert one(0x00280008, "IS", value)["Value"] == expected


def test_a_bad_number_is_a_warning_that_does_not_repeat_it() -> None:
    result = reading(element(0x00201041, "DS", b"SECRET"))
    assert ("00201041", "number") in rules(result)
    assert result.instance.slice_location is None
    assert "SECRET" not in str(result.instance.warnings)


def test_many_decimals_of_which_the_last_is_bad_take_no_time() -> None:
    # One that backtracks would need 2**200 steps.
    written = one(0x00181151, "DS", b"\\".join([b"1.5"] * 200) + b"\\x ")
    assert written["Value"][-1] == "x"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"A=B=C ", [{"Alphabetic": "A", "Ideographic": "B", "Phonetic": "C"}]),
        (b"==C ", [{"Phonetic": "C"}]),
        (b"= ", None),
        (b"A^B\\\\C^D", [{"Alphabetic": "A^B"}, None, {"Alphabetic": "C^D"}]),
        (b"A=B=C=D ", [{"Alphabetic": "A", "Ideographic": "B", "Phonetic": "C"}]),
        (b"A^^^^ ", [{"Alphabetic": "A^^^^"}]),
    ],
)
def test_a_person_name_is_an_object_of_its_groups(value: bytes, expected: Any) -> None:
    assert one(0x00100010, "PN", value).get("Value") == expected


@pytest.mark.parametrize(
    "vr", ["AE", "CS", "DA", "DS", "IS", "LO", "LT", "PN", "SH", "TM", "UI", "US", "FD", "OB", "SQ"]
)
def test_an_attribute_without_a_value_has_only_its_vr(vr: str) -> None:
    assert one(0x00091001, vr, b"") == {"vr": vr}


@pytest.mark.parametrize(("vr", "value"), [("LO", b"  "), ("SH", b"\0\0"), ("CS", b"\\"), ("UT", b"  "), ("PN", b"  ")])
def test_a_value_of_padding_only_is_none(vr: str, value: bytes) -> None:
    assert one(0x00091001, vr, value) == {"vr": vr}


def test_a_sequence_without_items_has_only_its_vr_and_an_empty_item_is_an_empty_object() -> None:
    assert one(0x0040A730, "SQ", b"") == {"vr": "SQ"}
    assert one(0x0040A730, "SQ", item(b"")) == {"vr": "SQ", "Value": [{}]}


@pytest.mark.parametrize(("vr", "value"), [("US", b"abc"), ("FD", b"1234"), ("AT", b"12"), ("SV", b"1234567")])
def test_a_binary_value_of_a_wrong_length_is_left_out_with_a_warning(vr: str, value: bytes) -> None:
    result = reading(element(0x00091001, vr, value), element(0x00100020, "LO", b"kept"))
    assert attributes(result)["00091001"] == {"vr": vr}
    assert attributes(result)["00100020"]["Value"] == ["kept"]
    assert ("00091001", "length") in rules(result)


def test_a_uid_with_other_characters_is_kept_as_text_with_a_warning() -> None:
    result = reading(element(0x00081155, "UI", b"not a uid "))
    assert attributes(result)["00081155"] == {"vr": "UI", "Value": ["not a uid"]}
    assert ("00081155", "uid-characters") in rules(result)
