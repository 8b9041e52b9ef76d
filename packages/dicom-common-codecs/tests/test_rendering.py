"""Rendered pictures, against the formulae of the standard written down once more."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from made_images import as_file, grey, image, levels, minimal
from PIL import Image
from pydicom import examples
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_common.codecs import CodecReason, Codecs, Rendering, Viewport, Window
from dicom_common.core import DicomError

PNG = Rendering(media_type="image/png")
RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def linear(value: float, center: float, width: float) -> float:
    """PS3.3 C.11.2.1.2.1, as it stands there, for an output of 0 to 255."""
    if value <= center - 0.5 - (width - 1) / 2:
        return 0
    if value > center - 0.5 + (width - 1) / 2:
        return 255
    return ((value - (center - 0.5)) / (width - 1) + 0.5) * 255


def linear_exact(value: float, center: float, width: float) -> float:
    if value <= center - width / 2:
        return 0
    if value > center + width / 2:
        return 255
    return ((value - center) / width + 0.5) * 255


def sigmoid(value: float, center: float, width: float) -> float:
    return float(255 / (1 + np.exp(-4 * (value - center) / width)))


FORMULAE = {"linear": linear, "linear-exact": linear_exact, "sigmoid": sigmoid}
TERMS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}


def near(found: Any, expected: Any, levels: float = 1) -> bool:
    return bool(np.max(np.abs(np.asarray(found, float) - np.asarray(expected, float))) <= levels)


@pytest.mark.parametrize("shape", list(FORMULAE))
@pytest.mark.parametrize(("center", "width"), [(600, 300), (2048, 4096), (100, 1), (0, 700)])
def test_a_window_follows_the_formula_of_its_shape(codecs: Codecs, shape: Any, center: int, width: int) -> None:
    expected = [FORMULAE[shape](value - 1024, center, width) for value in range(4096)]
    made = image(RAMP, BitsStored=12, HighBit=11, RescaleIntercept="-1024", RescaleSlope="1")
    asked = Rendering(media_type="image/png", window=Window(center=center, width=width, shape=shape))
    assert near(grey(codecs, made, asked).ravel(), expected)
    made.WindowCenter, made.WindowWidth, made.VOILUTFunction = [center, 9], [width, 9], TERMS[shape]
    assert near(grey(codecs, made).ravel(), expected)  # the first of several
    made.PhotometricInterpretation = "MONOCHROME1"
    assert near(grey(codecs, made).ravel(), 255 - np.array(expected))


def test_without_a_window_the_range_of_the_frame_counts_but_not_its_padding(codecs: Codecs) -> None:
    array = np.full((8, 8), -2000, np.int16)
    array[2:6, 2:6] = np.arange(16).reshape(4, 4) * 10 + 100
    made = image(array, PixelPaddingValue=-2000)
    found = grey(codecs, made)
    assert near(found[2:6, 2:6], np.arange(16).reshape(4, 4) * 17)
    assert not found[0].any()
    made.PixelPaddingRangeLimit = 110
    assert near(grey(codecs, made)[2:6, 2:6].ravel()[2:], np.arange(14) * 255 / 13)


def test_one_inversion_is_one_though_two_attributes_ask_for_it(codecs: Codecs) -> None:
    array = np.array([[0, 255]], np.uint8)
    assert grey(codecs, image(array, "MONOCHROME2")).tolist() == [[0, 255]]
    for photometric, shape in (("MONOCHROME1", "INVERSE"), ("MONOCHROME2", "INVERSE"), ("MONOCHROME1", "IDENTITY")):
        assert grey(codecs, image(array, photometric, PresentationLUTShape=shape)).tolist() == [[255, 0]]


def test_stored_bits_are_cut_out_of_their_cells(codecs: Codecs) -> None:
    values = np.arange(-8, 8, dtype=np.int16).reshape(4, 4)
    cells = ((values.astype(np.uint16) & 0xF) << 4) | 0xF00F  # overlays above and below four stored bits
    made = image(cells, BitsStored=4, HighBit=7, PixelRepresentation=1)
    assert near(grey(codecs, made), (values + 8) * 17)


def lookup(first: int, bits: int, entries: Any, *, vr: str = "US", data_vr: str = "OW") -> Dataset:
    item = Dataset()
    item.add_new(0x00283002, vr, [len(entries) & 0xFFFF, first, bits])
    raw = np.asarray(entries, "<u1" if bits == 8 and data_vr == "OB8" else "<u2").tobytes()
    item.add_new(0x00283006, "OW", raw)
    return item


def test_a_modality_lut_and_a_voi_lut_are_applied_one_after_the_other(codecs: Codecs) -> None:
    array = np.arange(16, dtype=np.uint8).reshape(4, 4)
    modality = np.array([1000 + 10 * value for value in range(8)])
    made = image(array)
    made.ModalityLUTSequence = Sequence([lookup(4, 16, modality)])
    voi = np.linspace(0, 4095, 71).astype(int)[::-1]
    made.VOILUTSequence = Sequence([lookup(1000, 12, voi)])
    mapped = modality[np.clip(array.astype(int) - 4, 0, 7)]
    assert near(grey(codecs, made), voi[np.clip(mapped - 1000, 0, 70)] / 4095 * 255)


def test_a_lut_that_cannot_be_read_refuses_the_picture(codecs: Codecs) -> None:
    made = image(np.zeros((4, 4), np.uint8))
    made.ModalityLUTSequence = Sequence([lookup(0, 16, [1, 2])])
    made.ModalityLUTSequence[0][0x00283002].value = [9, 0, 16]
    with pytest.raises(DicomError, match="modality LUT") as error:
        codecs.render(as_file(made))
    assert error.value.reason == CodecReason.UNDECODABLE


def test_functional_groups_of_the_frame_go_before_shared_ones(codecs: Codecs) -> None:
    def group(center: float) -> Dataset:
        voi = Dataset()
        voi.WindowCenter, voi.WindowWidth = center, 11
        rescale = Dataset()
        rescale.RescaleIntercept, rescale.RescaleSlope, rescale.RescaleType = -1, 2, "US"
        item = Dataset()
        item.FrameVOILUTSequence, item.PixelValueTransformationSequence = Sequence([voi]), Sequence([rescale])
        return item

    array = np.arange(16, dtype=np.uint8).reshape(4, 4)
    made = image(array, NumberOfFrames=2, WindowCenter=1, WindowWidth=3)
    made.PixelData = array.tobytes() * 2
    made.SharedFunctionalGroupsSequence = Sequence([group(5)])
    own = Dataset()
    own.FrameVOILUTSequence = group(15).FrameVOILUTSequence
    made.PerFrameFunctionalGroupsSequence = Sequence([Dataset(), own])
    for frame, center in ((1, 5), (2, 15)):
        expected = [linear(2 * value - 1, center, 11) for value in range(16)]
        assert near(grey(codecs, made, frame=frame).ravel(), expected)


@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
def test_float_pixels_are_windowed_or_stretched(codecs: Codecs, keyword: str) -> None:
    array = np.array([[-1.5, 0.25], [0.5, 2.5]], "<f4" if keyword == "FloatPixelData" else "<f8")
    made = image(np.zeros((2, 2), np.uint16))
    del made.PixelData
    made.BitsAllocated = 8 * array.itemsize
    setattr(made, keyword, array.tobytes())
    assert near(grey(codecs, made), (array + 1.5) / 4 * 255)
    window = Window(center=0, width=4, shape="linear-exact")
    found = grey(codecs, made, Rendering(media_type="image/png", window=window))
    assert near(found.ravel(), [linear_exact(value, 0, 4) for value in array.ravel()])


def test_one_bit_is_black_and_white_even_where_it_is_always_the_same(codecs: Codecs) -> None:
    made = image(np.zeros((3, 3), np.uint8), BitsAllocated=1, BitsStored=1, HighBit=0, NumberOfFrames=2)
    made.PixelData = (0b0_0000_0000_1_1111_0101 << 0).to_bytes(3, "little") + b"\0"
    assert grey(codecs, made).ravel().tolist() == [255, 0, 255, 0, 255, 255, 255, 255, 255]
    assert not grey(codecs, made, frame=2).any()


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("bits", [8, 16])
def test_rgb_is_itself(codecs: Codecs, planar: int, bits: int) -> None:
    array = np.random.default_rng(2).integers(0, 256, (5, 7, 3)).astype(f"u{bits // 8}")
    scaled = array * 257 if bits == 16 else array
    made = image(scaled, "RGB", PlanarConfiguration=planar)
    if planar:
        made.PixelData = scaled.transpose(2, 0, 1).tobytes()
    assert np.array_equal(grey(codecs, made), array)


def test_ybr_is_turned_into_rgb(codecs: Codecs) -> None:
    rgb = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 128, 128], [255, 255, 255], [10, 200, 77]]], float)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    ybr = np.stack(  # PS3.3 C.7.6.3.1.2
        [
            0.2990 * red + 0.5870 * green + 0.1140 * blue,
            -0.1687 * red - 0.3313 * green + 0.5000 * blue + 128,
            0.5000 * red - 0.4187 * green - 0.0813 * blue + 128,
        ],
        axis=-1,
    )
    full = np.clip(np.rint(ybr), 0, 255).astype(np.uint8)
    assert near(grey(codecs, image(full, "YBR_FULL")), rgb, 2)
    shared = np.repeat(full[:, ::2], 2, axis=1)  # both pixels of a pair have the chrominance of one
    pairs = np.concatenate([shared[:, ::2, :1], shared[:, 1::2, :1], shared[:, ::2, 1:2], shared[:, ::2, 2:]], axis=2)
    made = image(full, "YBR_FULL_422")
    made.PixelData = pairs.tobytes()
    assert near(grey(codecs, made), np.repeat(rgb[:, ::2], 2, axis=1), 2)


def palette(made: Dataset, first: int, tables: Any, vr: str = "US") -> Dataset:
    for number, entries in enumerate(tables, 1):
        made.add_new(0x00281100 + number, vr, [len(entries) & 0xFFFF, first, 16])
        made.add_new(0x00281200 + number, "OW", np.asarray(entries, "<u2").tobytes())
    return made


def test_a_palette_begins_at_its_first_value_which_may_be_negative(codecs: Codecs) -> None:
    array = np.array([[-3, -2], [-1, 100]], np.int16)
    tables = [np.array([0, 30, 60]) * 257, np.array([5, 6, 7]) * 257, np.array([255, 128, 0]) * 257]
    made = palette(image(array, "PALETTE COLOR"), -3, tables, "SS")
    expected = [[[0, 5, 255], [30, 6, 128]], [[60, 7, 0], [60, 7, 0]]]
    assert grey(codecs, made).tolist() == expected
    assert grey(codecs, palette(image(array, "PALETTE COLOR"), 65533, tables)).tolist() == expected


def test_a_segmented_palette_is_written_out(codecs: Codecs) -> None:
    array = np.arange(8, dtype=np.uint8).reshape(2, 4)
    made = image(array, "PALETTE COLOR")
    # discrete: 0, 10; linear: 4 steps to 50; indirect: the discrete one again (PS3.3 C.7.9.2)
    words = [0, 2, 0, 10 * 257, 1, 4, 50 * 257, 2, 1, 0, 0]
    for number in (1, 2, 3):
        made.add_new(0x00281100 + number, "US", [8, 0, 16])
        made.add_new(0x00281220 + number, "OW", np.array(words, "<u2").tobytes())
    assert near(grey(codecs, made)[..., 0].ravel(), [0, 10, 20, 30, 40, 50, 0, 10])


def test_a_bundled_palette_is_what_pydicom_makes_of_it(codecs: Codecs) -> None:
    from pydicom.pixels.processing import apply_color_lut  # noqa: PLC0415

    data_set = examples.palette_color
    expected = apply_color_lut(data_set.pixel_array, data_set)
    found = levels(codecs, as_file(data_set, data_set.file_meta.TransferSyntaxUID))
    assert near(found, expected / 65535 * 255)


def test_a_viewport_scales_cuts_and_flips(codecs: Codecs) -> None:
    array = np.zeros((40, 80), np.uint8)
    array[:20, :40] = 255  # the upper left quarter
    made = image(array)

    def shown(**viewport: Any) -> Any:
        return grey(codecs, made, Rendering(media_type="image/png", viewport=Viewport(**viewport)))

    assert shown(width=20, height=20).shape == (10, 20)
    assert shown(width=320, height=100).shape == (100, 200)
    left = shown(width=40, height=40, source_x=0, source_y=0, source_width=40, source_height=20)
    assert left.shape == (20, 40)
    assert left.min() == 255
    assert shown(width=80, height=40, source_width=-80)[0, 79] == 255
    assert shown(width=80, height=40, source_width=80, source_height=-40)[39, 0] == 255
    with pytest.raises(DicomError, match="outside the image") as refused:
        shown(width=10, height=10, source_x=80)
    assert refused.value.reason == CodecReason.OUTSIDE


@pytest.mark.parametrize(
    ("attributes", "shape"),
    [
        ({"PixelSpacing": ["2", "1"]}, (40, 20)),
        ({"PixelSpacing": ["0.5", "1"]}, (20, 40)),
        ({"PixelAspectRatio": ["3", "2"]}, (30, 20)),
        ({"PixelSpacing": ["1.001", "1"]}, (20, 20)),
    ],
)
def test_pixels_that_are_not_square_keep_their_proportions(
    codecs: Codecs, attributes: dict[str, Any], shape: tuple[int, int]
) -> None:
    made = image(np.eye(20, dtype=np.uint8), **attributes)
    assert grey(codecs, made).shape == shape
    thumbnail = codecs.render(as_file(made), rendering=Rendering.thumbnail(10))
    assert max(thumbnail.width, thumbnail.height) == 10


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/gif"])
@pytest.mark.parametrize("photometric", ["MONOCHROME2", "RGB"])
def test_each_format_is_what_it_says(codecs: Codecs, media_type: Any, photometric: str) -> None:
    array = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    made = image(array if photometric == "MONOCHROME2" else np.stack([array] * 3, axis=-1), photometric)
    picture = codecs.render(as_file(made), rendering=Rendering(media_type=media_type))
    opened = Image.open(io.BytesIO(picture.data))
    assert opened.get_format_mimetype() == picture.media_type == media_type
    assert near(opened.convert("L"), array, 4)


def test_quality_makes_a_jpeg_larger(codecs: Codecs) -> None:
    made = as_file(image(np.random.default_rng(3).integers(0, 256, (64, 64), np.uint8)))
    sizes = [len(codecs.render(made, rendering=Rendering(quality=quality)).data) for quality in (1, 50, 100)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]


def test_what_is_no_image_is_refused(codecs: Codecs) -> None:
    with pytest.raises(DicomError) as error:
        codecs.render(as_file(minimal()))
    assert error.value.reason == CodecReason.NOT_AN_IMAGE


@pytest.mark.parametrize(
    "wrong",
    [
        {"quality": 0},
        {"quality": 101},
        {"media_type": "text/html"},
    ],
)
def test_a_rendering_that_is_not_offered_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="rendering"):
        Rendering(**wrong)


@pytest.mark.parametrize(
    ("center", "width", "shape"), [(0, 0.5, "linear"), (0, 0, "sigmoid"), (float("nan"), 5, "linear"), (0, 5, "cubic")]
)
def test_a_window_that_has_no_formula_is_refused(center: float, width: float, shape: Any) -> None:
    with pytest.raises(ValueError, match="window"):
        Window(center=center, width=width, shape=shape)
