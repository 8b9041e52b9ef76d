"""What the reader makes of files that are not as PS3.10 and PS3.5 want them, and which it refuses."""

from __future__ import annotations

import io
import json
import mmap
import os
import random
import struct
import sys
import threading
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dicom_common.core import ConfigError, DicomError
from dicom_common.dicom import ReaderSettings, Reading, Reason, read

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED, JPEG = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.50"
LONG = {b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC"}
UNDEFINED = 0xFFFFFFFF
ITEM_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)

IDENTITY = [
    (0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.7\0"),
    (0x00080018, "UI", b"1.2.5\0"),
    (0x0020000D, "UI", b"1.2.3\0"),
    (0x0020000E, "UI", b"1.2.4\0"),
]


def explicit(tag: int, vr: str, value: bytes, length: int | None = None, order: str = "<") -> bytes:
    letters, size = vr.encode(), len(value) if length is None else length
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF) + letters
    return head + (struct.pack(f"{order}HI", 0, size) if letters in LONG else struct.pack(f"{order}H", size)) + value


def implicit(tag: int, _vr: str, value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


def big(tag: int, vr: str, value: bytes) -> bytes:
    return explicit(tag, vr, value, order=">")


def item(content: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content) if length is None else length) + content


def data_set(*extra: bytes, write: Callable[..., bytes] = explicit, order: str = "<") -> bytes:
    """Join the identity and other elements, by ascending tag."""

    def tag(data: bytes) -> tuple[int, ...]:
        return struct.unpack(f"{order}HH", data[:4])

    everything = [*(write(*row) for row in IDENTITY), *extra]
    everything.sort(key=tag)
    return b"".join(everything)


def meta(syntax: str, *extra: bytes, group_length: int | None = None) -> bytes:
    group = b"".join(extra) + (
        explicit(0x00020010, "UI", syntax.encode() + b"\0" * (len(syntax) % 2)) if syntax else b""
    )
    length = struct.pack("<I", len(group) if group_length is None else group_length)
    return bytes(128) + b"DICM" + explicit(0x00020000, "UL", length) + group


def rules(result: Reading) -> set[tuple[str, str]]:
    return {(finding.tag, finding.rule) for finding in result.instance.warnings}


def reason_of(data: Any, **settings: Any) -> str:
    with pytest.raises(DicomError) as caught:
        read(data, settings=ReaderSettings(**settings))
    assert caught.value.reason in set(Reason)
    return caught.value.reason


ROWS = explicit(0x00280010, "US", b"\2\0")
COLUMNS = explicit(0x00280011, "US", b"\2\0")
BITS = explicit(0x00280100, "US", b"\x10\0")
PIXELS = explicit(0x7FE00010, "OW", bytes(8))
GOOD = meta(EXPLICIT) + data_set(ROWS, COLUMNS, BITS, PIXELS)


# Before the data set


def test_a_good_file_has_no_warnings() -> None:
    result = read(GOOD)
    assert result.instance.warnings == ()
    assert result.instance.transfer_syntax_uid == EXPLICIT
    assert result.instance.data_set_offset == GOOD.index(b"\x08\0\x16\0")
    assert result.instance.size == len(GOOD)
    place = result.instance.pixel_data
    assert place is not None
    assert (place.tag, place.vr, place.offset, place.length) == (0x7FE00010, "OW", len(GOOD) - 8, 8)


@pytest.mark.parametrize("cut", [128, 132])
def test_a_file_without_a_preamble_is_read(cut: int) -> None:
    result = read(GOOD[cut:])
    assert rules(result) == {("", "no-preamble")}
    assert result.instance.sop_uid == "1.2.5"


@pytest.mark.parametrize(
    ("data", "syntax"),
    [
        (data_set(), EXPLICIT),
        (data_set(write=implicit), IMPLICIT),
        (data_set(write=big, order=">"), BIG),
    ],
)
def test_a_data_set_without_file_meta_tells_its_encoding(data: bytes, syntax: str) -> None:
    result = read(data)
    assert result.instance.transfer_syntax_uid == syntax
    assert result.instance.data_set_offset == 0
    assert rules(result) == {("", "no-file-meta")}


