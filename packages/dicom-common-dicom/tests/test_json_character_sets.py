"""Text in DICOM JSON is UTF-8, whatever character set was declared, or none."""

from __future__ import annotations

import pytest
from made_attributes import attributes, element, reading, rules
from made_elements import item

from dicom_common.dicom import dataset_from_json


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
