"""The frame index on objects made here: every way to tell frames apart, and what is refused."""

from __future__ import annotations

import contextlib
import dataclasses
import mmap
import pickle
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from made_frames import (
    EOI,
    MPEG4,
    RLE,
    SOI,
    Remote,
    encapsulated,
    frames,
    instance,
    long_element,
    refused,
)

from dicom_common.core import DicomError, Instance, PixelData
from dicom_common.dicom import index_frames

# Encapsulated


def test_one_fragment_is_one_frame_without_a_table() -> None:
    data, record = encapsulated([b"aaaa", b"bb", b"cccccc"], number_of_frames=3, transfer_syntax_uid=RLE)
    index = index_frames(data, record)
    assert frames(data, index) == [b"aaaa", b"bb", b"cccccc"]
    assert (index.encapsulated, index.warnings) == (True, ())


def test_all_fragments_are_the_only_frame() -> None:
    data, record = encapsulated([b"aaaa", b"bb"])
    index = index_frames(data, record)
    assert frames(data, index) == [b"aaaabb"]
    assert len(index.frame(1).ranges) == 2


def test_the_basic_offset_table_groups_fragments() -> None:
    data, record = encapsulated([b"aaaa", b"bb", b"cc", b"dd"], table=[0, 22], number_of_frames=2)
    assert frames(data, index_frames(data, record)) == [b"aaaabb", b"ccdd"]


def test_a_table_without_number_of_frames_is_believed() -> None:
    data, record = encapsulated([b"aaaa", b"bb", b"cc"], table=[0, 22])
    assert frames(data, index_frames(data, record)) == [b"aaaabb", b"cc"]


@pytest.mark.parametrize("table", [[0, 5], [0, 0], [4, 22], [22, 0], [0, 0xFFFFFFF0], [0, 12, 22], [0]])
def test_a_table_that_does_not_fit_is_put_aside_with_a_warning(table: list[int]) -> None:
    data, record = encapsulated([SOI + b"aa", b"b" + EOI + b"\0", SOI + b"cc" + EOI], table=table, number_of_frames=2)
    index = index_frames(data, record)
    assert frames(data, index) == [SOI + b"aab" + EOI + b"\0", SOI + b"cc" + EOI]
    assert [finding.rule for finding in index.warnings] == ["bad-offset-table"]


@pytest.mark.parametrize(
    ("images", "table", "frames_said"), [(3, [0, 20], 2), (3, [0], 1), (4, [0, 20, 60], 3), (4, [0, 40], 2)]
)
def test_a_table_whose_frames_would_be_several_images_does_not_count(
    images: int, table: list[int], frames_said: int
) -> None:
    fragments = [SOI + bytes([number]) * 7 + EOI for number in range(images)]
    data, record = encapsulated(fragments, table=table, number_of_frames=frames_said)
    index = index_frames(data, record)
    assert frames(data, index) == fragments
    assert [finding.rule for finding in index.warnings] == ["frame-count-differs"]


def test_a_table_of_another_count_is_used_where_nothing_else_tells() -> None:
    data, record = encapsulated([b"aaaa", b"bb", b"cc", b"dd"], table=[0, 22], number_of_frames=3)
    index = index_frames(data, record)
    assert frames(data, index) == [b"aaaabb", b"ccdd"]
    assert [finding.rule for finding in index.warnings] == ["frame-count-differs"]