@pytest.mark.parametrize("group_length", [0, 1, 7, 10**6, 2**32 - 1])
def test_a_wrong_group_length_is_passed_over(group_length: int) -> None:
    result = read(meta(EXPLICIT, group_length=group_length) + data_set())
    assert ("00020000", "group-length") in rules(result)


def test_an_absent_group_length_is_passed_over() -> None:
    data = meta(EXPLICIT)
    result = read(data[:132] + data[144:] + data_set())
    assert rules(result) == {("00020000", "group-length")}


@pytest.mark.parametrize(("write", "syntax"), [(explicit, EXPLICIT), (implicit, IMPLICIT)])
def test_a_missing_transfer_syntax_is_guessed(write: Callable[..., bytes], syntax: str) -> None:
    result = read(meta("") + data_set(write=write))
    assert result.instance.transfer_syntax_uid == syntax
    assert ("00020010", "no-transfer-syntax") in rules(result)


@pytest.mark.parametrize(
    ("declared", "data", "syntax"),
    [
        (IMPLICIT, data_set(), EXPLICIT),
        (EXPLICIT, data_set(write=implicit), IMPLICIT),
        (EXPLICIT, data_set(write=big, order=">"), BIG),
        (BIG, data_set(), EXPLICIT),
        (JPEG, data_set(write=implicit), JPEG),
        (DEFLATED, data_set(), DEFLATED),
    ],
)
def test_a_transfer_syntax_that_contradicts_the_data_set_gives_way(declared: str, data: bytes, syntax: str) -> None:
    result = read(meta(declared) + data)
    assert result.instance.transfer_syntax_uid == syntax
    assert rules(result) == {("00020010", "transfer-syntax")}


def test_another_sop_instance_in_the_file_meta_is_a_warning() -> None:
    result = read(meta(EXPLICIT, explicit(0x00020003, "UI", b"1.9.9\0")) + data_set())
    assert result.instance.sop_uid == "1.2.5"
    assert rules(result) == {("00020003", "file-meta")}


@pytest.mark.parametrize("syntax", ["1.2.840.113619.5.2", "1.2.840.10008.1.2.8.1", "1.2.840.10008.1.2.4.999"])
def test_a_private_or_unknown_transfer_syntax_is_read_and_kept(syntax: str) -> None:
    assert read(meta(syntax) + data_set()).instance.transfer_syntax_uid == syntax


def test_a_private_transfer_syntax_can_be_refused() -> None:
    data = meta("1.2.840.113619.5.2") + data_set()
    assert reason_of(data, accept_unknown_transfer_syntaxes=False) == Reason.UNKNOWN_TRANSFER_SYNTAX
    assert reason_of(meta("no uid") + data_set()) == Reason.UNKNOWN_TRANSFER_SYNTAX


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"\0", Reason.NOT_DICOM),
        (b"<!DOCTYPE html><html>" * 20, Reason.NOT_DICOM),
        (b"%PDF-1.7" + bytes(500), Reason.NOT_DICOM),
        (bytes(1000), Reason.NOT_DICOM),
        (random.Random(1).randbytes(2000), Reason.NOT_DICOM),
        (bytes(128) + b"DICM", Reason.TRUNCATED),
        (meta(EXPLICIT), Reason.TRUNCATED),
        (meta(EXPLICIT, explicit(0x00020002, "UI", b"1.2.840.10008.1.3.10")) + data_set(), Reason.MEDIA_DIRECTORY),
        (meta(DEFLATED) + b"\xff" * 100, Reason.BAD_DEFLATE),
        (meta(DEFLATED) + zlib.compress(data_set(), wbits=-15)[:-4], Reason.TRUNCATED),
    ],
)
def test_what_is_no_instance_is_refused_with_a_reason(data: bytes, reason: Reason) -> None:
    assert reason_of(data) == reason


