"""Frames as Grayscale Softcopy Presentation States show them (PS3.4 N.2): wholly, or not at all."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from made_images import as_file, image, minimal
from made_states import area, item, state, window
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_common.codecs import CodecReason, Codecs, Rendering, Viewport
from dicom_common.core import DicomError

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
PICTURE = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


def presented(
    codecs: Codecs, made: Dataset, shown: Dataset, viewport: tuple[int, int] | None = None, frame: int = 1
) -> npt.NDArray[np.uint8]:
    size = None if viewport is None else Viewport(width=viewport[0], height=viewport[1])
    rendering = Rendering(media_type="image/png", viewport=size)
    read = codecs.presentation_state(as_file(shown))
    picture = codecs.render(as_file(made), frame, rendering=rendering, state=read)
    found = np.asarray(Image.open(io.BytesIO(picture.data)))
    assert found.shape == (picture.height, picture.width)
    return found


def table(entries: Iterable[int], first: int, bits: int) -> Sequence:
    data = np.array(list(entries), "<u2")
    made = item(LUTDescriptor=[len(data), first, bits], LUTData=data.tobytes())
    made["LUTDescriptor"].VR = "US"
    return Sequence([made])


def test_n_2_a_state_takes_the_place_of_all_transformations_of_the_image(codecs: Codecs) -> None:
    """What is absent is the identity, and the image's own is not used instead."""
    made = image(RAMP, "MONOCHROME1", WindowCenter=10, WindowWidth=5, RescaleSlope="2", RescaleIntercept="-100")
    made.PresentationLUTShape = "INVERSE"
    assert np.array_equal(presented(codecs, made, state()), RAMP)
    assert np.array_equal(presented(codecs, made, state(PresentationLUTShape="INVERSE")), 255 - RAMP)


@pytest.mark.parametrize("signed", [False, True])
def test_n_2_1_3_without_a_voi_lut_all_that_can_be_stored_is_the_range(codecs: Codecs, signed: bool) -> None:
    array = np.array([[0, 2047]], np.int16 if signed else np.uint16)
    made = image(array, BitsStored=12, HighBit=11)
    expected = [[128, 255]] if signed else [[0, 127]]
    assert presented(codecs, made, state()).tolist() == expected
    assert presented(codecs, made, state(RescaleSlope="-1", RescaleIntercept="5")).tolist() == [
        [255 - one for one in expected[0]]
    ]


def test_n_2_1_3_the_voi_lut_of_a_state(codecs: Codecs) -> None:
    made = image(RAMP)
    shown = presented(codecs, made, state(SoftcopyVOILUTSequence=window(100, 1, ReferencedImageSequence=[])))
    assert np.array_equal(shown, np.where(RAMP > 99.5, 255, 0))
    lut = Sequence([item(VOILUTSequence=table([0, 50, 100, 255], 10, 8))])
    assert presented(codecs, made, state(SoftcopyVOILUTSequence=lut)).ravel()[9:15].tolist() == [
        0,
        0,
        50,
        100,
        255,
        255,
    ]


def test_n_2_1_1_the_modality_lut_of_a_state(codecs: Codecs) -> None:
    made = image(RAMP)
    shown = state(RescaleSlope="2", RescaleIntercept="-10", SoftcopyVOILUTSequence=window(100, 1))
    assert np.array_equal(presented(codecs, made, shown), np.where(RAMP * 2.0 - 10 > 99.5, 255, 0))
    found = presented(codecs, made, state(ModalityLUTSequence=table(range(256), 0, 10)))
    assert int(found.max()) == round(255 * 255 / 1023)  # the range is that of the table's bits


def test_n_2_1_4_the_presentation_lut_of_a_state(codecs: Codecs) -> None:
    shown = state(PresentationLUTSequence=table([1023 - 4 * one for one in range(256)], 0, 10))
    del shown.PresentationLUTShape
    found = presented(codecs, image(RAMP), shown)
    assert np.max(np.abs(found.astype(int) - (255 - RAMP))) <= 1


def test_items_are_for_the_frames_that_they_refer_to(codecs: Codecs) -> None:
    made = image(np.vstack([RAMP, RAMP]), Rows=16, NumberOfFrames=2)
    first = window(100, 1, ReferencedImageSequence=[item(ReferencedSOPInstanceUID="2.25.1", ReferencedFrameNumber=1)])
    other = window(20, 1, ReferencedImageSequence=[item(ReferencedSOPInstanceUID="2.25.9")])
    shown = state(SoftcopyVOILUTSequence=[other[0], first[0]])
    assert np.array_equal(presented(codecs, made, shown), np.where(RAMP > 99.5, 255, 0))
    assert np.array_equal(presented(codecs, made, shown, frame=2), RAMP)


