"""The frame index of native pixel data: arithmetic on the attributes, and what they do not fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, strategies as st
from made_frames import (
    HEADER_BYTES,
    Remote,
    frames,
    native,
    refused,
)

from dicom_common.core import DicomError
from dicom_common.dicom import index_frames


def test_native_frames_are_arithmetic_and_read_nothing() -> None:
    value = bytes(range(48))
    data, record = native(value, rows=2, columns=4, bits_allocated=16, number_of_frames=3)
    remote = Remote(data)
    index = index_frames(remote, record)
    assert remote.requests == 0
    assert frames(data, index) == [value[:16], value[16:32], value[32:]]
    assert index.frame(2).ranges == ((HEADER_BYTES + 16, 16),)
    assert not index.encapsulated


def test_samples_count_and_an_absent_number_of_frames_is_one() -> None:
    value = bytes(range(24))
    data, record = native(value + b"\0\0", rows=2, columns=4, bits_allocated=8, samples_per_pixel=3)
    assert frames(data, index_frames(data, record)) == [value]


def test_subsampled_colour_has_two_samples_a_pixel() -> None:
    value = bytes(range(32))
    attributes = {"rows": 2, "columns": 4, "bits_allocated": 8, "samples_per_pixel": 3, "number_of_frames": 2}
    data, record = native(value, photometric_interpretation="YBR_FULL_422", **attributes)
    assert frames(data, index_frames(data, record)) == [value[:16], value[16:]]


def test_colour_that_is_subsampled_in_both_directions_has_three_samples_for_two_pixels() -> None:
    value = bytes(range(24))
    attributes = {"rows": 2, "columns": 4, "bits_allocated": 8, "samples_per_pixel": 3, "number_of_frames": 2}
    data, record = native(value, photometric_interpretation="YBR_PARTIAL_420", **attributes)
    assert frames(data, index_frames(data, record)) == [value[:12], value[12:]]


def test_colour_that_is_only_labelled_as_subsampled_is_seen_by_its_length() -> None:
    value = bytes(range(48))
    attributes = {"rows": 2, "columns": 4, "bits_allocated": 8, "samples_per_pixel": 3, "number_of_frames": 2}
    data, record = native(value, photometric_interpretation="YBR_FULL_422", **attributes)
    index = index_frames(data, record)
    assert frames(data, index) == [value[:24], value[24:]]
    assert [finding.tag for finding in index.warnings] == ["00280004"]


@pytest.mark.parametrize(("tag", "width"), [(0x7FE00008, 4), (0x7FE00009, 8)])
def test_float_pixel_data_has_its_own_word_length(tag: int, width: int) -> None:
    value = bytes(range(12 * width))
    data, record = native(value, tag=tag, rows=2, columns=3, number_of_frames=2)
    assert frames(data, index_frames(data, record)) == [value[: 6 * width], value[6 * width :]]


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 6), st.data())
def test_packed_bits_are_shifted_so_that_a_frame_begins_at_a_byte(
    rows: int, columns: int, count: int, draw: st.DataObject
) -> None:
    size = rows * columns
    pixels = draw.draw(st.lists(st.integers(0, 1), min_size=size * count, max_size=size * count))
    packed = pack(pixels)
    packed += b"\xaa" * (len(packed) % 2)
    data, record = native(packed, rows=rows, columns=columns, bits_allocated=1, number_of_frames=count)
    expected = [pack(pixels[start : start + size]) for start in range(0, size * count, size)]
    assert frames(data, index_frames(data, record)) == expected


def pack(pixels: Sequence[int]) -> bytes:
    packed = bytearray((len(pixels) + 7) // 8)
    for position, pixel in enumerate(pixels):
        packed[position // 8] |= pixel << position % 8
    return bytes(packed)


@pytest.mark.parametrize("missing", ["rows", "columns", "bits_allocated"])
@pytest.mark.parametrize("value", [None, 0])
def test_native_frames_need_their_attributes(missing: str, value: int | None) -> None:
    attributes = {"rows": 2, "columns": 2, "bits_allocated": 8, missing: value}
    data, record = native(b"abcd", **attributes)
    assert refused(lambda: index_frames(data, record)) == "no-frames"


def test_native_pixel_data_that_is_too_short_is_refused() -> None:
    data, record = native(b"abcdefg", rows=2, columns=2, bits_allocated=8, number_of_frames=2)
    assert refused(lambda: index_frames(data, record)) == "truncated"
    data, record = native(b"abcdefgh", rows=2, columns=2, bits_allocated=8, number_of_frames=2)
    assert refused(lambda: index_frames(data, dataclasses.replace(record, size=record.size - 1))) == "truncated"
    huge = dataclasses.replace(record, rows=65535, columns=65535, number_of_frames=2**31 - 1)
    assert refused(lambda: index_frames(data, huge)) == "truncated"


def test_in_a_deflated_object_the_offsets_count_inflated_bytes() -> None:
    data, record = native(b"abcd", rows=2, columns=2, bits_allocated=8)
    record = dataclasses.replace(record, transfer_syntax_uid="1.2.840.10008.1.2.1.99", size=100)
    index = index_frames(data, record)
    assert index.inflated
    assert frames(data, index) == [b"abcd"]


@pytest.mark.parametrize(
    ("bytes_of_frames", "attributes"),
    [
        (16, {"bits_allocated": 1}),
        (32, {"bits_allocated": 1}),
        (32, {"bits_allocated": 12}),
        (64, {"bits_allocated": 12, "number_of_frames": 2}),
        (96, {"bits_allocated": 1, "number_of_frames": 6}),
        (48, {"bits_allocated": 8, "photometric_interpretation": "RGB"}),
        (96, {"bits_allocated": 16, "photometric_interpretation": "YBR_FULL"}),
        (40, {"bits_allocated": 8, "rows": 3, "columns": 3, "number_of_frames": 4}),
    ],
)
def test_pixels_that_are_written_otherwise_than_their_attributes_say_are_no_frames(
    bytes_of_frames: int, attributes: dict[str, Any]
) -> None:
    attributes = {"rows": 4, "columns": 4, "samples_per_pixel": 1} | attributes
    data, record = native(bytes(range(bytes_of_frames)), **attributes)
    with pytest.raises(DicomError) as refused:
        index_frames(data, record)
    assert refused.value.reason == "no-frames"


def test_packed_pixels_and_padded_last_frames_are_still_frames() -> None:
    data, record = native(b"\xf0\x0f", rows=4, columns=4, samples_per_pixel=1, bits_allocated=1)
    assert frames(data, index_frames(data, record)) == [b"\xf0\x0f"]
    data, record = native(bytes(10), rows=3, columns=3, samples_per_pixel=1, bits_allocated=8)
    assert frames(data, index_frames(data, record)) == [bytes(9)]