# Identity


@pytest.mark.parametrize("position", range(4))
def test_each_of_the_four_uids_is_needed(position: int) -> None:
    rows = [explicit(*row) for row in IDENTITY]
    without = b"".join(rows[:position] + rows[position + 1 :])
    assert reason_of(meta(EXPLICIT) + without) == Reason.MISSING_UID
    empty = b"".join([*rows[:position], explicit(IDENTITY[position][0], "UI", b""), *rows[position + 1 :]])
    assert reason_of(meta(EXPLICIT) + empty) == Reason.MISSING_UID


def with_sop_uid(value: bytes) -> bytes:
    rows = [explicit(tag, vr, value if tag == 0x00080018 else old) for tag, vr, old in IDENTITY]
    return meta(EXPLICIT) + b"".join(rows)


@pytest.mark.parametrize(
    "value", [b"..", b"1..2", b".1", b"1.", b"../../x ", b"1.2/3 ", b"1.2\\1.3 ", b"1" * 66, b"1.a ", b"1\n2 "]
)
def test_what_is_no_uid_is_refused_and_not_repeated(value: bytes) -> None:
    with pytest.raises(DicomError, match=r"SOP Instance UID \(0008,0018\)") as caught:
        read(with_sop_uid(value))
    assert caught.value.reason == Reason.INVALID_UID
    assert value.decode().strip() not in str(caught.value).replace("(0008,0018)", "")


@pytest.mark.parametrize("value", [b"1.2.03", b"9.1\0", b"12"])
def test_a_lenient_uid_is_a_warning_and_strictly_an_error(value: bytes) -> None:
    result = read(with_sop_uid(value))
    assert result.instance.sop_uid == value.decode().rstrip("\0")
    assert rules(result) == {("00080018", "uid")}
    assert reason_of(with_sop_uid(value), uids="strict") == Reason.INVALID_UID


@pytest.mark.parametrize("value", [b"1.2.5\0", b"1.2.5 ", b" 1.2.5 ", b"1.2.5\0\0"])
def test_the_padding_of_a_uid_is_taken_off(value: bytes) -> None:
    assert read(with_sop_uid(value)).instance.sop_uid == "1.2.5"


# Truncation


def test_a_file_cut_anywhere_is_refused_or_lacks_only_its_end() -> None:
    whole = read(GOOD)
    for end in range(len(GOOD)):
        try:
            result = read(GOOD[:end])
        except DicomError as error:
            assert error.reason in set(Reason)  # noqa: PT017  # nearly every cut raises; the others are looked at below
        else:
            # Cut exactly between two elements: nothing tells, but the missing pixel data is a finding.
            assert result.metadata != whole.metadata
            assert result.instance.pixel_data is None


@pytest.mark.parametrize("write", [explicit, implicit])
def test_a_length_beyond_the_end_is_a_truncation(write: Callable[..., bytes]) -> None:
    syntax = EXPLICIT if write is explicit else IMPLICIT
    assert (
        reason_of(meta(syntax) + data_set(write(0x00400000 | 0x1001, "LO", b"abc", 60000), write=write))
        == Reason.TRUNCATED
    )
    assert (
        reason_of(meta(syntax) + data_set(write(0x7FE00010, "OW", b"abc", 0xFFFFFFF0), write=write)) == Reason.TRUNCATED
    )
    assert reason_of(meta(syntax) + data_set(write(0x0040A730, "SQ", item(b""), 100), write=write)) == Reason.TRUNCATED


def test_pixel_data_shorter_than_its_attributes_say_is_refused_or_accepted() -> None:
    data = meta(EXPLICIT) + data_set(ROWS, COLUMNS, BITS, explicit(0x7FE00010, "OW", bytes(6)))
    assert reason_of(data) == Reason.TRUNCATED
    result = read(data, settings=ReaderSettings(truncated_pixel_data="accept"))
    assert ("7FE00010", "short-pixel-data") in rules(result)


