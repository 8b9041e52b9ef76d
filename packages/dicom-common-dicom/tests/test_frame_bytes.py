"""A frame index written down and read again: the same frames, and nothing but a ValueError for other bytes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st
from made_frames import EOI, JPEG, MPEG4, RLE, SOI, encapsulated, frames, native

from dicom_common.core import Instance
from dicom_common.dicom import Frame, FrameIndex, index_frames

DEFLATED = "1.2.840.10008.1.2.1.99"
GREY = {
    "rows": 4,
    "columns": 4,
    "bits_allocated": 8,
    "samples_per_pixel": 1,
    "photometric_interpretation": "MONOCHROME2",
}
IMAGE = SOI + b"abcdef" + EOI
MADE: dict[str, tuple[bytes, Instance]] = {
    "native": native(bytes(range(48)), **GREY, number_of_frames=3),
    "native, packed": native(
        bytes(range(6)), **GREY | {"bits_allocated": 1, "rows": 3, "columns": 5}, number_of_frames=3
    ),
    "native, deflated": native(bytes(range(16)), **GREY, transfer_syntax_uid=DEFLATED),
    "native, with a warning": native(bytes(range(48)), **GREY, number_of_frames=2),
    "a fragment a frame": encapsulated([b"aaaa", b"bb", b"cccccc"], number_of_frames=3, transfer_syntax_uid=RLE),
    "fragments of one frame": encapsulated([b"aaaa", b"bb"]),
    "a basic table": encapsulated([b"aaaa", b"bb", b"cc", b"dd"], table=[0, 22], number_of_frames=2),
    "an extended table": encapsulated([b"aaaa", b"bb"], extended=([0, 12], [3, 2]), total=True, number_of_frames=2),
    "a table that does not fit": encapsulated(
        [IMAGE, IMAGE], table=[0, 5], number_of_frames=2, transfer_syntax_uid=JPEG
    ),
    "no delimiter": encapsulated([IMAGE], delimiter=False, number_of_frames=1, transfer_syntax_uid=JPEG),
    "video": encapsulated([b"aaaa", b"bb", b"cc"], transfer_syntax_uid=MPEG4, number_of_frames=90),
}


def places(index: FrameIndex) -> list[Frame]:
    return [index.frame(number) for number in range(1, index.count + 1)]


@pytest.mark.parametrize("name", MADE)
def test_what_is_read_again_is_the_index_that_was_written(name: str) -> None:
    data, record = MADE[name]
    index = index_frames(data, record)
    again = FrameIndex.from_bytes(index.to_bytes())
    assert places(again) == places(index)
    assert frames(data, again) == frames(data, index)
    assert (again.count, again.encapsulated, again.inflated) == (index.count, index.encapsulated, index.inflated)
    assert again.warnings == index.warnings
    assert again.to_bytes() == index.to_bytes()


def test_the_made_objects_have_every_sort_of_index() -> None:
    made = [index_frames(*one) for one in MADE.values()]
    assert {(one.encapsulated, one.inflated, bool(one.warnings)) for one in made} >= {
        (False, False, False), (False, True, False), (False, False, True), (True, False, False), (True, False, True),
    }  # fmt: skip


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.data())
def test_fragments_of_any_length_in_frames_of_any_number(sizes: Sequence[int], data: st.DataObject) -> None:
    fragments = [bytes(2 * size) for size in sizes]
    begins = sorted({0, *data.draw(st.sets(st.integers(0, len(sizes) - 1)))})
    at = [0, *itertools.accumulate(len(one) + 8 for one in fragments)]
    made, record = encapsulated(fragments, table=[at[n] for n in begins], number_of_frames=len(begins))
    index = index_frames(made, record)
    assert places(FrameIndex.from_bytes(index.to_bytes())) == places(index)


def test_native_pixel_data_takes_a_dozen_bytes() -> None:
    large = {"rows": 20_000, "columns": 20_000, "bits_allocated": 16, "samples_per_pixel": 1}
    data, record = native(b"", **large, photometric_interpretation="MONOCHROME2", number_of_frames=500)
    pixel = record.pixel_data
    assert pixel is not None
    length = 2 * 20_000 * 20_000 * 500
    whole = {**{name: getattr(record, name) for name in record.__dataclass_fields__}, "size": len(data) + length}
    index = index_frames(data, Instance(**whole | {"pixel_data": pixel._replace(length=length)}))
    assert len(index.to_bytes()) <= 16
    assert FrameIndex.from_bytes(index.to_bytes()).frame(500) == index.frame(500)


def test_many_fragments_take_a_few_bytes_each() -> None:
    chance = random.Random(1)
    data, record = encapsulated([bytes(2 * chance.randint(500, 20_000)) for _ in range(2000)], number_of_frames=2000)
    index = index_frames(data, record)
    assert len(index.to_bytes()) <= 2 * 2000 + 32
    same, record = encapsulated([bytes(512)] * 2000, number_of_frames=2000)
    assert len(index_frames(same, record).to_bytes()) < 64


def test_the_form_of_version_1_stays_readable() -> None:
    # What databases have kept. A change of the form is another version.
    assert index_frames(*MADE["native"]).to_bytes().hex() == "010003f4038001"
    assert index_frames(*MADE["a basic table"]).to_bytes().hex() == "0109049804010402020202010202"
    assert places(FrameIndex.from_bytes(bytes.fromhex("010003f4038001"))) == places(index_frames(*MADE["native"]))


@pytest.mark.parametrize("name", MADE)
def test_cut_or_longer_bytes_are_refused(name: str) -> None:
    written = index_frames(*MADE[name]).to_bytes()
    for other in (*(written[:length] for length in range(len(written))), written + b"\0"):
        with pytest.raises(ValueError, match=r"frame index|frames"):
            FrameIndex.from_bytes(other)


@pytest.mark.parametrize("name", ["native, with a warning", "a basic table", "an extended table", "no delimiter"])
def test_changed_bytes_are_refused_or_are_another_index(name: str) -> None:
    written = index_frames(*MADE[name]).to_bytes()
    refused = 0
    for at, value in itertools.product(range(len(written)), range(256)):
        try:
            index = FrameIndex.from_bytes(written[:at] + bytes([value]) + written[at + 1 :], max_fragments=1000)
        except ValueError:
            refused += 1
        else:
            for number in (1, index.count)[: index.count]:
                index.frame(number)
    assert refused > 256


def test_another_version_and_too_many_fragments_are_refused() -> None:
    written = index_frames(*MADE["a fragment a frame"]).to_bytes()
    with pytest.raises(ValueError, match="version"):
        FrameIndex.from_bytes(b"\2" + written[1:])
    with pytest.raises(ValueError, match="the limit is 2"):
        FrameIndex.from_bytes(written, max_fragments=2)


def test_a_list_that_inflates_to_more_than_it_says_is_refused() -> None:
    written = index_frames(*encapsulated([bytes(512)] * 2000, number_of_frames=2000)).to_bytes()
    assert written[:2] == b"\1\1"
    fewer = written[:2] + b"\xcf\x0f" + written[4:]  # 1999 in place of 2000
    with pytest.raises(ValueError, match="as long as it should be"):
        FrameIndex.from_bytes(fewer)
