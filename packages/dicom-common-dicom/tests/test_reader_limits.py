"""The limits of the reader: of nesting, elements, values, findings, the header and what deflated data becomes."""

from __future__ import annotations

import json
import sys
import traceback
import zlib
from pathlib import Path

import pytest
from made_elements import DEFLATED, EXPLICIT, ITEM_END, SEQUENCE_END, UNDEFINED, item
from made_files import BITS, CODE, COLUMNS, ENCAPSULATED, JPEG, PIXELS, ROWS, data_set, explicit, meta, reason_of, rules

from dicom_common.dicom import ReaderSettings, Reason, read


def bomb(depth: int) -> bytes:
    nested = b""
    for _ in range(depth):
        nested = explicit(0x0040A730, "SQ", item(nested, UNDEFINED) + ITEM_END + SEQUENCE_END, UNDEFINED)
    return meta(EXPLICIT) + data_set(nested)


def test_nesting_is_limited() -> None:
    assert read(bomb(64)).instance.sop_uid == "1.2.5"
    assert reason_of(bomb(65)) == Reason.TOO_DEEP
    assert reason_of(bomb(5), max_depth=4) == Reason.TOO_DEEP
    assert read(bomb(128), settings=ReaderSettings(max_depth=128)).instance.sop_uid == "1.2.5"


def test_a_caller_that_is_deep_itself_gets_an_error_of_ours() -> None:
    # The native reader needs nothing of Python's stack.
    def descend(frames: int) -> str:
        return descend(frames - 1) if frames else reason_of(bomb(128), max_depth=128, engine="python")

    depth = sum(1 for _ in traceback.walk_stack(None))
    assert descend(sys.getrecursionlimit() - depth - 250) == Reason.TOO_DEEP


def test_elements_and_items_are_limited() -> None:
    many = meta(EXPLICIT) + data_set(explicit(0x0040A730, "SQ", item(b"") * 50), *[CODE] * 50)
    read(many, settings=ReaderSettings(max_elements=55, max_items=50))
    assert reason_of(many, max_elements=54) == Reason.TOO_MANY_ELEMENTS
    assert reason_of(many, max_items=49) == Reason.TOO_MANY_ITEMS
    fragments = meta(JPEG) + data_set(ENCAPSULATED + SEQUENCE_END)
    assert reason_of(fragments, max_items=1) == Reason.TOO_MANY_ITEMS


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00080008, "CS", b"ORIGINAL\\PRIMARY\\AXIAL\\A\\B "),
        (0x00200032, "DS", b"+1.50\\+2.50\\+3.50 "),
        (0x00081060, "PN", b"A\\B\\C\\D "),
        (0x00080005, "CS", b"ISO 2022 IR 6\\ISO 2022 IR 100"),
        (0x00189310, "FD", bytes(8 * 8)),
    ],
    ids=["code", "decimal string", "name", "character sets", "double"],
)
def test_values_count_whatever_was_read_before(tag: int, vr: str, value: bytes) -> None:
    data = meta(EXPLICIT) + data_set(explicit(tag, vr, value))
    for _ in range(2):
        assert reason_of(data, max_values=1) == Reason.TOO_MANY_VALUES
        read(data)


def test_a_value_that_is_too_long_to_hold_is_left_out() -> None:
    result = read(
        meta(EXPLICIT) + data_set(explicit(0x00091001, "LO", b"x" * 200)),
        settings=ReaderSettings(max_element_value=100),
    )
    assert json.loads(result.metadata)["00091001"] == {"vr": "LO"}
    assert ("00091001", "value-too-long") in rules(result)


def test_findings_are_limited() -> None:
    bad = b"".join(explicit(0x00091000 + number, "FD", b"abc") for number in range(500))
    assert len(read(meta(EXPLICIT) + data_set(bad)).instance.warnings) == 101


def test_the_header_of_a_long_file_is_limited(tmp_path: Path) -> None:
    path = tmp_path / "instance"
    path.write_bytes(meta(EXPLICIT) + data_set(*[explicit(0x00091001, "LO", b"x" * 60000)] * 100))
    assert reason_of(path, max_header=1 << 20) == Reason.TOO_LARGE


def deflate(data: bytes) -> bytes:
    return meta(DEFLATED) + zlib.compress(data, wbits=-15)


@pytest.mark.parametrize("syntax", [DEFLATED, "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"])
def test_a_deflated_data_set_is_that_of_its_plain_twin(syntax: str) -> None:
    plain = data_set(ROWS, COLUMNS, BITS, PIXELS)
    result = read(meta(syntax) + zlib.compress(plain, wbits=-15) + b"\0")
    assert result.metadata == read(meta(EXPLICIT) + plain).metadata
    assert result.instance.pixel_data is not None
    assert result.instance.pixel_data.offset == len(plain) - 8


def test_inflation_is_limited() -> None:
    small = deflate(data_set(explicit(0x7FE00010, "OW", bytes(1 << 20))))
    assert read(small).instance.pixel_data is not None
    assert reason_of(small, max_inflated_bytes=1 << 19) == Reason.INFLATES_TOO_MUCH
    large = deflate(data_set(explicit(0x7FE00010, "OW", bytes(64 << 20))))
    assert reason_of(large, max_inflate_ratio=1000) == Reason.INFLATES_TOO_MUCH
    assert read(large).instance.pixel_data is not None
