"""A Number of Frames that is absent, unreadable or wrong, and pixel data of another length than its frames."""

from __future__ import annotations

import io
import struct

import pytest
from made_elements import EXPLICIT
from made_pixel_data import IMAGES, J2K, JPEG, RLE, fragments, frames_of, indexed, made, refusal, rules

from dicom_common.core import DicomError
from dicom_common.dicom import ReaderSettings, Reading, index_frames, read, read_header
from dicom_common.dicom._read import read_through

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


# The length of pixel data


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
