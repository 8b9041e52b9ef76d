"""The DICOM JSON of the reader, by the rules of PS3.18 Annex F."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any, NoReturn

import pytest

from dicom_common.dicom import ReaderSettings, Reading, dataset_from_json, read

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
BASE = "studies/1.2.3/series/1.2.4/instances/1.2.5/bulkdata/"


def element(tag: int, vr: str, value: bytes, *, order: str = "<") -> bytes:
    letters = vr.encode()
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF) + letters
    if letters in LONG:
        return head + struct.pack(f"{order}HI", 0, len(value)) + value
    return head + struct.pack(f"{order}H", len(value)) + value


def item(content: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def reading(*elements: bytes, order: str = "<", settings: ReaderSettings | None = None) -> Reading:
    """Read a data set of these elements and an identity, sorted by tag unless an element is repeated."""
    ids = [
        element(tag, "UI", value, order=order)
        for tag, value in [
            (0x00080016, b"1.2.840.10008.5.1.4.1.1.7"),
            (0x00080018, b"1.2.5"),
            (0x0020000D, b"1.2.3"),
            (0x0020000E, b"1.2.4"),
        ]
    ]
    everything = sorted([*ids, *elements], key=lambda data: struct.unpack(f"{order}HH", data[:4]))
    syntax = (BIG if order == ">" else EXPLICIT).encode()
    group = element(0x00020010, "UI", syntax + b"\0" * (len(syntax) % 2))
    meta = element(0x00020000, "UL", struct.pack("<I", len(group))) + group
    data = bytes(128) + b"DICM" + meta + b"".join(everything)
    return read(data, settings=settings or ReaderSettings())


def refuse(text: str) -> NoReturn:
    raise ValueError(text)


def attributes(result: Reading) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(result.metadata, parse_constant=refuse)
    return parsed


def one(tag: int, vr: str, value: bytes, **settings: Any) -> Any:
    """Give the attribute that a value becomes."""
    result = reading(element(tag, vr, value), settings=ReaderSettings(**settings))
    return attributes(result)[f"{tag:08X}"]


def rules(result: Reading) -> set[tuple[str, str]]:
    return {(finding.tag, finding.rule) for finding in result.instance.warnings}


# Keys


def test_keys_are_eight_upper_case_hex_digits_ascending_at_every_level() -> None:
    nested = item(element(0x0040A043, "LO", b"b ") + element(0x00080100, "SH", b"a "))
    written = attributes(reading(element(0x0040A730, "SQ", nested), element(0x00100010, "PN", b"A^B ")))
    assert list(written) == sorted(written)
    assert all(len(key) == 8 and set(key) <= set("0123456789ABCDEF") for key in written)
    inner = written["0040A730"]["Value"][0]
    assert list(inner) == ["00080100", "0040A043"]


def test_group_lengths_and_foreign_groups_are_in_no_level() -> None:
    foreign = element(0x00020016, "AE", b"AE")
    nested = item(foreign + element(0x00080000, "UL", bytes(4)) + element(0x00080100, "SH", b"a "))
    result = reading(
        element(0x00080000, "UL", bytes(4)), element(0x0040A730, "SQ", nested), element(0x00000110, "US", b"\1\0")
    )
    written = attributes(result)
    assert "00080000" not in written
    assert "00000110" not in written
    assert {("00000110", "foreign-group"), ("0040A730.00020016", "foreign-group")} <= rules(result)
    assert list(written["0040A730"]["Value"][0]) == ["00080100"]


@pytest.mark.parametrize("vr", [b"SQ", b"OB"])
def test_neither_are_they_where_they_are_sequences_or_fragments_of_undefined_length(vr: bytes) -> None:
    content = item(element(0x00080100, "SH", b"a ")) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    sequences = [
        struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, 0xFFFFFFFF) + content
        for tag in (0x00000110, 0x00080000, 0x0040A730)
    ]
    result = reading(*sequences)
    written = attributes(result)
    assert not {"00000110", "00080000"} & set(written)
    assert "0040A730" in written
    assert ("00000110", "foreign-group") in rules(result)


def test_of_a_repeated_tag_the_first_one_is_kept() -> None:
    result = reading(element(0x00200010, "SH", b"first "), element(0x00200010, "SH", b"second"))
    assert attributes(result)["00200010"]["Value"] == ["first"]
    assert result.instance.study_id == "first"
    assert ("00200010", "duplicate") in rules(result)


# Values


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


# Bulk data


@pytest.mark.parametrize("vr", ["OB", "UN", "UT", "LT", "DS", "UC"])
def test_a_long_value_is_a_bulk_data_uri_and_a_short_one_is_not(vr: str) -> None:
    value = b"1" * 64
    assert one(0x00091001, vr, value, bulk_data_threshold=63) == {"vr": vr, "BulkDataURI": f"{BASE}00091001"}
    assert "BulkDataURI" not in one(0x00091001, vr, value, bulk_data_threshold=64)


@pytest.mark.parametrize("vr", ["LO", "SH", "PN", "CS", "UI", "DA"])
def test_a_vr_for_which_json_has_no_bulk_data_is_never_one(vr: str) -> None:
    assert "BulkDataURI" not in one(0x00091001, vr, b"1" * 64, bulk_data_threshold=8)


def test_the_uri_of_a_nested_value_has_item_numbers() -> None:
    nested = item(b"") + item(element(0x00091001, "OB", bytes(64)))
    written = one(0x0040A730, "SQ", nested, bulk_data_threshold=8)
    assert written["Value"][1]["00091001"]["BulkDataURI"] == f"{BASE}0040A730.2.00091001"


@pytest.mark.parametrize(("tag", "vr"), [(0x7FE00010, "OW"), (0x7FE00008, "OF"), (0x7FE00009, "OD")])
def test_pixel_data_is_always_a_bulk_data_uri_and_an_empty_one_is_none(tag: int, vr: str) -> None:
    assert one(tag, vr, bytes(8)) == {"vr": vr, "BulkDataURI": f"{BASE}{tag:08X}"}
    assert one(tag, vr, b"") == {"vr": vr}


def test_inline_binary_is_one_base64_text() -> None:
    value = bytes(range(256))
    assert one(0x00091001, "OB", value) == {"vr": "OB", "InlineBinary": base64.b64encode(value).decode()}


# Byte order


@pytest.mark.parametrize(
    ("vr", "code", "numbers"),
    [("US", "H", [1, 515]), ("SL", "i", [-2, 7]), ("FD", "d", [0.1, 2.5]), ("UV", "Q", [1, 2])],
)
def test_big_endian_numbers_are_those_of_little_endian(vr: str, code: str, numbers: list[Any]) -> None:
    value = struct.pack(f">{len(numbers)}{code}", *numbers)
    result = reading(element(0x00091001, vr, value, order=">"), order=">")
    assert attributes(result)["00091001"]["Value"] == numbers


@pytest.mark.parametrize(("vr", "width"), [("OW", 2), ("OF", 4), ("OL", 4), ("OD", 8), ("OV", 8), ("OB", 1), ("UN", 1)])
def test_inline_binary_is_little_endian(vr: str, width: int) -> None:
    value = bytes(range(16))
    swapped = b"".join(value[at : at + width][::-1] for at in range(0, 16, width))
    result = reading(element(0x00091001, vr, value, order=">"), order=">")
    assert base64.b64decode(attributes(result)["00091001"]["InlineBinary"]) == swapped


# VRs


def test_us_or_ss_follows_pixel_representation_also_of_the_data_set_around() -> None:
    minus = struct.pack("<h", -1)
    smallest = element(0x00280106, "UN", minus)
    nested = element(0x00082112, "SQ", item(smallest))
    signed = attributes(reading(smallest, nested, element(0x00280103, "US", b"\1\0")))
    assert signed["00280106"] == {"vr": "SS", "Value": [-1]}
    assert signed["00082112"]["Value"][0]["00280106"] == {"vr": "SS", "Value": [-1]}
    unsigned = attributes(reading(smallest, element(0x00280103, "US", b"\0\0")))
    assert unsigned["00280106"] == {"vr": "US", "Value": [65535]}


def test_a_known_tag_sent_as_un_has_the_vr_of_the_dictionary() -> None:
    assert one(0x00181030, "UN", b"head") == {"vr": "LO", "Value": ["head"]}


def test_a_private_element_is_written_with_its_creator() -> None:
    written = attributes(
        reading(
            element(0x00091110, "LO", b"someone"), element(0x00090011, "LO", b"ACME"), element(0x00091101, "UN", b"ab")
        )
    )
    assert written["00090011"] == {"vr": "LO", "Value": ["ACME"]}
    assert written["00091101"] == {"vr": "UN", "InlineBinary": "YWI="}


def test_a_private_element_of_a_known_creator_has_its_vr() -> None:
    written = attributes(
        reading(element(0x00190010, "LO", b"GEMS_ACQU_01"), element(0x00191002, "UN", struct.pack("<i", 912)))
    )
    assert written["00191002"] == {"vr": "SL", "Value": [912]}


# Character sets


def test_text_is_utf8_and_says_so_at_every_level() -> None:
    nested = item(element(0x00080005, "CS", b"ISO_IR 101") + element(0x0040A160, "UT", "Łódź".encode("iso8859-2")))
    result = reading(
        element(0x00080005, "CS", b"ISO_IR 100"),
        element(0x00100010, "PN", "Müller^Jürgen".encode("latin-1")),
        element(0x0040A730, "SQ", nested),
        element(0x00081030, "LO", "Schädel".encode("latin-1")),
    )
    written = attributes(result)
    assert written["00080005"]["Value"] == ["ISO_IR 192"]
    assert written["00100010"]["Value"] == [{"Alphabetic": "Müller^Jürgen"}]
    assert written["0040A730"]["Value"][0]["00080005"]["Value"] == ["ISO_IR 192"]
    assert written["0040A730"]["Value"][0]["0040A160"]["Value"] == ["Łódź"]
    assert result.instance.character_set == ("ISO_IR 100",)
    assert result.instance.study_description == "Schädel"


def test_an_item_without_a_character_set_has_that_of_the_data_set_around() -> None:
    sequence = element(0x0040A730, "SQ", item(element(0x0040A160, "UT", "Łódź".encode("iso8859-2"))))
    written = attributes(reading(element(0x00080005, "CS", b"ISO_IR 101"), sequence))
    assert written["0040A730"]["Value"][0]["0040A160"]["Value"] == ["Łódź"]


def test_undeclared_text_is_decoded_by_a_guess_and_utf8_is_declared() -> None:
    result = reading(element(0x00100010, "PN", "Müller ".encode()), element(0x00080001, "UL", bytes(4)))
    written = attributes(result)
    assert written["00100010"]["Value"] == [{"Alphabetic": "Müller"}]
    assert written["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert list(written) == sorted(written)
    assert ("00100010", "character-set") in rules(result)
    assert result.instance.character_set == ()


def test_undeclared_escapes_are_a_guess_and_utf8_is_declared() -> None:
    nested = item(element(0x0040A160, "UT", b"\x1b$B;3\x1b(B"))
    result = reading(element(0x00081030, "LO", b"\x1b$B;3ED\x1b(B"), element(0x0040A730, "SQ", nested))
    written = attributes(result)
    assert written["00081030"]["Value"] == ["山田"]
    assert written["0040A730"]["Value"][0]["0040A160"]["Value"] == ["山"]
    assert written["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert rules(result) == {("00081030", "character-set"), ("0040A730.0040A160", "character-set")}
    assert result.instance.study_description == "山田"


def test_declared_escapes_are_no_guess() -> None:
    declared = element(0x00080005, "CS", b"\\ISO 2022 IR 87 ")
    result = reading(declared, element(0x00081030, "LO", b"\x1b$B;3ED\x1b(B"))
    assert attributes(result)["00081030"]["Value"] == ["山田"]
    assert rules(result) == set()


@pytest.mark.parametrize("declared", [b"", b"ISO_IR 192", b"GB18030 ", b"ISO 2022 IR 149 "])
def test_an_escape_that_means_nothing_is_the_same_when_the_json_becomes_a_data_set(declared: bytes) -> None:
    # The second one is none of Korean in its own set, and would be one behind the step to UTF-8.
    text = [b"\x1b$B;3ED", b"\x1b$)C\xff", b"\x1b"]
    tags = [0x00081030, 0x0008103E, 0x00104000]
    values = [element(tag, "LO", value + b" " * (len(value) % 2)) for tag, value in zip(tags, text, strict=True)]
    first = attributes(reading(element(0x00080005, "CS", declared), *values))
    made = dataset_from_json(first)
    raw = [(tag, made.get_item(tag).value) for tag in tags]
    second = reading(element(0x00080005, "CS", b"ISO_IR 192"), *(element(tag, "LO", value) for tag, value in raw))
    assert attributes(second) == first


def test_a_trail_byte_that_is_a_backslash_does_not_end_a_value() -> None:
    name = "誠".encode("gb18030")  # D5 5C
    assert name[1] == 0x5C
    written = attributes(reading(element(0x00080005, "CS", b"GB18030 "), element(0x00081030, "LO", name + b"\\b ")))
    assert written["00081030"]["Value"] == ["誠", "b"]


def test_an_unknown_character_set_is_a_warning() -> None:
    result = reading(element(0x00080005, "CS", b"KLINGON "), element(0x00081030, "LO", "ö".encode()))
    assert ("00080005", "unknown-character-set") in rules(result)
    assert attributes(result)["00081030"]["Value"] == ["ö"]


def test_eight_bit_text_in_a_code_is_a_warning_and_no_loss() -> None:
    result = reading(element(0x00080060, "CS", b"M\xc3\x96"))
    assert attributes(result)["00080060"]["Value"] == ["MÖ"]
    assert ("00080060", "repertoire") in rules(result)