TURNED: dict[tuple[int, str], npt.NDArray[np.uint8]] = {
    (0, "N"): PICTURE,
    (0, "Y"): PICTURE[:, ::-1],
    (90, "N"): np.rot90(PICTURE, -1),
    (90, "Y"): np.rot90(PICTURE, -1)[:, ::-1],
    (180, "N"): np.rot90(PICTURE, 2),
    (180, "Y"): np.rot90(PICTURE, 2)[:, ::-1],
    (270, "N"): np.rot90(PICTURE),
    (270, "Y"): np.rot90(PICTURE)[:, ::-1],
}


@pytest.mark.parametrize(("rotation", "flip"), list(TURNED))
def test_n_2_3_3_a_rotation_comes_before_a_flip(codecs: Codecs, rotation: int, flip: str) -> None:
    shown = state(ImageRotation=rotation, ImageHorizontalFlip=flip)
    expected = TURNED[rotation, flip]
    assert np.array_equal(presented(codecs, image(PICTURE), shown), expected)
    # A point of the image goes with its pixel.
    graphic = item(
        GraphicAnnotationUnits="PIXEL",
        GraphicDimensions=2,
        NumberOfGraphicPoints=1,
        GraphicData=[3.5, 0.5],
        GraphicType="POINT",
    )
    shown.GraphicAnnotationSequence = Sequence([item(GraphicLayer="A", GraphicObjectSequence=Sequence([graphic]))])
    large = presented(codecs, image(PICTURE), shown, (400, 400))
    row, column = np.argwhere(expected == PICTURE[0, 3])[0]
    scale = large.shape[0] / expected.shape[0]
    assert large[int((row + 0.5) * scale), int((column + 0.5) * scale)] == 255


def test_c_10_4_the_displayed_area(codecs: Codecs) -> None:
    made = image(PICTURE)
    assert np.array_equal(
        presented(codecs, made, state(DisplayedAreaSelectionSequence=area(2, 1, 3, 2))), PICTURE[:2, 1:3]
    )
    # The corners are those of what is seen: turned by 180 degrees, the last pixel is at the top left.
    turned = state(ImageRotation=180, DisplayedAreaSelectionSequence=area(3, 2, 2, 1))
    assert np.array_equal(presented(codecs, made, turned), np.rot90(PICTURE[:2, 1:3], 2))
    wide = presented(codecs, made, state(DisplayedAreaSelectionSequence=area(0, 1, 5, 3)))
    assert np.array_equal(wide[:, 1:5], PICTURE)
    assert not wide[:, [0, 5]].any()


def test_c_10_4_the_size_of_the_picture(codecs: Codecs) -> None:
    made = image(PICTURE)
    whole = state(DisplayedAreaSelectionSequence=area(1, 1, 4, 3))
    assert presented(codecs, made, whole, (40, 40)).shape == (30, 40)
    long = state(DisplayedAreaSelectionSequence=area(1, 1, 4, 3, PresentationPixelAspectRatio=[2, 1]))
    assert presented(codecs, made, long).shape == (6, 4)
    long.ImageRotation = 90
    assert presented(codecs, made, long).shape == (4, 6)
    true_size = area(1, 1, 4, 3, "TRUE SIZE", PresentationPixelSpacing=["0.5", "1"])
    assert presented(codecs, made, state(DisplayedAreaSelectionSequence=true_size)).shape == (3, 8)
    ratio = {"PresentationPixelAspectRatio": [1, 1], "PresentationPixelMagnificationRatio": 3.0}
    magnified = state(DisplayedAreaSelectionSequence=area(1, 1, 4, 3, "MAGNIFY", **ratio))
    assert presented(codecs, made, magnified).shape == (9, 12)
    assert presented(codecs, made, magnified, (7, 20)).shape == (9, 7)


def outside_rectangle(x: int, y: int) -> bool:
    return not (3 <= x <= 8 and 2 <= y <= 5)


def outside_circle(x: int, y: int) -> bool:
    return (x - 8) ** 2 + (y - 6) ** 2 > 16


