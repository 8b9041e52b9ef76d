"""Decoded frames are what other decoders give, whatever the source is."""

from __future__ import annotations

import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from compressed_images import HTJ2K, JPEG_2000, JPEG_LS, JPEG_XL, LOSSLESS_JPEG, RLE, encapsulated, frame_of
from made_images import BIG, as_file, image
from pydicom import dcmread, examples
from pydicom.pixels.utils import pixel_array

from dicom_common.codecs import CodecReason, Codecs, DecodedFrame, Ranges, Rendering
from dicom_common.core import DicomError

TWELVE_BITS = {"JPEG-lossy.dcm", "JPGExtended.dcm"}
"""pydicom has no decoder for these."""
BAD_COUNT = {"badVR.dcm"}
"""Its Number of Frames is `1A`, which stops pydicom."""
SPOILED = {"JPEG2000-embedded-sequence-delimiter.dcm"}
"""Its codestream says that it has 3,722,445,056 columns."""


def as_array(frame: DecodedFrame) -> npt.NDArray[Any]:
    """Read the pixels by numpy alone."""
    pixels = frame.pixels
    shape = (pixels.rows, pixels.columns) if pixels.samples == 1 else (pixels.rows, pixels.columns, pixels.samples)
    if pixels.bits_allocated == 1:
        count = pixels.rows * pixels.columns
        return np.unpackbits(np.frombuffer(frame.data, "u1"), bitorder="little")[:count].reshape(shape)
    kind = "f" if pixels.kind != "integer" else "i" if pixels.signed else "u"
    array = np.frombuffer(frame.data, f"<{kind}{pixels.bits_allocated // 8}")
    if pixels.photometric == "YBR_FULL_422":
        pairs = array.reshape(pixels.rows, pixels.columns // 2, 4)
        return np.stack([pairs[..., [0, 1]], pairs[..., [2, 2]], pairs[..., [3, 3]]], axis=-1).reshape(shape)
    if pixels.samples > 1 and pixels.planar:
        return array.reshape(pixels.samples, *shape[:2]).transpose(1, 2, 0)
    return array.reshape(shape)


def test_every_bundled_image_decodes_as_pydicom_decodes_it(codecs: Codecs, instance_file: Path) -> None:
    data_set = dcmread(instance_file, force=True)
    if not {"PixelData", "FloatPixelData", "DoubleFloatPixelData"} & set(data_set.dir()):
        with pytest.raises(DicomError) as error:
            codecs.decode_frame(instance_file)
        assert error.value.reason == CodecReason.NOT_AN_IMAGE
        return
    if instance_file.name in SPOILED:
        with pytest.raises(DicomError) as error:
            codecs.decode_frame(instance_file)
        assert error.value.reason == CodecReason.HEADER_DIFFERS
        return
    if not data_set.file_meta.TransferSyntaxUID.is_compressed or codecs.can_decode(
        data_set.file_meta.TransferSyntaxUID
    ):
        frames = list(codecs.decode_frames(instance_file))
    else:
        pytest.skip("the extra for its transfer syntax is not installed")
    if instance_file.name in TWELVE_BITS | BAD_COUNT:
        assert frames
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = pixel_array(data_set, raw=True)
    ours = np.stack([as_array(frame) for frame in frames])
    assert np.array_equal(ours if len(frames) > 1 else ours[0], expected, equal_nan=expected.dtype.kind == "f")


@pytest.mark.parametrize("name", sorted(TWELVE_BITS))
def test_jpeg_of_twelve_bits_has_the_values_that_others_found(codecs: Codecs, name: str) -> None:
    pytest.importorskip("imagecodecs")
    path = Path(str(examples.get_path("ct"))).parent / name
    array = as_array(codecs.decode_frame(path))
    assert (array[420, 140], array[230, 120]) == (244, 95)  # published with this image by pydicom's own tests


def test_a_path_bytes_and_ranges_give_the_same(codecs: Codecs) -> None:
    path = Path(str(examples.get_path("ybr_color")))
    data = path.read_bytes()
    asked: list[tuple[int, int]] = []

    def read(offset: int, length: int) -> bytes:
        asked.append((offset, length))
        return data[offset : offset + length]

    expected = codecs.decode_frame(path, 3)
    assert codecs.decode_frame(data, 3) == expected
    assert codecs.decode_frame(memoryview(data), 3) == expected
    assert codecs.decode_frame(Ranges(read, len(data)), 3) == expected
    assert asked


def test_one_frame_of_a_large_object_is_read_and_no_more(codecs: Codecs) -> None:
    array = np.arange(256 * 256, dtype=np.uint16).reshape(256, 256)
    made = image(array, NumberOfFrames=64)
    made.PixelData = b"".join((array + number).tobytes() for number in range(64))
    data = as_file(made)
    read = 0

    def ranges(offset: int, length: int) -> bytes:
        nonlocal read
        found = data[offset : offset + length]
        read += len(found)
        return found

    frame = codecs.decode_frame(Ranges(ranges, len(data)), 41)
    assert np.array_equal(as_array(frame), array + 40)
    assert read < len(data) / 10


@pytest.mark.parametrize("number", [0, -1, 2])
def test_a_frame_that_is_not_there_is_refused(codecs: Codecs, number: int) -> None:
    with pytest.raises(DicomError, match="frames 1 to 1") as error:
        codecs.decode_frame(as_file(image(np.zeros((4, 4), np.uint8))), number)
    assert error.value.reason == CodecReason.NO_SUCH_FRAME


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4"])
def test_big_endian_pixels_come_out_little_endian(codecs: Codecs, dtype: str) -> None:
    array = np.arange(30).reshape(5, 6).astype(dtype) * 3
    made = image(array)
    made.PixelData = array.astype(array.dtype.newbyteorder(">")).tobytes()
    if array.itemsize == 1:
        made["PixelData"].VR = "OB"
    assert np.array_equal(as_array(codecs.decode_frame(as_file(made, BIG))), array)


def test_planes_are_what_the_codestream_says_and_not_the_attribute(codecs: Codecs) -> None:
    pytest.importorskip("openjpeg")
    array = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)
    path = as_file(image(array, "RGB"))
    out = BytesIO()
    codecs.transcode(path, "1.2.840.10008.1.2.4.90", out)
    made = dcmread(BytesIO(out.getvalue()))
    made.PlanarConfiguration = 1
    wrong = BytesIO()
    made.save_as(wrong)
    assert np.array_equal(as_array(codecs.decode_frame(wrong.getvalue())), array)


