"""Every way of writing a sequence, and delimiters that are missing or stray."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from made_elements import EXPLICIT, ITEM_END, SEQUENCE_END, UNDEFINED, item
from made_files import CODE, IDENTITY, data_set, explicit, implicit, meta, reason_of, rules

from dicom_common.dicom import Reading, Reason, read


def nested_value(result: Reading) -> Any:
    return json.loads(result.metadata)["0040A730"]["Value"][0]["00080100"]["Value"]


@pytest.mark.parametrize(
    "sequence",
    [
        explicit(0x0040A730, "SQ", item(CODE)),
        explicit(0x0040A730, "SQ", item(CODE + ITEM_END, UNDEFINED)),
        explicit(0x0040A730, "SQ", item(CODE) + SEQUENCE_END, UNDEFINED),
        explicit(0x0040A730, "SQ", item(CODE + ITEM_END, UNDEFINED) + SEQUENCE_END, UNDEFINED),
        # UN: implicit VR inside (PS3.5 6.2.2), whatever the data set is in
        explicit(0x0040A730, "UN", item(implicit(0x00080100, "SH", b"ab")) + SEQUENCE_END, UNDEFINED),
        explicit(0x0040A730, "UN", item(implicit(0x00080100, "SH", b"ab"))),
    ],
)
def test_every_way_of_writing_a_sequence_is_read(sequence: bytes) -> None:
    after = explicit(0x00420010, "ST", b"after ")
    result = read(meta(EXPLICIT) + data_set(sequence, after))
    assert nested_value(result) == ["ab"]
    assert json.loads(result.metadata)["00420010"]["Value"] == ["after"]
    assert not rules(result)


@pytest.mark.parametrize(
    ("sequence", "rule"),
    [
        (explicit(0x0040A730, "SQ", item(CODE), UNDEFINED), ("0040A730", "no-sequence-delimiter")),
        (
            explicit(0x0040A730, "SQ", item(CODE, UNDEFINED) + SEQUENCE_END, UNDEFINED),
            ("0040A730", "no-item-delimiter"),
        ),
        (
            explicit(0x0040A730, "SQ", item(CODE, UNDEFINED) + item(b"") + SEQUENCE_END, UNDEFINED),
            ("0040A730", "no-item-delimiter"),
        ),
        (explicit(0x0040A730, "SQ", item(CODE) + SEQUENCE_END), ("0040A730", "stray-delimiter")),
        (explicit(0x0040A730, "SQ", item(CODE + ITEM_END)), ("0040A730.FFFEE00D", "stray-delimiter")),
    ],
)
@pytest.mark.parametrize("after", [b"", explicit(0x00420010, "ST", b"after ")])
def test_missing_and_stray_delimiters_are_passed_over(sequence: bytes, rule: tuple[str, str], after: bytes) -> None:
    result = read(meta(EXPLICIT) + data_set(sequence, after) if after else meta(EXPLICIT) + data_set(sequence))
    assert nested_value(result) == ["ab"]
    assert rule in rules(result)
    assert ("00420010" in json.loads(result.metadata)) == bool(after)


def test_an_open_item_at_the_end_is_a_truncation() -> None:
    assert (
        reason_of(meta(EXPLICIT) + data_set(explicit(0x0040A730, "SQ", item(CODE, UNDEFINED), UNDEFINED)))
        == Reason.TRUNCATED
    )


@pytest.mark.parametrize("stray", [ITEM_END, SEQUENCE_END, struct.pack("<HHI", 0xFFFE, 0xE000, 0)])
def test_stray_delimiters_in_the_data_set_are_passed_over(stray: bytes) -> None:
    rows = [explicit(*row) for row in IDENTITY]
    result = read(meta(EXPLICIT) + rows[0] + stray + b"".join(rows[1:]))
    assert {rule for _, rule in rules(result)} == {"stray-delimiter"}


def test_a_sequence_that_holds_no_items_is_kept_as_bytes() -> None:
    result = read(meta(EXPLICIT) + data_set(explicit(0x00100010, "SQ", b"Miller^J")))
    assert ("00100010", "not-a-sequence") in rules(result)
    assert result.instance.patient_name is None
