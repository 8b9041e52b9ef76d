"""Pixel data that is not what its transfer syntax or Number of Frames says: what is there counts, or it is refused."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Sequence

import pytest

from dicom_common.core import DicomError
from dicom_common.dicom import FrameIndex, ReaderSettings, Reading, index_frames, read, read_header
from dicom_common.dicom._read import read_through

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
DEFLATED, UNCOMPRESSED, RLE = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.5"
JPEG, JPEG_LS, J2K, JXL = (f"1.2.840.10008.1.2.4.{number}" for number in (50, 80, 90, 110))
HTJ2K, MPEG4, PRIVATE = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.102", "1.2.3.4.5"
UNDEFINED = 0xFFFFFFFF
TOLERANT = ReaderSettings(truncated_pixel_data="accept")

IMAGES = {
    JPEG: b"\xff\xd8\xff\xe0" + bytes(20) + b"\xff\xd9",
    JPEG_LS: b"\xff\xd8\xff\xf7" + bytes(30) + b"\xff\xd9",
    J2K: b"\xff\x4f\xff\x51" + bytes(22) + b"\xff\xd9",
    HTJ2K: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40),
    JXL: b"\xff\x0a" + b"\x55" * 32,
    RLE: struct.pack("<16I", 1, 64, *[0] * 14) + b"\x03abcd\0",
}


def element(tag: int, vr: str, value: bytes, length: int | None = None, *, syntax: str = EXPLICIT) -> bytes:
    order = ">" if syntax == BIG else "<"
    size = len(value) if length is None else length
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if syntax == IMPLICIT:
        return head + struct.pack("<I", size) + value
    if vr in {"OB", "OW", "OF", "OD", "OV"}:
        return head + vr.encode() + struct.pack(f"{order}HI", 0, size) + value
    return head + vr.encode() + struct.pack(f"{order}H", size) + value


def item(value: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}HHI", 0xFFFE, 0xE000, len(value)) + value


def end(order: str = "<") -> bytes:
    return struct.pack(f"{order}HHI", 0xFFFE, 0xE0DD, 0)


def fragments(*values: bytes, table: bytes = b"", order: str = "<") -> bytes:
    return item(table, order) + b"".join(item(value, order) for value in values) + end(order)


def made(
    syntax: str,
    pixels: bytes,
    *,
    undefined: bool = False,
    frames: bytes | None = None,
    shape: tuple[int, int, int, int] = (4, 4, 1, 8),
    photometric: bytes = b"MONOCHROME2 ",
    tag: int = 0x7FE00010,
    declared: str | None = None,
) -> bytes:
    """Make an object; `declared` is another transfer syntax for its File Meta."""

    def short(tag: int, value: int) -> bytes:
        return element(tag, "US", struct.pack(">H" if syntax == BIG else "<H", value), syntax=syntax)

    rows, columns, samples, bits = shape
    body = b"".join(
        element(tag, "UI", uid + b"\0" * (len(uid) % 2), syntax=syntax)
        for tag, uid in (
            *((0x00080016, b"1.2.840.10008.5.1.4.1.1.7"), (0x00080018, b"1.2.5")),
            *((0x0020000D, b"1.2.3"), (0x0020000E, b"1.2.4")),
        )
    )
    body += short(0x00280002, samples) + element(0x00280004, "CS", photometric, syntax=syntax)
    if frames is not None:
        body += element(0x00280008, "IS", frames + b" " * (len(frames) % 2), syntax=syntax)
    body += short(0x00280010, rows) + short(0x00280011, columns) + short(0x00280100, bits)
    vr = {0x7FE00008: "OF", 0x7FE00009: "OD"}.get(tag, "OW" if undefined or bits > 8 else "OB")
    body += element(tag, vr, pixels, UNDEFINED if undefined else None, syntax=syntax)
    uid = (declared or syntax).encode()
    group = element(0x00020010, "UI", uid + b"\0" * (len(uid) % 2))
    if (declared or syntax) == DEFLATED:
        stream = zlib.compressobj(wbits=-15)
        body = stream.compress(body) + stream.flush()
    return bytes(128) + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(group))) + group + body


def indexed(data: bytes, settings: ReaderSettings = TOLERANT) -> tuple[Reading, FrameIndex]:
    reading = read(data, settings=settings)
    return reading, index_frames(data, reading.instance)


def frames_of(data: bytes) -> list[bytes]:
    _, index = indexed(data)
    return [index.read(data, number) for number in range(1, index.count + 1)]


def refusal(data: bytes) -> str:
    with pytest.raises(DicomError) as refused:
        indexed(data)
    return refused.value.reason


def rules(data: bytes) -> set[str]:
    """Give what was noted about the pixel data, by the reader and by the frame index."""
    reading, index = indexed(data)
    told = {finding.rule for finding in (*reading.instance.warnings, *index.warnings)}
    return told & {"pixel-data-form", "frame-count-differs", "no-offset-table", "bad-offset-table", "pixel-data-longer"}


# Native or encapsulated


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


# The Basic Offset Table item


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


# Number of Frames


UNREADABLE = [b"abc", b"3,0", b"-3", b"0", b"99999999999", b"1e9x"]


@pytest.mark.parametrize("frames", UNREADABLE)
def test_a_number_of_frames_that_cannot_be_read_is_found_by_the_length_or_the_fragments(frames: bytes) -> None:
    pixels = bytes(range(48))
    data = made(EXPLICIT, pixels, frames=frames)
    assert frames_of(data) == [pixels[:16], pixels[16:32], pixels[32:]]
    assert rules(data) == {"frame-count-differs"}
    for syntax, image in IMAGES.items():
        data = made(syntax, fragments(image, image, image), undefined=True, frames=frames)
        assert frames_of(data) == [image] * 3
        assert rules(data) == {"frame-count-differs"}
    table = struct.pack("<2I", 0, 10 + 12)
    data = made(JPEG, fragments(b"aa", b"bbbb", b"cc", table=table), undefined=True, frames=frames)
    assert frames_of(data) == [b"aabbbb", b"cc"]
    assert rules(data) == {"frame-count-differs"}


@pytest.mark.parametrize("frames", UNREADABLE)
def test_what_cannot_be_found_is_refused(frames: bytes) -> None:
    assert refusal(made(EXPLICIT, bytes(50), frames=frames)) == "no-frames"
    assert refusal(made(EXPLICIT, bytes(4), shape=(1, 1, 1, 8), frames=frames)) == "no-frames"  # three, or four
    assert refusal(made(JPEG, fragments(b"aa", b"bb"), undefined=True, frames=frames)) == "no-frames"
    assert refusal(made(EXPLICIT, bytes(14), frames=frames)) == "truncated"


@pytest.mark.parametrize(("said", "there"), [(1, 3), (2, 3), (4, 3), (5, 4)])
def test_a_number_of_frames_that_is_wrong_gives_way_to_what_is_there(said: int, there: int) -> None:
    frames = str(said).encode()
    pixels = [bytes([number]) * 16 for number in range(there)]
    assert frames_of(made(EXPLICIT, b"".join(pixels), frames=frames)) == pixels
    assert "frame-count-differs" in rules(made(EXPLICIT, b"".join(pixels), frames=frames))
    for syntax in (JPEG, J2K, RLE):
        data = made(syntax, fragments(*[IMAGES[syntax]] * there), undefined=True, frames=frames)
        assert frames_of(data) == [IMAGES[syntax]] * there
        assert rules(data) == {"frame-count-differs"}


def test_an_absent_number_of_frames_hides_no_frames() -> None:
    pixels = bytes(range(48))
    assert frames_of(made(EXPLICIT, pixels)) == [pixels[:16], pixels[16:32], pixels[32:]]
    image = IMAGES[JPEG]
    assert frames_of(made(JPEG, fragments(image, image), undefined=True)) == [image, image]
    assert frames_of(made(JPEG, fragments(image, b"more"), undefined=True)) == [image + b"more"]


def test_pixel_data_shorter_than_its_frames_is_refused_by_default() -> None:
    for length in (15, 31, 32):
        with pytest.raises(DicomError) as refused:
            read(made(EXPLICIT, bytes(length), frames=b"3"))
        assert refused.value.reason == "truncated"
    assert refusal(made(EXPLICIT, bytes(40), frames=b"3")) == "truncated"


def test_longer_pixel_data_has_its_frames_at_its_start() -> None:
    pixels = bytes(range(37))
    data = made(EXPLICIT, pixels, frames=b"2")
    assert frames_of(data) == [pixels[:16], pixels[16:32]]
    assert rules(data) == {"pixel-data-longer"}


@pytest.mark.parametrize("shape", [(3, 3, 1, 8), (5, 1, 3, 8), (3, 7, 1, 1)])
def test_a_missing_pad_byte_is_tolerated(shape: tuple[int, int, int, int]) -> None:
    rows, columns, samples, bits = shape
    size = (rows * columns * samples * bits + 7) // 8
    pixels = bytes(range(1, size + 1))
    for value in (pixels, pixels + b"\0"):
        _, index = indexed(made(EXPLICIT, value, shape=shape))
        assert (index.count, index.warnings) == (1, ())
    image = IMAGES[JPEG][:-3] + b"\xff\xd9"
    assert len(image) % 2
    assert frames_of(made(JPEG, fragments(image, image), undefined=True, frames=b"2")) == [image, image]


@pytest.mark.parametrize("shape", [(3, 3, 1, 8), (5, 1, 3, 8), (3, 7, 1, 1)])
def test_a_pad_byte_that_is_counted_and_is_not_there_is_tolerated(shape: tuple[int, int, int, int]) -> None:
    rows, columns, samples, bits = shape
    size = (rows * columns * samples * bits + 7) // 8
    data = made(EXPLICIT, bytes(range(size)) + b"\0", shape=shape)
    whole, short = indexed(data)[1], data[:-1]
    for reading in (read(short), read_through(io.BytesIO(short), ReaderSettings(), 100), ranges(short)):
        assert ("7FE00010", "missing-pad") in {(finding.tag, finding.rule) for finding in reading.instance.warnings}
        assert index_frames(short, reading.instance).read(short, 1) == whole.read(data, 1)
    # One byte less is a frame that is not whole; so is one where no pad byte was due, or where a codestream was cut.
    cut = [data[:-2], made(EXPLICIT, bytes(16))[:-1], made(JPEG, IMAGES[JPEG])[:-1], made(J2K, bytes(16))[:-1]]
    for each in cut:
        for way in (read, lambda data: read_through(io.BytesIO(data), ReaderSettings(), 100), ranges):
            with pytest.raises(DicomError) as refused:
                way(each)
            assert refused.value.reason == "truncated"


def ranges(data: bytes) -> Reading:
    return read_header(lambda at, size: data[at : at + size], size=len(data), sha256="", first=100)


def test_packed_frames_are_counted_by_their_bits() -> None:
    # 3 x 7 pixels are 21 bits: three frames are 63, in 8 bytes; four are 84, in 11, or 12 for an even length
    for count, length in ((3, 8), (4, 12), (4, 11)):
        _, index = indexed(made(EXPLICIT, bytes(length), shape=(3, 7, 1, 1), frames=b"x"))
        assert (index.count, index.frame(2).first_bit) == (count, 5)


def test_subsampled_frames_are_counted_by_what_is_declared() -> None:
    shape = (4, 4, 3, 8)
    for count, length in ((2, 64), (3, 96)):
        data = made(EXPLICIT, bytes(length), shape=shape, photometric=b"YBR_FULL_422", frames=b"x")
        assert indexed(data)[1].count == count
    data = made(EXPLICIT, bytes(96), shape=shape, photometric=b"YBR_FULL_422", frames=b"2")
    assert [len(frame) for frame in frames_of(data)] == [48, 48]


def test_colour_without_samples_per_pixel_is_not_three_frames() -> None:
    pixels = bytes(range(48))
    assert frames_of(made(EXPLICIT, pixels, shape=(4, 4, 0, 8), photometric=b"RGB ")) == [pixels]


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


@pytest.mark.parametrize("length", [18, 40, 1 << 40])
def test_an_extended_table_of_something_else_is_put_aside(length: int) -> None:
    """The offsets and lengths fit each other, and not the fragments."""
    images = [b"\x12\x34" + bytes([number]) * 30 for number in range(3)]
    data = made(JPEG, fragments(*images), undefined=True, frames=b"3")
    offsets = struct.pack("<3Q", *(number * (8 + length) for number in range(3)))
    tables = element(0x7FE00001, "OV", offsets) + element(0x7FE00002, "OV", struct.pack("<3Q", *[length] * 3))
    at = data.index(b"\xe0\x7f\x10\0OW")
    assert frames_of(data[:at] + tables + data[at:]) == images