@pytest.mark.parametrize("uid", [RLE, LOSSLESS_JPEG, JPEG_LS, JPEG_2000, JPEG_XL, HTJ2K])
def test_a_lossless_codec_gives_the_picture_back(codecs: Codecs, uid: str) -> None:
    frame, array = frame_of(codecs, uid)
    assert np.array_equal(as_array(codecs.decode_frame(encapsulated(frame, uid, array))), array)


def test_a_deflated_frame_is_inflated_as_far_as_its_attributes_say(codecs: Codecs) -> None:
    array = np.arange(600, dtype=np.uint16).reshape(20, 30)

    def made(content: bytes) -> bytes:
        stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        other = "1.2.840.10008.1.2.1.98"  # as long as the one that pydicom does not know yet, with its padding
        data = encapsulated(stream.compress(content) + stream.flush(), other, array)
        return data.replace(other.encode(), b"1.2.840.10008.1.2.8.1\0", 1)

    assert np.array_equal(as_array(codecs.decode_frame(made(array.tobytes()))), array)
    with pytest.raises(DicomError) as error:
        codecs.decode_frame(made(bytes(50_000_000)))
    assert error.value.reason == CodecReason.UNDECODABLE


def test_what_is_printed_of_a_frame_holds_no_pixels(codecs: Codecs) -> None:
    data = as_file(image(np.full((4, 4), 65, np.uint8)))
    assert "AAAA" not in repr(codecs.decode_frame(data))
    assert "PNG" not in repr(codecs.render(data, rendering=Rendering(media_type="image/png"))).replace("image/png", "")
