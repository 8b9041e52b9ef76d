"""The frames of every file, against those that pydicom gives."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames

from dicom_common.core import DicomError
from dicom_common.dicom import FrameIndex, Reading, Reason, index_frames, read


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(action="ignore"):
        yield


def indexed(path: Path) -> tuple[Reading, FrameIndex] | Reason:
    """Index the frames of a file, as an object storage would: by range reads alone."""
    data = path.read_bytes()
    try:
        reading = read(path)
        return reading, index_frames(lambda offset, length: data[offset : offset + length], reading.instance)
    except DicomError as refusal:
        return Reason(refusal.reason)


def read_by_pydicom(path: Path) -> Dataset | None:
    """Read a file; None where pydicom cannot, or without a word finds no data set, for damage in the File Meta."""
    try:
        data_set = pydicom.dcmread(path, force=True)
    except Exception:  # noqa: BLE001  # pydicom raises many
        return None
    return data_set if "SOPInstanceUID" in data_set else None


def theirs(data_set: Dataset, count: int) -> list[bytes]:
    """Give the frames of encapsulated pixel data as pydicom finds them."""
    tables = None
    if "ExtendedOffsetTable" in data_set:
        tables = (data_set.ExtendedOffsetTable, data_set.ExtendedOffsetTableLengths)
    return list(generate_frames(data_set.PixelData, number_of_frames=count, extended_offsets=tables))


def test_the_frames_of_a_file_are_those_that_pydicom_gives(corpus_file: Path) -> None:
    result = indexed(corpus_file)
    if isinstance(result, Reason):
        return
    reading, index = result
    if index.inflated:
        return  # see the test of deflated twins
    data, place = corpus_file.read_bytes(), reading.instance.pixel_data
    assert place is not None
    frames = [index.read(data, number) for number in range(1, index.count + 1)]
    data_set = read_by_pydicom(corpus_file)
    if data_set is None:
        return
    if index.encapsulated:
        assert frames == theirs(data_set, reading.instance.number_of_frames or 1)
        return
    value = data_set[place.tag].value
    if not any(finding.rule == "frame-count-differs" for finding in index.warnings):
        assert len(frames) == (reading.instance.number_of_frames or 1)
    if index.frame(1).bits % 8 == 0:
        assert b"".join(frames) == value[: sum(map(len, frames))]
        assert len({len(frame) for frame in frames}) == 1
    else:
        assert unpacked(frames, index) == bits(value)[: index.count * index.frame(1).bits]


def bits(data: bytes) -> list[int]:
    """Give the bits of packed pixels in the order of PS3.5 8.1.1."""
    return [byte >> position & 1 for byte in data for position in range(8)]


def unpacked(frames: list[bytes], index: FrameIndex) -> list[int]:
    return [bit for frame in frames for bit in bits(frame)[: index.frame(1).bits]]


def test_an_instance_with_pixel_data_is_refused_only_for_its_attributes(corpus_file: Path) -> None:
    result = indexed(corpus_file)
    if isinstance(result, Reason) and result not in {Reason.NO_PIXEL_DATA, Reason.NO_FRAMES}:
        with pytest.raises(DicomError):
            read(corpus_file)
    if result is Reason.NO_FRAMES:
        instance = read(corpus_file).instance
        # Pixels of 3 bits, say, are written in whole bytes in truth.
        assert not (instance.rows and instance.columns and instance.bits_allocated) or instance.bits_allocated % 8


def test_both_kinds_of_pixel_data_are_among_the_files(corpus_files: tuple[Path, ...]) -> None:
    """So that the tests above cannot become empty unseen."""
    kinds = [result[1].encapsulated for result in map(indexed, corpus_files) if not isinstance(result, Reason)]
    assert kinds.count(True) > 10
    assert kinds.count(False) > 10