@pytest.mark.parametrize(
    ("shutter", "hidden"),
    [
        ("RECTANGULAR", outside_rectangle),
        ("CIRCULAR", outside_circle),
        (["RECTANGULAR", "CIRCULAR"], lambda x, y: outside_rectangle(x, y) or outside_circle(x, y)),
        ("POLYGONAL", lambda x, y: not (2 <= x <= 9 and 3 <= y <= 12)),
    ],
)
def test_n_2_3_1_a_shutter_hides_what_lies_outside(codecs: Codecs, shutter: Any, hidden: Any) -> None:
    places = {
        "ShutterShape": shutter,
        "ShutterLeftVerticalEdge": 3,
        "ShutterRightVerticalEdge": 8,
        "ShutterUpperHorizontalEdge": 2,
        "ShutterLowerHorizontalEdge": 5,
        "CenterOfCircularShutter": [6, 8],
        "RadiusOfCircularShutter": 4,
        "VerticesOfThePolygonalShutter": [3, 2, 3, 9, 12, 9, 12, 2],
    }
    found = presented(codecs, image(RAMP), state(**places, ShutterPresentationValue=0x8080))
    expected = RAMP.copy()
    for y in range(16):
        for x in range(16):
            if hidden(x + 1, y + 1):
                expected[y, x] = 0x80
    assert np.array_equal(found, expected)


def graphic(kind: str, *data: float, units: str = "PIXEL", **attributes: Any) -> Dataset:
    return item(
        GraphicAnnotationUnits=units,
        GraphicDimensions=2,
        NumberOfGraphicPoints=len(data) // 2,
        GraphicData=list(data),
        GraphicType=kind,
        **attributes,
    )


def annotated(*graphics: Dataset, texts: tuple[Dataset, ...] = (), level: int | None = None) -> Dataset:
    made = item(GraphicLayer="A")
    if graphics:
        made.GraphicObjectSequence = Sequence(graphics)
    if texts:
        made.TextObjectSequence = Sequence(texts)
    shown = state(GraphicAnnotationSequence=Sequence([made]))
    if level is not None:
        layer = item(GraphicLayer="A", GraphicLayerOrder=1, GraphicLayerRecommendedDisplayGrayscaleValue=level)
        shown.GraphicLayerSequence = Sequence([layer])
    return shown


@pytest.mark.parametrize(
    ("shape", "on", "off"),
    [
        (graphic("POINT", 20, 30), [(30, 20)], [(30, 30)]),
        (graphic("POLYLINE", 10, 10, 50, 10, 50, 40), [(10, 30), (25, 50)], [(25, 30)]),
        (graphic("POLYLINE", 0.2, 0.5, 0.8, 0.5, units="DISPLAY"), [(32, 30)], [(20, 30)]),
        (graphic("INTERPOLATED", 10, 10, 30, 20, 50, 10), [(20, 30), (10, 10)], [(40, 30)]),
        (graphic("CIRCLE", 32, 32, 42, 32), [(22, 32), (32, 42), (42, 32)], [(32, 32)]),
        (graphic("CIRCLE", 32, 32, 42, 32, GraphicFilled="Y"), [(32, 32)], [(32, 50)]),
        (graphic("ELLIPSE", 12, 32, 52, 32, 32, 22, 32, 42), [(32, 12), (22, 32)], [(32, 32), (12, 32)]),
        (graphic("POLYLINE", 10, 10, 50, 10, 50, 40, 10, 10, GraphicFilled="Y"), [(20, 40)], [(30, 15)]),
    ],
)
def test_n_2_3_2_graphics_are_drawn(
    codecs: Codecs, shape: Dataset, on: list[tuple[int, int]], off: list[tuple[int, int]]
) -> None:
    made = image(np.full((64, 64), 100, np.uint8))
    found = presented(codecs, made, annotated(shape))
    assert all(255 in found[row - 1 : row + 2, column - 1 : column + 2] for row, column in on)
    assert all(found[place] == 100 for place in off)
    dark = presented(codecs, made, annotated(shape, level=0x2020))
    assert all(0x20 in dark[row - 1 : row + 2, column - 1 : column + 2] for row, column in on)