def test_pixel_data_longer_than_its_attributes_say_is_a_finding() -> None:
    result = read(meta(EXPLICIT) + data_set(ROWS, COLUMNS, BITS, explicit(0x7FE00010, "OW", bytes(12))))
    assert rules(result) == {("7FE00010", "pixel-data-longer")}


def test_a_huge_number_of_frames_is_only_arithmetic() -> None:
    frames = explicit(0x00280008, "IS", b"2147483647")
    assert reason_of(meta(EXPLICIT) + data_set(ROWS, COLUMNS, BITS, frames, PIXELS)) == Reason.TRUNCATED


ENCAPSULATED = explicit(0x7FE00010, "OB", item(b"") + item(b"\xff\xd8\xff\xd9"), UNDEFINED)


def test_encapsulated_pixel_data_is_walked_to_its_delimiter() -> None:
    result = read(meta(JPEG) + data_set(ENCAPSULATED + SEQUENCE_END))
    assert result.instance.pixel_data is not None
    assert result.instance.pixel_data.length is None
    assert json.loads(result.metadata)["7FE00010"]["BulkDataURI"].endswith("/bulkdata/7FE00010")
    assert not rules(result)


@pytest.mark.parametrize("tail", [b"", b"\xfe\xff\x00\xe0\xff\0\0\0abc", b"junk and more junk"])
def test_encapsulated_pixel_data_without_its_delimiter_is_refused_or_accepted(tail: bytes) -> None:
    data = meta(JPEG) + data_set() + ENCAPSULATED + tail
    assert reason_of(data) == Reason.TRUNCATED
    result = read(data, settings=ReaderSettings(truncated_pixel_data="accept"))
    assert ("7FE00010", "no-sequence-delimiter") in rules(result)


# Sequences


def nested_value(result: Reading) -> Any:
    return json.loads(result.metadata)["0040A730"]["Value"][0]["00080100"]["Value"]


CODE = explicit(0x00080100, "SH", b"ab")


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


# Elements


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


@pytest.mark.parametrize(
    "tail",
    [
        b"\0",
        bytes(7),
        bytes(8),
        bytes(1000),
        b"junk",
        b"some junk that is longer than an element",
        explicit(0xFFFCFFFC, "OB", bytes(20)),
    ],
)
def test_what_trails_pixel_data_is_passed_over(tail: bytes) -> None:
    result = read(GOOD + tail)
    assert result.instance.pixel_data == read(GOOD).instance.pixel_data
    assert result.instance.size == len(GOOD) + len(tail)


def test_junk_behind_a_data_set_without_pixel_data_is_a_truncation() -> None:
    assert reason_of(meta(EXPLICIT) + data_set() + b"junk") == Reason.TRUNCATED


# Limits


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
    def descend(frames: int) -> str:
        return descend(frames - 1) if frames else reason_of(bomb(128), max_depth=128)

    depth = sum(1 for _ in traceback.walk_stack(None))
    assert descend(sys.getrecursionlimit() - depth - 250) == Reason.TOO_DEEP


def test_elements_and_items_are_limited() -> None:
    many = meta(EXPLICIT) + data_set(explicit(0x0040A730, "SQ", item(b"") * 50), *[CODE] * 50)
    read(many, settings=ReaderSettings(max_elements=55, max_items=50))
    assert reason_of(many, max_elements=54) == Reason.TOO_MANY_ELEMENTS
    assert reason_of(many, max_items=49) == Reason.TOO_MANY_ITEMS
    fragments = meta(JPEG) + data_set(ENCAPSULATED + SEQUENCE_END)
    assert reason_of(fragments, max_items=1) == Reason.TOO_MANY_ITEMS


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


@pytest.mark.parametrize(
    "settings",
    [{"max_depth": 0}, {"max_depth": 129}, {"uids": "loose"}, {"numbers_as": "text"}, {"bulk_data_threshold": 1 << 31}],
)
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^reader\."):
        ReaderSettings(**settings)


