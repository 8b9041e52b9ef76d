"""Pixel data, native or encapsulated, in another form than its transfer syntax says: what is there counts."""

from __future__ import annotations

import json
import struct
import zlib

import pytest
from made_elements import BIG, DEFLATED, EXPLICIT, IMPLICIT
from made_pixel_data import (
    IMAGES,
    J2K,
    JPEG,
    JPEG_LS,
    MPEG4,
    PRIVATE,
    RLE,
    UNCOMPRESSED,
    end,
    fragments,
    frames_of,
    indexed,
    item,
    made,
    refusal,
    rules,
)

from dicom_common.dicom import index_frames, read


@pytest.mark.parametrize("syntax", [*IMAGES, MPEG4])
@pytest.mark.parametrize("tail", [end(), b""], ids=["delimiter", "no delimiter"])
def test_items_in_pixel_data_of_a_defined_length_are_fragments(syntax: str, tail: bytes) -> None:
    image = IMAGES.get(syntax, b"\0\0\0\x18ftypmp42" + bytes(20))
    data = made(syntax, item(b"") + item(image) + tail)
    assert frames_of(data) == [image]
    assert rules(data) == {"pixel-data-form"}
    assert read(data).instance.pixel_data is not None  # as large as it is, it is not too short


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, PRIVATE])
def test_items_of_a_defined_length_under_a_native_syntax_are_fragments(syntax: str) -> None:
    image = IMAGES[JPEG]
    order = ">" if syntax == BIG else "<"
    for pixels in (fragments(image, order=order), fragments(image)):
        data = made(EXPLICIT if syntax == PRIVATE else syntax, pixels, declared=syntax)
        assert frames_of(data) == [image]
        assert rules(data) == {"pixel-data-form"}


@pytest.mark.parametrize("syntax", IMAGES)
def test_a_bare_codestream_is_the_frame(syntax: str) -> None:
    image = IMAGES[syntax]
    data = made(syntax, image)
    assert frames_of(data) == [image]
    assert rules(data) == {"pixel-data-form"}


def test_a_bare_video_is_one_stream() -> None:
    for video in (b"\0\0\1\xb3" + bytes(50), b"\0\0\0\x18ftypmp42" + bytes(20), b"\x47\x40\x11" + bytes(185)):
        assert frames_of(made(MPEG4, video, frames=b"25")) == [video]


def test_a_bare_codestream_of_several_frames_is_refused() -> None:
    assert refusal(made(JPEG, IMAGES[JPEG] * 3, frames=b"3")) == "no-frames"


def test_compressed_bytes_are_never_served_as_native_pixels() -> None:
    """4 x 4 pixels are 16 bytes: the first 16 of a codestream, or of an item, look as if they were a frame."""
    image = IMAGES[J2K]
    for declared in (EXPLICIT, IMPLICIT, PRIVATE):
        data = made(IMPLICIT if declared == IMPLICIT else EXPLICIT, image, declared=declared)
        assert frames_of(data) == [image]
        assert rules(data) == {"pixel-data-form"}


@pytest.mark.parametrize("pixels", [b"\xff\xd8\xff" + bytes(13), item(b"")[:4] + bytes(12), b"\xff\x0a" * 8])
def test_pixels_of_the_right_length_are_pixels_whatever_their_bytes(pixels: bytes) -> None:
    data = made(EXPLICIT, pixels)
    assert frames_of(data) == [pixels]
    assert not rules(data)


@pytest.mark.parametrize("syntax", [JPEG, RLE, MPEG4, UNCOMPRESSED])
def test_native_pixels_under_a_compressed_syntax_are_pixels_if_their_length_says_so(syntax: str) -> None:
    pixels = bytes(range(48))
    data = made(syntax, pixels, frames=b"3")
    assert frames_of(data) == [pixels[:16], pixels[16:32], pixels[32:]]
    assert rules(data) == {"pixel-data-form"}
    _, index = indexed(data)
    assert not index.encapsulated
    assert refusal(made(syntax, pixels + b"ab", frames=b"3")) == "no-frames"


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
@pytest.mark.parametrize("order", ["<", ">"])
def test_fragments_under_a_native_syntax_are_what_they_are(syntax: str, order: str) -> None:
    image = IMAGES[JPEG_LS]
    data = made(syntax, fragments(image, image, order=order), undefined=True, frames=b"2")
    assert frames_of(data) == [image, image]
    assert rules(data) == {"pixel-data-form"}
    pixels = [bytes(range(16)), bytes(range(16, 32))]
    assert frames_of(made(syntax, fragments(*pixels, order=order), undefined=True, frames=b"2")) == pixels
    assert refusal(made(syntax, fragments(b"what?!", order=order), undefined=True)) == "no-frames"


def test_implicit_vr_with_fragments_under_a_compressed_syntax_is_read() -> None:
    image = IMAGES[JPEG]
    assert frames_of(made(IMPLICIT, fragments(image), undefined=True, declared=JPEG)) == [image]


def test_fragments_in_a_deflated_object_count_inflated_bytes() -> None:
    image = IMAGES[JPEG]
    data = made(DEFLATED, fragments(image, image), undefined=True, frames=b"2")
    instance = read(data).instance
    inflated = zlib.decompress(data[instance.data_set_offset :], -15)
    index = index_frames(inflated, instance)
    assert (index.inflated, index.read(inflated, 2)) == (True, image)


def test_an_object_that_was_not_deflated_is_not_inflated() -> None:
    pixels = bytes(range(16))
    data = made(EXPLICIT, pixels, declared="1.2.840.10008.1.2.1.95")  # of the same length as that of the deflated one
    data = data.replace(b"1.2.840.10008.1.2.1.95", DEFLATED.encode())
    _, index = indexed(data)
    assert (index.inflated, index.read(data, 1)) == (False, pixels)


def test_float_pixel_data_is_native_whatever_the_syntax() -> None:
    pixels = b"\xff\xd8\xff\xe0" * 16
    for tag in (0x7FE00008, 0x7FE00009):
        value = pixels * (1 if tag == 0x7FE00008 else 2)
        assert frames_of(made(JPEG, value, tag=tag, shape=(4, 4, 1, 32))) == [value]


@pytest.mark.parametrize("letters", [b"UI", b"PN", b"SH", b"US", b"AT"])
def test_pixel_data_under_a_vr_that_has_no_bulk_data_is_bytes(letters: bytes) -> None:
    data = made(EXPLICIT, bytes(16))
    at = data.rindex(b"\xe0\x7f\x10\0OB")
    short = data[: at + 4] + letters + struct.pack("<H", 16) + bytes(16)
    member = json.loads(read(short).metadata)["7FE00010"]
    assert member["vr"] == ("US" if letters == b"US" else "OB")
    assert member["BulkDataURI"].endswith("7FE00010")
    assert frames_of(short) == [bytes(16)]
