"""What a refused object says that it is."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import ImplicitVRLittleEndian

from dicom_common.dicom import NamedInstance, named_instance, read

CT = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
EXPECTED = NamedInstance("1.2.840.10008.5.1.4.1.1.2", "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322")


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "MR_small.dcm",
        "MR_small_bigendian.dcm",
        "rtdose.dcm",
        "JPEG2000.dcm",
        "ExplVR_LitEndNoMeta.dcm",
        "rtplan.dcm",
    ],
)
def test_it_says_the_same_as_the_reader_where_the_object_is_whole(name: str) -> None:
    data = Path(str(get_testdata_file(name))).read_bytes()
    instance = read(data).instance
    assert named_instance(data[:65536]) == (instance.sop_class_uid, instance.sop_uid)


def test_of_a_cut_object_it_says_all_or_nothing() -> None:
    where = CT.index(EXPECTED.sop_uid.encode(), 400) + len(EXPECTED.sop_uid)
    said = [named_instance(CT[:length]) for length in range(2000)]
    assert set(said[:where]) == {None}
    assert set(said[where + 1 :]) == {EXPECTED}


def test_implicit_vr_and_long_values_in_front() -> None:
    data_set = dcmread(io.BytesIO(CT))
    data_set.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    data_set.ImageType = ["ORIGINAL"] * 100
    stream = io.BytesIO()
    data_set.save_as(stream, implicit_vr=True, little_endian=True)
    assert named_instance(stream.getvalue()) == EXPECTED


def test_an_object_with_two_identities_says_nothing() -> None:
    at = CT.index(b"\x08\x00\x18\x00UI")
    element = CT[at : at + 8 + CT[at + 6]]
    assert named_instance(CT[:at] + element + element.replace(b"1.3.6", b"1.3.7") + CT[at + len(element) :]) is None


def test_the_data_set_speaks_and_not_the_file_meta() -> None:
    uid = EXPECTED.sop_uid.encode()
    meta = CT.index(uid)
    other = CT[:meta] + uid.replace(b"1.3.6", b"1.3.7") + CT[meta + len(uid) :]
    assert named_instance(other) == EXPECTED
    behind = CT.index(uid, meta + 1)
    for bad in (b"1.3.6.1/", b"........", b"\xff" * 8):
        assert named_instance(CT[:behind] + bad + CT[behind + 8 :]) is None


@pytest.mark.parametrize("data", [b"", b"\0" * 65536, b"DICM" * 1000, b"<html>" * 100, b"\xff" * 200])
def test_what_is_no_instance_says_nothing(data: bytes) -> None:
    assert named_instance(data) is None


def test_a_deflated_data_set_says_nothing() -> None:
    assert named_instance(Path(str(get_testdata_file("image_dfl.dcm"))).read_bytes()) is None