# Sources


class Dribble(io.RawIOBase):
    """A stream that gives a few bytes at a time, as a socket does."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int = -1) -> bytes:
        size = min(size if size >= 0 else len(self._data), 1000)
        data, self._data = self._data[:size], self._data[size:]
        return data


def long_file(write: Callable[..., bytes] = explicit) -> bytes:
    """Make a file that is longer than what is read at once, with values on both sides of long ones."""
    middle = write(0x00091001, "OB", bytes(3 << 20))
    texts = [write(0x00110000 | number, "LO", b"x" * 200) for number in range(0x1000, 0x1FFF)]
    tail = write(0xFFFCFFFC, "OB", bytes(100))
    pixels = write(0x7FE00010, "OW", bytes(3 << 20))
    return data_set(middle, *texts, pixels, tail, write=write)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(GOOD, id="short"),
        pytest.param(meta(EXPLICIT) + long_file(), id="explicit"),
        pytest.param(meta(IMPLICIT) + long_file(implicit), id="implicit"),
        pytest.param(
            meta(JPEG) + data_set(explicit(0x7FE00010, "OB", item(bytes(1 << 20)) * 6 + SEQUENCE_END, UNDEFINED)),
            id="jpeg",
        ),
        pytest.param(meta(DEFLATED) + zlib.compress(long_file(), 0, wbits=-15), id="deflated"),
    ],
)
def test_every_kind_of_source_gives_the_same(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "instance"
    path.write_bytes(data)
    expected = read(data)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for source in (path, file, mapped, bytearray(data), memoryview(data), io.BytesIO(data), Dribble(data)):
            result = read(source)  # type: ignore[arg-type]  # a raw stream is a BinaryIO in all but name
            assert result.metadata == expected.metadata, type(source)
            assert result.instance == expected.instance, type(source)


def test_a_file_is_read_from_where_it_stands() -> None:
    file = io.BytesIO(b"before" + GOOD)
    file.seek(6)
    assert read(file).instance == read(GOOD).instance


@pytest.mark.parametrize(
    "data", [meta(EXPLICIT) + long_file(), meta(DEFLATED) + zlib.compress(long_file(), 0, wbits=-15)]
)
@pytest.mark.parametrize("cut", [1, 100, 1 << 20, 4 << 20])
def test_a_long_file_that_was_cut_is_refused_from_every_source(data: bytes, cut: int, tmp_path: Path) -> None:
    path = tmp_path / "instance"
    path.write_bytes(data[:-cut])
    for source in (path, data[:-cut], io.BytesIO(data[:-cut]), memoryview(data)[:-cut]):
        assert reason_of(source) == Reason.TRUNCATED


def test_the_header_of_a_long_file_is_limited(tmp_path: Path) -> None:
    path = tmp_path / "instance"
    path.write_bytes(meta(EXPLICIT) + data_set(*[explicit(0x00091001, "LO", b"x" * 60000)] * 100))
    assert reason_of(path, max_header=1 << 20) == Reason.TOO_LARGE


def test_a_missing_path_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "absent")


def test_a_pipe_is_read_to_its_end() -> None:
    data = meta(EXPLICIT) + long_file()
    reading_end, writing_end = os.pipe()

    def send() -> None:
        with open(writing_end, "wb") as sink:  # noqa: PTH123  # a file descriptor
            sink.write(data)

    sender = threading.Thread(target=send)
    sender.start()
    with open(reading_end, "rb", buffering=0) as source:  # noqa: PTH123  # a file descriptor
        result = read(source)
    sender.join()
    assert result.instance == read(data).instance


def test_a_reading_shows_no_values() -> None:
    result = read(meta(EXPLICIT) + data_set(explicit(0x00100010, "PN", b"CANARY^A")))
    assert "CANARY" not in repr(result) + repr(result.instance) + str(result.instance.warnings)
