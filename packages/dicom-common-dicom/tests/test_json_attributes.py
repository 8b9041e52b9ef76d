"""Which attributes the DICOM JSON has, by which key and under which VR (PS3.18 Annex F)."""

from __future__ import annotations

import struct

import pytest
from made_attributes import attributes, element, one, reading, rules
from made_elements import item

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