@pytest.mark.parametrize(
    "start", [SOI, b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n", b"\xff\x0a", b"\0\0\0\x0cJXL \r\n"], ids=repr
)
def test_without_a_table_the_beginnings_of_images_tell(start: bytes) -> None:
    fragments = [start + b"aa", b"bb", b"xx", start + b"cc", b"dd", start + b"ee"]
    data, record = encapsulated(fragments, number_of_frames=3)
    expected = [start + b"aabbxx", start + b"ccdd", start + b"ee"]
    assert frames(data, index_frames(data, record)) == expected


def test_without_a_table_or_beginnings_the_ends_of_images_tell() -> None:
    data, record = encapsulated([b"aa", b"b" + EOI + b"\0", b"c" + EOI + b"\0", b"dd", b"ee" + EOI], number_of_frames=3)
    assert frames(data, index_frames(data, record)) == [
        *(b"aab" + EOI + b"\0", b"c" + EOI + b"\0"),
        b"ddee" + EOI,
    ]


def extended_example(**changes: Any) -> tuple[bytes, Instance]:
    # The lengths leave out the padding of an odd frame.
    arguments = {"extended": ([0, 12, 26], [4, 5, 2]), "number_of_frames": 3, **changes}
    return encapsulated([b"aaaa", b"bbbbb\0", b"cc"], **arguments)


@pytest.mark.parametrize("total", [False, True])
def test_the_extended_offset_table_gives_exact_lengths(total: bool) -> None:
    data, record = extended_example(total=total)
    index = index_frames(data, record)
    assert frames(data, index) == [b"aaaa", b"bbbbb", b"cc"]
    assert index.warnings == ()


@pytest.mark.parametrize(
    "extended",
    [
        *(([0, 12, 27], [4, 5, 2]), ([0, 12, 26], [4, 5, 4]), ([0, 12, 26], [4, 3, 2]), ([2, 12, 26], [4, 5, 2])),
        *(([0, 12], [4, 5]), ([0, 12, 2**63], [4, 5, 2]), ([0, 0, 0], [0, 0, 0]), ([0, 12, 26], [4, 5, 0])),
    ],
)
def test_an_extended_offset_table_that_does_not_add_up_is_not_believed(
    extended: tuple[list[int], list[int]],
) -> None:
    data, record = extended_example(extended=extended)
    assert frames(data, index_frames(data, record)) == [b"aaaa", b"bbbbb\0", b"cc"]


def test_an_extended_offset_table_needs_few_requests_however_many_frames_there_are() -> None:
    count, length = 2000, 1000
    offsets = [number * (8 + length) for number in range(count)]
    fragments = [struct.pack("<I", number) * (length // 4) for number in range(count)]
    data, record = encapsulated(fragments, extended=(offsets, [length] * count), number_of_frames=count)
    remote = Remote(data)
    index = index_frames(remote, record)
    assert remote.requests <= 4
    before = remote.requests
    assert index.read(remote, 1234) == fragments[1233]
    assert remote.requests == before + 1


def test_headers_that_lie_close_together_share_a_request_and_large_fragments_are_not_read() -> None:
    small = Remote(b"")
    small.data, record = encapsulated([b"x" * 100] * 1000, number_of_frames=1000)
    assert index_frames(small, record).count == 1000
    assert small.requests <= 3
    large = Remote(b"")
    large.data, record = encapsulated([b"x" * 2_000_000] * 5, number_of_frames=5)
    assert index_frames(large, record).count == 5
    assert large.bytes < len(large.data) / 4


def test_an_index_of_very_many_fragments_is_small() -> None:
    count = 20_000
    data, record = encapsulated([b"xy"] * count, table=range(0, 10 * count, 10), number_of_frames=count)
    tracemalloc.start()
    index = index_frames(data, record)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert index.count == count
    assert index.read(data, count) == b"xy"
    assert peak < 100 * count  # bytes


def test_an_index_survives_being_stored() -> None:
    data, record = encapsulated([b"aaaa", b"bb", b"cc"], table=[0, 22], number_of_frames=2)
    index = pickle.loads(pickle.dumps(index_frames(data, record)))
    assert frames(data, index) == [b"aaaabb", b"cc"]


def test_a_video_is_one_stream() -> None:
    data, record = encapsulated([b"aaaa", b"bb"], number_of_frames=250, transfer_syntax_uid=MPEG4)
    assert frames(data, index_frames(data, record)) == [b"aaaabb"]


def test_a_missing_delimiter_is_tolerated_with_a_warning() -> None:
    data, record = encapsulated([b"aaaa", b"bb"], number_of_frames=2, delimiter=False)
    index = index_frames(data, record)
    assert frames(data, index) == [b"aaaa", b"bb"]
    assert [finding.rule for finding in index.warnings] == ["no-sequence-delimiter"]


def test_fragments_that_nothing_groups_are_refused() -> None:
    for fragments, count in (([b"aa", b"bb", b"cc"], 2), ([b"aa"], 2), ([], 1), ([b"aa", SOI, b"cc"], 2)):
        data, record = encapsulated(fragments, number_of_frames=count)
        assert refused(lambda: index_frames(data, record)) == "no-frames"  # noqa: B023  # called at once


def test_a_number_of_frames_above_the_limit_hides_no_frame() -> None:
    data, record = encapsulated([SOI + b"aa", SOI + b"bb"], number_of_frames=11)
    index = index_frames(data, record, max_fragments=10)
    assert frames(data, index) == [SOI + b"aa", SOI + b"bb"]
    assert [finding.rule for finding in index.warnings] == ["frame-count-differs"]
    data, record = encapsulated([b"aa"], number_of_frames=11)
    assert refused(lambda: index_frames(data, record, max_fragments=10)) == "no-frames"


def test_more_fragments_than_the_limit_are_refused() -> None:
    data, record = encapsulated([b"aa"] * 11, number_of_frames=1)
    assert refused(lambda: index_frames(data, record, max_fragments=10)) == "too-many-items"
    data, record = encapsulated([b"aa"], table=range(11))
    assert refused(lambda: index_frames(data, record, max_fragments=10)) == "too-many-items"


def test_a_cut_object_is_refused_wherever_it_is_cut_within_a_fragment() -> None:
    whole, record = encapsulated([b"aaaa", b"bb"], number_of_frames=2)
    assert record.pixel_data is not None
    ends_of_items = {record.pixel_data.offset + length for length in (8, 20, 30)}
    for size in range(record.pixel_data.offset, record.pixel_data.offset + 30):
        cut = dataclasses.replace(record, size=size)
        if size not in ends_of_items:
            assert refused(lambda: index_frames(whole[:size], cut)) in {"truncated", "no-frames"}  # noqa: B023  # ditto


@given(st.binary(max_size=80))
def test_no_bytes_in_the_place_of_fragments_do_harm(tail: bytes) -> None:
    data = long_element(0x10, b"OB", b"")[:-4] + b"\xff\xff\xff\xff" + tail
    record = instance(len(data), PixelData(0x7FE00010, "OB", 12, None), number_of_frames=2)
    with contextlib.suppress(DicomError):  # anything else fails this test
        index = index_frames(data, record)
        assert all(frame == b"" or frame[:1] in tail for frame in frames(data, index))


@pytest.mark.parametrize(
    "image",
    [
        SOI + b"abcdef" + EOI,
        SOI + b"abcde" + EOI + b"\0",
        b"\xff\x4f\xff\x51" + b"codestream" + EOI,
        SOI + b"a" * (1 << 20) + EOI,
    ],
)
def test_several_images_in_one_fragment_are_not_one_frame(image: bytes) -> None:
    data, record = encapsulated([image * 3], number_of_frames=3)
    with pytest.raises(DicomError) as refused:
        index_frames(data, record)
    assert refused.value.reason == "no-frames"
    data, record = encapsulated([image], number_of_frames=3)
    index = index_frames(data, record)
    assert frames(data, index) == [image]
    assert [finding.rule for finding in index.warnings] == ["frame-count-differs"]


# Sources and errors


def test_bytes_memory_maps_files_and_range_reads_give_the_same(tmp_path: Path) -> None:
    data, record = encapsulated([b"aaaa", b"bb", b"cc"], table=[0, 22], number_of_frames=2)
    path = tmp_path / "object"
    path.write_bytes(data)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for source in (data, bytearray(data), memoryview(data), mapped, path, Remote(data)):
            index = index_frames(source, record)
            assert [index.read(source, number) for number in (1, 2)] == [b"aaaabb", b"cc"]


@pytest.mark.parametrize("number", [0, -1, 3])
def test_frame_numbers_start_with_one_and_end_with_the_count(number: int) -> None:
    data, record = encapsulated([b"aaaa", b"bb"], number_of_frames=2)
    with pytest.raises(IndexError, match="1 to 2"):
        index_frames(data, record).read(data, number)


def test_a_source_that_became_shorter_is_noticed() -> None:
    data, record = encapsulated([b"aaaa", b"bb"], number_of_frames=2)
    index = index_frames(data, record)
    assert refused(lambda: index.read(data[:-20], 2)) == "truncated"


def test_an_instance_without_pixel_data_has_no_frames() -> None:
    assert refused(lambda: index_frames(b"", instance(0, None))) == "no-pixel-data"
