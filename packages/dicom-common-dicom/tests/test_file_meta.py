"""Preamble, File Meta and transfer syntax that are missing or wrong, and files that are no instance."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable

import pytest
from made_elements import BIG, DEFLATED, EXPLICIT, IMPLICIT
from made_files import GOOD, JPEG, big, data_set, explicit, implicit, meta, reason_of, rules

from dicom_common.dicom import Reason, read


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
