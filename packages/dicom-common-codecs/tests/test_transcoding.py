"""Transcoded instances are the same instances: element by element, and pixel by pixel."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_images import BIG, IMPLICIT, as_file, element, image, minimal
from pydicom import dcmread, examples
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pixel_array
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000, RLELossless

from dicom_common.codecs import CodecReason, Codecs
from dicom_common.core import DicomError
from dicom_common.dicom import Reason, read

EXPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"
JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"
OF_PIXELS = {
    *(0x00280004, 0x00280006, 0x00280008, 0x00282110),
    *(0x7FE00001, 0x7FE00002, 0x7FE00003, 0x7FE00008, 0x7FE00009, 0x7FE00010),
}
"""What may change with the form of the pixel data."""
NOT_COMPARED = {"JPEG-lossy.dcm", "JPGExtended.dcm", "badVR.dcm"}
"""pydicom cannot decode them."""
UNCONVERTIBLE = {CodecReason.NOT_AN_IMAGE, CodecReason.UNSUPPORTED, CodecReason.HEADER_DIFFERS}


def transcoded(codecs: Codecs, source: Any, target: str) -> Dataset:
    out = io.BytesIO()
    codecs.transcode(source, target, out)
    assert out.getvalue()[:132] == bytes(128) + b"DICM"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dcmread(io.BytesIO(out.getvalue()))


def differences(one: Dataset, other: Dataset) -> Iterator[str]:
    """Compare two data sets, without group lengths and what belongs to the pixel data."""
    ours = {elem.tag for elem in one if elem.tag.element and elem.tag.group not in (0, 2)} - OF_PIXELS
    theirs = {elem.tag for elem in other} - OF_PIXELS
    yield from (f"{tag} on one side only" for tag in ours ^ theirs)
    for tag in ours & theirs:
        first, second = one[tag], other[tag]
        if first.VR == second.VR == "SQ":
            if len(first.value) != len(second.value):
                yield f"{tag}: items"
            for item, twin in zip(first.value, second.value, strict=False):
                yield from differences(item, twin)
        elif str(first.value) != str(second.value):
            yield f"{tag}: values"


@pytest.mark.parametrize("target", [EXPLICIT, RLE, JPEG_LS, JPEG_2000])
def test_every_bundled_instance_stays_the_same(codecs: Codecs, instance_file: Path, target: str) -> None:
    if not codecs.can_encode(target):
        pytest.skip("the extra for this transfer syntax is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stored = dcmread(instance_file, force=True)
    try:
        made = transcoded(codecs, instance_file, target)
    except DicomError as error:
        if target == EXPLICIT:
            assert error.reason in (CodecReason.HEADER_DIFFERS, CodecReason.NO_DECODER), error.reason  # noqa: PT017
        else:
            assert error.reason in {*UNCONVERTIBLE, CodecReason.NO_DECODER}, error.reason  # noqa: PT017
        return
    assert made.file_meta.TransferSyntaxUID == target
    assert made.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID == stored.SOPInstanceUID
    assert list(differences(stored, made)) == []
    if instance_file.name in NOT_COMPARED or not {"PixelData", "FloatPixelData", "DoubleFloatPixelData"} & {
        *made.dir()
    }:
        return
    expected = pixel_array(stored, raw=True)
    assert np.array_equal(pixel_array(made, raw=True), expected, equal_nan=expected.dtype.kind == "f")


def test_the_index_says_the_same_of_both(codecs: Codecs) -> None:
    for path in (examples.get_path("ct"), examples.get_path("rt_dose"), examples.get_path("ybr_color")):
        out = io.BytesIO()
        codecs.transcode(Path(str(path)), EXPLICIT, out)
        before, after = read(Path(str(path))), read(out.getvalue())
        for field in ("sop_uid", "study_uid", "patient_id", "rows", "columns", "window_center", "number_of_frames"):
            assert getattr(before.instance, field) == getattr(after.instance, field)
        assert after.instance.warnings == ()


def test_of_implicit_vr_the_dictionaries_tell_the_vrs_and_unknown_ones_are_un(codecs: Codecs) -> None:
    private = element(0x00210010, b"GEMS_RELA_01") + element(0x00211003, struct.pack("<h", -9))
    private += element(0x002110FE, b"odd!") + element(0x00230010, b"NOBODY KNOWS") + element(0x00231001, b"\1\2\3\4")
    signed = element(0x00280103, b"\1\0") + element(0x00280106, b"\xfe\xff")
    result = transcoded(
        codecs, as_file(minimal(), IMPLICIT) + element(0x00204000, b"text") + private + signed, EXPLICIT
    )
    found = {tag: (result[tag].VR, result[tag].value) for tag in (0x00204000, 0x00211003, 0x002110FE, 0x00231001)}
    assert found == {
        0x00204000: ("LT", "text"),
        0x00211003: ("SS", -9),
        0x002110FE: ("UN", b"odd!"),
        0x00231001: ("UN", b"\1\2\3\4"),
    }
    assert (result[0x00210010].VR, result[0x00280106].VR, result[0x00280106].value) == ("LO", "SS", -2)


def test_sequences_of_both_forms_are_written_with_their_items(codecs: Codecs) -> None:
    made = minimal()
    inner = Dataset()
    inner.CodeValue, inner.CodeMeaning = "A", "odd"
    outer = Dataset()
    outer.PurposeOfReferenceCodeSequence = Sequence([inner, Dataset(), inner])
    outer.ReferencedSOPInstanceUID = "2.25.9"
    made.ReferencedImageSequence = Sequence([outer, outer])
    for syntax in (IMPLICIT, BIG):
        for undefined in (True, False):
            made["ReferencedImageSequence"].is_undefined_length = undefined
            result = transcoded(codecs, as_file(made, syntax), EXPLICIT)
            assert list(differences(made, result)) == []


def test_big_endian_values_are_swapped_by_their_vr(codecs: Codecs) -> None:
    array = np.arange(12, dtype=np.uint16).reshape(3, 4)
    made = image(array)
    made.PixelData = array.astype(">u2").tobytes()
    made.add_new(0x00191001, "FD", 1.5)
    made.add_new(0x00191002, "SL", -70000)
    made.add_new(0x00191003, "AT", 0x00100020)
    made.add_new(0x00191004, "UV", 1 << 40)
    made.add_new(0x00191005, "OB", b"\1\2\3\4")
    made.add_new(0x00191006, "FL", [0.5, 0.25])
    result = transcoded(codecs, as_file(made, BIG), EXPLICIT)
    for number in range(1, 7):
        assert result[0x00191000 + number].value == made[0x00191000 + number].value
    assert np.array_equal(result.pixel_array, array)


def test_group_lengths_go_and_a_value_too_long_for_its_vr_is_un(codecs: Codecs) -> None:
    start = as_file(minimal(), IMPLICIT)
    long = b"x" * 70_000
    data = start + element(0x00280000, b"\4\0\0\0") + element(0x00284000, long)
    result = transcoded(codecs, data, EXPLICIT)
    assert 0x00280000 not in result
    out = io.BytesIO()
    codecs.transcode(data, EXPLICIT, out)
    assert struct.pack("<HH2sHI", 0x0028, 0x4000, b"UN", 0, len(long)) + long in out.getvalue()


def test_a_sequence_under_un_is_copied_as_it_is(codecs: Codecs) -> None:
    item = element(0x00080100, b"CODE")
    content = struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item
    ends = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    data = as_file(minimal()) + struct.pack("<HH2sHI", 0x0021, 0x1001, b"UN", 0, 0xFFFFFFFF) + content + ends
    result = transcoded(codecs, data, EXPLICIT)
    assert result[0x00211001].value[0].CodeValue == "CODE"


@pytest.mark.parametrize("target", [JPEG2000, "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.81"])
def test_a_target_that_loses_information_is_refused(codecs: Codecs, target: str) -> None:
    with pytest.raises(DicomError) as error:
        codecs.transcode(as_file(image(np.zeros((4, 4), np.uint8))), target, io.BytesIO())
    assert error.value.reason == CodecReason.LOSSY_TARGET


@pytest.mark.parametrize("target", [IMPLICIT, BIG, "1.2.840.10008.1.2.4.110", "1.2.3"])
def test_implicit_vr_and_big_endian_never_go_out(codecs: Codecs, target: str) -> None:
    source = as_file(image(np.zeros((4, 4), np.uint8)), IMPLICIT)
    with pytest.raises(DicomError) as error:
        codecs.transcode(source, target, io.BytesIO())
    assert error.value.reason == CodecReason.NO_ENCODER


def test_bits_beside_the_stored_ones_are_not_lost(codecs: Codecs) -> None:
    if not codecs.can_encode(JPEG_LS):
        pytest.skip("the extra jpegls is not installed")
    array = np.full((40, 40), 0xF123, np.uint16)
    source = as_file(image(array, BitsStored=12, HighBit=11))
    with pytest.raises(DicomError) as error:
        codecs.transcode(source, JPEG_LS, io.BytesIO())
    assert error.value.reason == CodecReason.UNSUPPORTED
    assert np.frombuffer(transcoded(codecs, source, EXPLICIT).PixelData, "<u2").tolist() == array.ravel().tolist()


def compressed(codecs: Codecs, array: Any, **attributes: Any) -> Dataset:
    out = io.BytesIO()
    codecs.transcode(as_file(image(array, **attributes)), RLE, out)
    return dcmread(io.BytesIO(out.getvalue()))


def test_a_compressed_icon_is_decoded_with_its_image(codecs: Codecs) -> None:
    array = np.arange(64, dtype=np.uint8).reshape(8, 8)
    made = compressed(codecs, array)
    icon = Dataset()
    for name in ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored"):
        setattr(icon, name, getattr(made, name))
    icon.HighBit, icon.PixelRepresentation = 7, 0
    icon.PixelData = made.PixelData
    icon["PixelData"].is_undefined_length = True
    made.IconImageSequence = Sequence([icon])
    stored = io.BytesIO()
    made.save_as(stored)
    result = transcoded(codecs, stored.getvalue(), EXPLICIT)
    assert result.IconImageSequence[0].PixelData == result.PixelData == array.tobytes()
    same = transcoded(codecs, stored.getvalue(), RLELossless)
    assert same.IconImageSequence[0].PixelData == same.PixelData == made.PixelData


def test_the_own_transfer_syntax_gives_the_fragments_as_they_are(codecs: Codecs) -> None:
    path = Path(str(examples.get_path("jpeg2k")))
    stored = dcmread(path)
    result = transcoded(codecs, path, stored.file_meta.TransferSyntaxUID)
    assert result.PixelData == stored.PixelData
    assert list(differences(stored, result)) == []


def test_lossy_pixels_stay_called_lossy_once_they_are_decoded(codecs: Codecs) -> None:
    from PIL import Image  # noqa: PLC0415

    out = io.BytesIO()
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(out, "JPEG")
    made = image(np.zeros((16, 16), np.uint8))
    made.PixelData = encapsulate([out.getvalue()])
    made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
    result = transcoded(codecs, as_file(made, "1.2.840.10008.1.2.4.50"), EXPLICIT)
    assert result.LossyImageCompression == "01"


def test_frames_that_end_within_a_byte_go_on_within_it(codecs: Codecs) -> None:
    bits = np.random.default_rng(4).integers(0, 2, (3, 5, 7)).astype(np.uint8)
    made = image(bits[0], BitsAllocated=1, BitsStored=1, HighBit=0, NumberOfFrames=3)
    packed = [np.packbits(frame.ravel(), bitorder="little").tobytes() for frame in bits]
    made.PixelData = encapsulate(packed)
    made["PixelData"].VR, made["PixelData"].is_undefined_length = "OB", True
    result = transcoded(codecs, as_file(made, "1.2.840.10008.1.2.1.98"), EXPLICIT)
    assert np.array_equal(result.pixel_array, bits)


def test_a_path_gets_the_whole_instance_or_nothing(codecs: Codecs, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.dcm", tmp_path / "bad.dcm"
    codecs.transcode(Path(str(examples.get_path("ct"))), RLE, good)
    assert dcmread(good).file_meta.TransferSyntaxUID == RLE
    data = Path(str(examples.get_path("jpeg2k"))).read_bytes()
    with pytest.raises(DicomError):
        codecs.transcode(data[:-500] + b"\xff" * 500, EXPLICIT, bad)
    assert [path.name for path in tmp_path.iterdir()] == ["good.dcm"]


def test_what_the_first_frame_or_the_header_refuses_is_refused_before_the_first_piece(codecs: Codecs) -> None:
    pieces = codecs.transcoded(as_file(image(np.zeros((4, 4), np.float32).view(np.uint32))), JPEG_LS)
    with pytest.raises(DicomError):
        next(pieces)


def test_an_irregular_data_set_is_refused_and_never_guessed_at(codecs: Codecs) -> None:
    start = as_file(minimal(), IMPLICIT)
    for tail in (element(0x00100010, b"A^B "), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)):
        with pytest.raises(DicomError) as error:
            codecs.transcode(start + element(0x00280103, b"\0\0") + tail, EXPLICIT, io.BytesIO())
        assert error.value.reason == Reason.MALFORMED
        assert "A^B" not in str(error.value)


def test_memory_does_not_grow_with_the_instance(codecs: Codecs) -> None:
    made = image(np.zeros((512, 512), np.uint16), NumberOfFrames=32)
    made.PixelData = bytes(512 * 512 * 2 * 32)
    longest = max(len(piece) for piece in codecs.transcoded(as_file(made), EXPLICIT))
    assert longest <= 1 << 18
