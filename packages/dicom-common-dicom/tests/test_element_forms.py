"""Elements out of order, and elements without a VR that is known."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from made_elements import EXPLICIT, item
from made_files import IDENTITY, PIXELS, ROWS, data_set, explicit, meta, rules

from dicom_common.dicom import read


def test_elements_out_of_order_are_sorted() -> None:
    rows = [explicit(*row) for row in IDENTITY]
    result = read(meta(EXPLICIT) + b"".join(reversed(rows)))
    assert list(json.loads(result.metadata)) == ["00080016", "00080018", "0020000D", "0020000E"]
    assert rules(result) == {("", "order")}


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (struct.pack("<HH2sH", 0x0010, 0x0020, b"??", 4) + b"P001", "unknown-vr"),
        (struct.pack("<HH2sHI", 0x0010, 0x0020, b"ZZ", 0, 4) + b"P001", "unknown-vr"),
        (struct.pack("<HH2sH", 0x0010, 0x0020, b"ZZ", 4) + b"P001", "unknown-vr"),
        (struct.pack("<HHI", 0x0010, 0x0020, 4) + b"P001", "no-vr"),
    ],
)
def test_an_element_without_a_known_vr_is_read_by_the_dictionary(raw: bytes, rule: str) -> None:
    result = read(meta(EXPLICIT) + data_set(raw, PIXELS))
    assert result.instance.patient_id == "P001"
    assert ("00100020", rule) in rules(result)


def private(tag: int, letters: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, letters, 0, len(value)) + value


GE = explicit(0x00190010, "LO", b"GEMS_ACQU_01")


@pytest.mark.parametrize("letters", [b"UN", b"ZZ"])
@pytest.mark.parametrize(
    ("creator", "expected"),
    [
        (GE, {"vr": "SL", "Value": [912]}),
        (explicit(0x00190010, "LO", b"NOBODY"), {"vr": "UN", "InlineBinary": "kAMAAA=="}),
        (ROWS, {"vr": "UN", "InlineBinary": "kAMAAA=="}),
    ],
    ids=["known creator", "unknown creator", "no creator"],
)
def test_a_private_element_without_a_known_vr_is_what_one_of_vr_un_is(
    letters: bytes, creator: bytes, expected: dict[str, Any]
) -> None:
    result = read(meta(EXPLICIT) + data_set(creator, private(0x00191002, letters, struct.pack("<i", 912)), PIXELS))
    assert json.loads(result.metadata)["00191002"] == expected
    assert (("00191002", "unknown-vr") in rules(result)) is (letters == b"ZZ")


def test_private_elements_in_other_wrong_forms_are_looked_up_too() -> None:
    value = struct.pack("<i", 912)
    for start in (struct.pack("<HH2sH", 0x0019, 0x1002, b"ZZ", 4), struct.pack("<HHI", 0x0019, 0x1002, 4)):
        result = read(meta(EXPLICIT) + data_set(GE, start + value, PIXELS))
        assert json.loads(result.metadata)["00191002"] == {"vr": "SL", "Value": [912]}


def test_a_private_creator_without_a_known_vr_counts() -> None:
    creator = private(0x00190010, b"ZZ", b"GEMS_ACQU_01")
    value = private(0x00191002, b"ZZ", struct.pack("<i", 912))
    written = json.loads(read(meta(EXPLICIT) + data_set(creator, value, PIXELS)).metadata)
    assert written["00190010"] == {"vr": "LO", "Value": ["GEMS_ACQU_01"]}
    assert written["00191002"] == {"vr": "SL", "Value": [912]}


def test_a_private_sequence_without_a_known_vr_is_kept_as_bytes() -> None:
    creator = explicit(0x31010010, "LO", b"AMI Annotations_01")
    items = item(explicit(0x00080100, "SH", b"one "))
    written = json.loads(read(meta(EXPLICIT) + data_set(creator, private(0x31011010, b"ZZ", items), PIXELS)).metadata)
    assert written["31011010"]["vr"] == "UN"
