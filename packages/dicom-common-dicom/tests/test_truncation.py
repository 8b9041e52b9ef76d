"""Files and pixel data that are cut short, or longer than they say."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from made_elements import DEFLATED, EXPLICIT, IMPLICIT, SEQUENCE_END, item
from made_files import (
    BITS,
    COLUMNS,
    ENCAPSULATED,
    GOOD,
    JPEG,
    PIXELS,
    ROWS,
    data_set,
    explicit,
    implicit,
    long_file,
    meta,
    reason_of,
    rules,
)

from dicom_common.core import DicomError
from dicom_common.dicom import ReaderSettings, Reason, read


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


@pytest.mark.parametrize(
    "data", [meta(EXPLICIT) + long_file(), meta(DEFLATED) + zlib.compress(long_file(), 0, wbits=-15)]
)
@pytest.mark.parametrize("cut", [1, 100, 1 << 20, 4 << 20])
def test_a_long_file_that_was_cut_is_refused_from_every_source(data: bytes, cut: int, tmp_path: Path) -> None:
    path = tmp_path / "instance"
    path.write_bytes(data[:-cut])
    for source in (path, data[:-cut], io.BytesIO(data[:-cut]), memoryview(data)[:-cut]):
        assert reason_of(source) == Reason.TRUNCATED


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
