"""Twins: one data set in two transfer syntaxes gives the same record and the same DICOM JSON."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from dicom_common.core import DicomError, Instance
from dicom_common.dicom import Reading, index_frames, read

LARGEST = 150_000
WIDTHS = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}


def same_bytes_aside(instance: Instance) -> Instance:
    """Leave out what describes the bytes as received, and what was tolerated in them."""
    place = instance.pixel_data
    return dataclasses.replace(
        instance,
        transfer_syntax_uid="",
        size=0,
        sha256="",
        data_set_offset=0,
        warnings=(),
        pixel_data=None if place is None else place._replace(offset=0),
    )


def assert_twins(one: Reading, other: Reading) -> None:
    assert one.metadata == other.metadata
    assert same_bytes_aside(one.instance) == same_bytes_aside(other.instance)


def written(data_set: Dataset, syntax: str) -> bytes:
    """Write a data set, as it stands, in a transfer syntax."""
    twin = Dataset(data_set._dict)  # without what it remembers of the file that it was read from
    twin.file_meta = pydicom.dataset.FileMetaDataset()
    twin.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, twin, enforce_file_format=True)
    return buffer.getvalue()


def keep(data_set: Dataset, wanted: Callable[[pydicom.DataElement], bool]) -> None:
    """Delete, at all levels, the elements that are not wanted."""
    for element in list(data_set):
        if not wanted(element):
            del data_set[element.tag]
        elif element.VR == "SQ":
            for item in element.value:
                keep(item, wanted)


def has_one_meaning_without_vr(element: pydicom.DataElement) -> bool:
    """Tell whether the VR can be found again in the dictionary, so that implicit VR loses nothing."""
    if element.tag.is_private or element.tag.element == 0:
        return False
    try:
        return bool(pydicom.datadict.dictionary_VR(element.tag) == element.VR)
    except KeyError:
        return False


def swapped(data_set: Dataset) -> Dataset:
    """Swap the words that pydicom writes as they are."""
    turned = copy.deepcopy(data_set)
    for element in turned.iterall():
        width = WIDTHS.get(element.VR)
        if width and element.value:
            value = element.value
            element.value = b"".join(value[at : at + width][::-1] for at in range(0, len(value), width))
    return turned


@pytest.fixture(autouse=True)
def _quiet() -> object:
    with warnings.catch_warnings(action="ignore"):
        yield


def native_data_set(path: Path) -> Dataset | None:
    """Read a file whose pixel data is native, or that has none; None where pydicom cannot write it again."""
    try:
        read(path)
        data_set = pydicom.dcmread(path, force=True)
        str(data_set)  # decodes every value
    except (DicomError, Exception):  # noqa: BLE001  # pydicom raises many; such files have no twins
        return None
    if any(element.is_undefined_length for element in data_set if element.tag == 0x7FE00010):
        return None
    if "file_meta" in data_set.__dict__ and data_set.file_meta.get("TransferSyntaxUID", "").endswith(".2.2"):
        return None
    return data_set


def twins_without_vr(path: Path) -> list[bytes]:
    """Make explicit, implicit, deflated and big endian twins of what means the same in all; none if impossible."""
    data_set = native_data_set(path)
    if data_set is None:
        return []
    keep(data_set, has_one_meaning_without_vr)
    return written_in(data_set, ImplicitVRLittleEndian)


def twins_with_vr(path: Path) -> list[bytes]:
    """Make explicit, deflated and big endian twins of all there is, private elements and pixel data included."""
    data_set = native_data_set(path)
    if data_set is None:
        return []
    keep(data_set, lambda element: element.tag.element != 0)
    return written_in(data_set)


def written_in(data_set: Dataset, *more: str) -> list[bytes]:
    try:
        twins = [
            written(data_set, syntax) for syntax in (ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, *more)
        ]
        return [*twins, written(swapped(data_set), ExplicitVRBigEndian)]
    except Exception:  # noqa: BLE001  # pydicom raises many for values that it cannot write
        return []


@pytest.mark.parametrize("make", [twins_without_vr, twins_with_vr])
def test_the_twins_of_a_file_give_the_same_record_and_json(
    make: Callable[[Path], list[bytes]], corpus_file: Path, heavy: int
) -> None:
    if corpus_file.stat().st_size > LARGEST * heavy:
        return  # most of the time would go into pixels
    readings = [read(twin) for twin in make(corpus_file)]
    for reading in readings[1:]:
        assert_twins(readings[0], reading)


@pytest.mark.parametrize("make", [twins_without_vr, twins_with_vr])
def test_most_files_have_twins(make: Callable[[Path], list[bytes]], corpus_files: tuple[Path, ...]) -> None:
    """So that the test above cannot become empty unseen."""
    assert sum(bool(make(path)) for path in corpus_files[:60]) > 15


BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"
IN_PAIRS = {"MR_small.dcm": "MR_small_bigendian.dcm", "rtdose.dcm": "rtdose_expb.dcm", "liver.dcm": "liver_expb.dcm"}


@pytest.mark.parametrize("name", IN_PAIRS)
def test_big_endian_files_of_others_equal_their_little_endian_twins(name: str, corpus_files: tuple[Path, ...]) -> None:
    by_name = {path.name.removeprefix("test_files__"): path for path in corpus_files}
    if not {name, IN_PAIRS[name]} <= set(by_name):
        pytest.skip("the pair is only in the data folder")
    one, other = (json.loads(read(by_name[each]).metadata) for each in (name, IN_PAIRS[name]))
    different = {tag for tag in one.keys() | other.keys() if one.get(tag) != other.get(tag)}
    assert different <= {"FFFCFFFC"}  # Data Set Trailing Padding (PS3.10 7.2): one of them was padded
    assert len(one) > 30


def test_the_offsets_of_a_deflated_object_are_those_of_the_inflated_one() -> None:
    data_set = pydicom.dcmread(BUNDLED / "CT_small.dcm")
    reading = read(written(data_set, DeflatedExplicitVRLittleEndian))
    plain = written(data_set, ExplicitVRLittleEndian)
    inflated = plain[read(plain).instance.data_set_offset :]
    index = index_frames(inflated, reading.instance)
    assert index.inflated
    assert index.read(inflated, 1) == data_set.PixelData
