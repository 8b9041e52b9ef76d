"""Damaged input: cut at every byte, bits flipped, lengths edited. Nothing but a refusal or a reading comes of it.

Many more changes, with their time and memory, are those of tests/test_fuzz.py.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from dicom_common.core import DicomError, Instance
from dicom_common.dicom import Readable, Reading, Reason, index_frames, read

SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "big endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "encapsulated": JPEGBaseline8Bit,
}


def item(**attributes: object) -> Dataset:
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def small_file(syntax: str) -> bytes:
    """Make a file of about 1.5 KB that has something of everything."""
    data_set = item(
        SpecificCharacterSet=["", "ISO 2022 IR 87"],
        SOPClassUID="1.2.840.10008.5.1.4.1.1.7",
        SOPInstanceUID="1.2.3.4",
        StudyInstanceUID="1.2.3",
        SeriesInstanceUID="1.2.3.5",
        StudyDate="20260102",
        StudyTime="101112.5",
        PatientName="Yamada^Tarou=山田^太郎",
        ImageType=["ORIGINAL", "PRIMARY", ""],
        WindowCenter=["40", "400"],
        Rows=2,
        Columns=4,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        SamplesPerPixel=1,
        PixelRepresentation=0,
        PhotometricInterpretation="MONOCHROME2",
        NumberOfFrames=2,
        SmallestImagePixelValue=0,
        FrameIncrementPointer=0x00181063,
        ImageComments="x" * 40,
    )
    code = item(
        CodeValue="1", CodeMeaning="one", ReferencedSOPSequence=Sequence([item(ReferencedSOPInstanceUID="1.2")])
    )
    code.is_undefined_length_sequence_item = True
    data_set.ProcedureCodeSequence = Sequence([code, Dataset(), item(CodeValue="2")])
    data_set["ProcedureCodeSequence"].is_undefined_length = True
    data_set.RequestAttributesSequence = Sequence([item(RequestedProcedureID="R")])
    block = data_set.private_block(0x0041, "SOMEBODY", create=True)
    block.add_new(1, "UN", b"\1\2\3\4")
    block.add_new(2, "FD", [1.5, float("nan")])
    block.add_new(3, "OW", bytes(6))
    pixels = bytes(range(16))
    if syntax == JPEGBaseline8Bit:
        data_set.PixelData = encapsulate([pixels[:8], pixels[8:]])
        data_set["PixelData"].is_undefined_length = True
    else:
        data_set.PixelData = pixels
    data_set["PixelData"].VR = "OB"
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = UID(syntax)
    buffer = io.BytesIO()
    dcmwrite(buffer, data_set, enforce_file_format=True)
    return buffer.getvalue()


FILES = {name: small_file(syntax) for name, syntax in SYNTAXES.items()}


def outcome(data: bytes) -> Reading | Reason:
    """Read bytes; every refusal must be a documented one, every reading must be whole."""
    try:
        reading = read(data)
    except DicomError as refusal:
        return Reason(refusal.reason)
    tree = json.loads(reading.metadata, parse_constant=_not_json)
    assert list(tree) == sorted(tree)
    assert reading.instance.size == len(data)
    if reading.instance.pixel_data is not None and not reading.instance.transfer_syntax_uid.endswith(".99"):
        try:
            index = index_frames(data, reading.instance)
            index.read(data, index.count)
        except DicomError as refusal:
            Reason(refusal.reason)
    return reading


def _not_json(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


@pytest.mark.parametrize("name", FILES)
def test_the_whole_file_is_read_without_a_warning(name: str) -> None:
    whole = outcome(FILES[name])
    assert isinstance(whole, Reading)
    assert whole.instance.warnings == ()
    assert whole.instance.patient_name is not None
    assert whole.instance.patient_name.ideographic == "山田^太郎"


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_is_refused_or_is_the_shorter_file_that_it_became(name: str) -> None:
    """A cut at the border of two elements cannot be seen: what comes before is a data set."""
    data = FILES[name]
    whole = read(data)
    place = whole.instance.pixel_data
    assert place is not None
    seen = 0
    for size in range(len(data)):
        cut = outcome(data[:size])
        if isinstance(cut, Reason):
            continue
        seen += 1
        members = json.loads(cut.metadata)
        assert members.items() <= json.loads(whole.metadata).items()
        # Nothing of pixel data that was begun is taken for all of it.
        assert "7FE00010" not in members
    assert seen < 40


@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
def test_flipped_bits_and_edited_lengths_do_no_harm(name: str, data: st.DataObject) -> None:
    changed = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        change = data.draw(
            st.integers(0, 255) | st.sampled_from([b"\0\0", b"\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\x80"])
        )
        if isinstance(change, int):
            changed[at] = change
        else:
            changed[at : at + len(change)] = change
    outcome(bytes(changed))


@given(st.binary(max_size=400), st.booleans())
def test_arbitrary_bytes_do_no_harm(data: bytes, preamble: bool) -> None:
    outcome(bytes(128) + b"DICM" + data if preamble else data)


ELEMENT = st.builds(
    lambda tag, vr, length, value: struct.pack("<HH", *tag) + vr + struct.pack("<H", length) + value,
    st.tuples(st.sampled_from([0x0008, 0x0010, 0x0020, 0x0028, 0x0041, 0x7FE0, 0xFFFE]), st.integers(0, 0xFFFF)),
    st.sampled_from([b"UI", b"PN", b"SQ", b"UN", b"OB", b"DS", b"US", b"??", b"\0\0", b"LT"]),
    st.integers(0, 40) | st.sampled_from([0, 0xFFFF]),
    st.binary(max_size=40),
)


@given(st.lists(ELEMENT, max_size=12), st.sampled_from(sorted(SYNTAXES)))
def test_made_up_elements_do_no_harm(elements: list[bytes], name: str) -> None:
    file = FILES[name]
    start = read(file).instance.data_set_offset
    body = b"".join(elements)
    if name == "deflated":
        stream = zlib.compressobj(wbits=-15)
        outcome(file[:start] + stream.compress(body) + stream.flush())
    outcome(file[:start] + body)
    outcome(file[:start] + body + file[start:])


class Slow(io.RawIOBase):
    """A stream that gives few bytes at a time and cannot seek, as a socket does."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        size = min(7, size) if size >= 0 else 7
        self.at += size
        return self.data[self.at - size : self.at]


@pytest.mark.parametrize(
    "source",
    [io.BytesIO, bytearray, memoryview, Slow],
    ids=lambda source: source.__name__,
)
def test_every_kind_of_source_gives_the_same(
    source: Callable[[bytes], Readable], corpus_files: tuple[Path, ...]
) -> None:
    for path in corpus_files[:40]:
        data = path.read_bytes()
        if len(data) < 100_000:
            assert what_comes_of(source(data)) == what_comes_of(path)


def what_comes_of(source: Readable) -> tuple[Instance, bytes] | str:
    try:
        reading = read(source)
    except DicomError as refusal:
        return refusal.reason
    return reading.instance, reading.metadata