@pytest.mark.parametrize("text", ["12.5 mm", "two\r\nlines", "a tab\tand more"])
def test_n_2_3_2_text_is_drawn(codecs: Codecs, text: str) -> None:
    made = image(np.full((200, 200), 100, np.uint8))
    box = {"BoundingBoxTopLeftHandCorner": [20.0, 40.0], "BoundingBoxBottomRightHandCorner": [180.0, 100.0]}
    boxed = item(BoundingBoxAnnotationUnits="PIXEL", UnformattedTextValue=text, **box)
    boxed.BoundingBoxTextHorizontalJustification = "LEFT"
    found = presented(codecs, made, annotated(texts=(boxed,)))
    rows, columns = np.where(found == 255)
    assert rows.size
    assert {rows.min() >= 38, rows.max() <= 102, columns.min() >= 18, columns.max() <= 182} == {True}
    anchored = item(AnchorPointAnnotationUnits="DISPLAY", AnchorPoint=[0.9, 0.9], AnchorPointVisibility="Y")
    anchored.UnformattedTextValue = text
    found = presented(codecs, made, annotated(texts=(anchored,)))
    assert (found[150:, 100:] == 255).any()
    assert (found[:100] == 100).all()


@pytest.mark.parametrize(
    "shown",
    [
        state("2.25.99"),
        state(frames=[2]),
        state(SOPClassUID="1.2.840.10008.5.1.4.1.1.11.2"),
        state(RecommendedViewingMode="SUB"),
        state(SoftcopyVOILUTSequence=Sequence([item(WindowCenter=1)])),
        state(MaskSubtractionSequence=Sequence([item(MaskOperation="AVG_SUB")])),
        state(ShutterShape="BITMAP"),
        state(ShutterShape="CIRCULAR"),
        state(ImageRotation=45),
        state(DisplayedAreaSelectionSequence=area(1, 1, 4, 3, "MAGNIFY")),
        state(DisplayedAreaSelectionSequence=area(1, 1, 4, 3, PixelOriginInterpretation="VOLUME")),
        annotated(graphic("RECTANGLE", 1, 1, 2, 2)),
        annotated(graphic("POLYLINE", 1, 1)),
        annotated(graphic("ELLIPSE", 1, 1, 2, 2)),
        annotated(graphic("POINT", 1, 1, units="MATRIX")),
        annotated(texts=(item(UnformattedTextValue="nowhere"),)),
        annotated(texts=(item(UnformattedTextValue="骨", AnchorPoint=[1.0, 1.0], AnchorPointAnnotationUnits="PIXEL"),)),
    ],
)
def test_what_would_be_left_out_is_refused(codecs: Codecs, shown: Dataset) -> None:
    shown.SpecificCharacterSet = "ISO_IR 192"
    with pytest.raises(DicomError) as caught:
        presented(codecs, image(PICTURE), shown)
    assert caught.value.reason == CodecReason.NOT_PRESENTABLE
    assert "nowhere" not in str(caught.value)


def test_an_overlay_that_is_shown_is_refused(codecs: Codecs) -> None:
    shown = state()
    shown.add_new(0x60001001, "CS", "")
    assert np.array_equal(presented(codecs, image(PICTURE), shown), presented(codecs, image(PICTURE), state()))
    shown[0x60001001].value = "LAYER"
    with pytest.raises(DicomError, match="overlay"):
        presented(codecs, image(PICTURE), shown)


def test_an_image_in_colour_is_refused(codecs: Codecs) -> None:
    colour = image(np.zeros((2, 2, 3), np.uint8), "RGB")
    with pytest.raises(DicomError, match="grayscale"):
        presented(codecs, colour, state())
    with pytest.raises(DicomError) as caught:
        presented(codecs, minimal(), state())
    assert caught.value.reason == CodecReason.NOT_AN_IMAGE


def test_a_huge_displayed_area_is_refused(codecs: Codecs) -> None:
    ratio = {"PresentationPixelAspectRatio": [1, 1], "PresentationPixelMagnificationRatio": 1e6}
    for shown in (area(-99999, -99999, 99999, 99999), area(1, 1, 4, 3, "MAGNIFY", **ratio)):
        with pytest.raises(DicomError) as caught:
            presented(codecs, image(PICTURE), state(DisplayedAreaSelectionSequence=shown))
        assert caught.value.reason == CodecReason.TOO_LARGE


def test_the_images_that_a_state_is_for(codecs: Codecs) -> None:
    read = codecs.presentation_state(as_file(state("2.25.5", "2.25.6", frames=[3, 1])))
    assert [tuple(one) for one in read.images] == [("2.25.3", "2.25.5", (3, 1)), ("2.25.3", "2.25.6", ())]
