"""Offset tables, basic and extended, that are absent or wrong: the fragments tell the frames."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from made_pixel_data import IMAGES, JPEG, MPEG4, UNCOMPRESSED, element, end, fragments, frames_of, item, made, rules


@pytest.mark.parametrize("syntax", IMAGES)
def test_without_the_item_of_the_table_the_first_item_is_a_fragment(syntax: str) -> None:
    image = IMAGES[syntax]
    for count in (1, 2, 5):
        pixels = b"".join(map(item, [image] * count)) + end()
        data = made(syntax, pixels, undefined=True, frames=str(count).encode())
        assert frames_of(data) == [image] * count
        assert rules(data) == {"no-offset-table"}


def test_without_the_item_of_the_table_fragments_that_have_no_signature_are_told_by_their_number() -> None:
    frames = [bytes([number]) * 16 for number in (9, 8, 7)]
    data = made(UNCOMPRESSED, b"".join(map(item, frames)) + end(), undefined=True, frames=b"3")
    assert frames_of(data) == frames
    video = bytes(7) + b"video" * 100
    assert frames_of(made(MPEG4, item(video) + item(b"more") + end(), undefined=True)) == [video + b"more"]


@pytest.mark.parametrize("table", [b"", struct.pack("<2I", 0, 34), struct.pack("<2I", 0, 33), struct.pack("<2I", 6, 1)])
def test_a_table_is_a_table_even_where_it_is_wrong(table: bytes) -> None:
    image = IMAGES[JPEG]
    assert frames_of(made(JPEG, fragments(image, image, table=table), undefined=True, frames=b"2")) == [image, image]


@pytest.mark.parametrize(
    "table", [b"\0", b"\0\0", bytes(5), bytes(6), struct.pack("<3Q", 0, 34, 68), struct.pack(">3I", 0, 34, 68)]
)
@pytest.mark.parametrize("pieces", [1, 2])
def test_a_table_of_a_wrong_size_is_no_part_of_the_first_frame(table: bytes, pieces: int) -> None:
    images = [b"\xff\xd8\xff\xe0" + bytes([number]) * 20 + b"\xff\xd9" for number in range(3)]
    parts = [part for image in images for part in ((image,) if pieces == 1 else (image[:12], image[12:]))]
    data = made(JPEG, fragments(*parts, table=table), undefined=True, frames=b"3")
    assert frames_of(data) == images
    assert "bad-offset-table" in rules(data)


def test_an_extended_table_is_found_though_number_of_frames_is_wrong() -> None:
    values: Sequence[bytes] = [b"aaaa", b"bbbbb\0", b"cc"]
    for said in (b"x", b"2", b"4"):
        data = made(JPEG, fragments(*values), undefined=True, frames=said)
        at = data.rindex(b"\xe0\x7f\x10\0")
        tables = element(0x7FE00001, "OV", struct.pack("<3Q", 0, 12, 26))
        tables += element(0x7FE00002, "OV", struct.pack("<3Q", 4, 5, 2))
        data = data[:at] + tables + data[at:]
        assert frames_of(data) == list(values)
        assert "frame-count-differs" in rules(data)


@pytest.mark.parametrize("length", [18, 40, 1 << 40])
def test_an_extended_table_of_something_else_is_put_aside(length: int) -> None:
    """The offsets and lengths fit each other, and not the fragments."""
    images = [b"\x12\x34" + bytes([number]) * 30 for number in range(3)]
    data = made(JPEG, fragments(*images), undefined=True, frames=b"3")
    offsets = struct.pack("<3Q", *(number * (8 + length) for number in range(3)))
    tables = element(0x7FE00001, "OV", offsets) + element(0x7FE00002, "OV", struct.pack("<3Q", *[length] * 3))
    at = data.index(b"\xe0\x7f\x10\0OW")
    assert frames_of(data[:at] + tables + data[at:]) == images
