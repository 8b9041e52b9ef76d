"""Lengths that are wrong: mended by what follows where that is certain, and never past an identity."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable

import pytest
from made_elements import (
    BACK,
    EXPLICIT,
    FOLLOWING,
    FRONT,
    IMPLICIT,
    PATIENT,
    PIXELS,
    ROWS,
    element,
    file_of,
    reason_of,
    rules,
)

from dicom_common.core import DicomError
from dicom_common.dicom import ReaderSettings, Reason, read
from dicom_common.dicom._read import read_through


def swapped(length: int) -> int:
    return length >> 8 | (length & 0xFF) << 8


def text(tag: int, vr: str, value: bytes, length: int) -> bytes:
    return element(tag, vr, value, length)


WRONG_LENGTHS = (
    text(0x00080060, "CS", b"CT", swapped(2)),
    text(0x0008103E, "LO", b"Thorax", swapped(6)),
    text(0x00081030, "LO", b"Chest ", 5),
    text(0x00081030, "LO", b"Chest ", 4),
    text(0x00081030, "LO", b"Chest ", 9),
    text(0x00080070, "LO", b"A maker of scanners ", 14),
    text(0x00080090, "PN", b"Doe^Jane", swapped(8)),
)


@pytest.mark.parametrize("data", WRONG_LENGTHS)
def test_a_wrong_length_is_mended_by_what_follows(data: bytes) -> None:
    reading = read(file_of(FRONT + data + PATIENT + BACK + ROWS + element(0x00280011, "US", b"\2\0") + PIXELS * 1200))
    mended = json.loads(reading.metadata)[f"{data[1]:02X}{data[0]:02X}{data[3]:02X}{data[2]:02X}"]
    assert (reading.instance.sop_uid, reading.instance.patient_id) == ("1.2.5", "P001")
    assert reading.instance.study_uid == "1.2.3"
    assert "element-length" in rules(reading)
    assert data[8:].decode().strip() in json.dumps(mended)


@pytest.mark.parametrize("length", [1996, 1999, 2004])
def test_a_long_text_of_a_wrong_length_is_mended_too(length: int) -> None:
    data = text(0x00204000, "LT", b"x" * 2000, length)
    behind = ROWS + element(0x00280011, "US", b"\2\0") + element(0x00280100, "US", b"\x08\0") + PIXELS
    reading = read(file_of(FRONT + PATIENT + BACK + data + behind))
    assert json.loads(reading.metadata)["00204000"] == {"vr": "LT", "Value": ["x" * 2000]}
    assert reading.instance.rows == 2


def test_a_patient_id_of_a_wrong_length_is_mended_where_its_value_is_certain() -> None:
    behind = BACK + ROWS + PIXELS * 200
    for data in (text(0x00100020, "LO", b"P001", swapped(4)), text(0x00100020, "LO", b"P01 ", 3)):
        assert read(file_of(FRONT + data + behind)).instance.patient_id in {"P001", "P01"}
    for length in (2, 6, 1):
        data = text(0x00100020, "LO", b"P001", length)
        assert reason_of(file_of(FRONT + data + behind)) in {Reason.MALFORMED, Reason.TRUNCATED}


@pytest.mark.parametrize("length", [2, 3, 9, 12])
def test_a_wrong_length_of_a_uid_is_still_refused(length: int) -> None:
    assert reason_of(file_of(FRONT + PATIENT + BACK[:14] + element(0x0020000E, "UI", b"1.2.44", length) + FOLLOWING))


@pytest.mark.parametrize("more", [8, 9, 10, 11])
@pytest.mark.parametrize("patient", [b"ANNA", b"2134", b"P12345"])
def test_a_wrong_length_never_passes_over_the_patient_id(more: int, patient: bytes) -> None:
    name = element(0x00100010, "PN", b"Doe^Jane", 8 + more)
    data = file_of(FRONT + name + element(0x00100020, "LO", patient) + BACK + FOLLOWING)
    try:
        found = read(data).instance.patient_id
    except DicomError:
        found = patient.decode()  # refused, which is as good
    assert found == patient.decode()


@pytest.mark.parametrize(("tag", "vr"), [(0x00100010, "PN"), (0x00081030, "LO"), (0x00080090, "PN")])
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT], ids=["explicit", "implicit"])
def test_a_patient_id_within_a_text_that_is_too_long_is_not_passed_over(tag: int, vr: str, syntax: str) -> None:
    write = element if syntax == EXPLICIT else in_implicit_vr
    patient = write(0x00100020, "LO", b"P1")
    text = write(tag, vr, b"Doe^Jane", 8 + len(patient))
    uids = ((0x0020000D, "UI", b"1.2.3\0"), (0x0020000E, "UI", b"1.2.4\0"))
    front = ((0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.7\0"), (0x00080018, "UI", b"1.2.5\0"))
    data = b"".join([*(write(*one) for one in front), text, patient, *(write(*one) for one in uids)])
    with pytest.raises(DicomError) as caught:
        read(file_of(data, syntax))
    assert caught.value.reason == Reason.INVALID_PATIENT_ID


def in_big_endian(tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
    size = len(value) if length is None else length
    return struct.pack(">HH2s", tag >> 16, tag & 0xFFFF, vr.encode()) + struct.pack(">H", size) + value


def in_implicit_vr(tag: int, _vr: str, value: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


@pytest.mark.parametrize(
    ("write", "syntax"), [(in_big_endian, "1.2.840.10008.1.2.2"), (in_implicit_vr, IMPLICIT)], ids=["big", "implicit"]
)
@pytest.mark.parametrize(
    ("tag", "vr", "value", "length"),
    [
        (0x0008103E, "LO", b"Thorax", 4),
        (0x00081030, "LO", b"Chest X-ray ", 10),
        (0x00080070, "LO", b"A maker of scanners ", 14),
        (0x00080090, "PN", b"Doe^Jane", 6),
    ],
)
def test_a_wrong_length_is_mended_in_the_other_encodings_too(  # noqa: PLR0917  # a table
    write: Callable[..., bytes], syntax: str, tag: int, vr: str, value: bytes, length: int
) -> None:
    elements = [
        (0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.7\0"),
        (0x00080018, "UI", b"1.2.5\0"),
        (tag, vr, value, length),
        (0x00100020, "LO", b"P001"),
        (0x00100040, "CS", b"O "),
        (0x0020000D, "UI", b"1.2.3\0"),
        (0x0020000E, "UI", b"1.2.4\0"),
        (0x00200011, "IS", b"3 "),
    ]
    data = file_of(b"".join(write(*one) for one in elements), syntax)
    reading = read(data)
    through_a_window = read_through(io.BytesIO(data), ReaderSettings(), 64)
    assert (through_a_window.instance, through_a_window.metadata) == (reading.instance, reading.metadata)
    assert (reading.instance.patient_id, reading.instance.series_uid) == ("P001", "1.2.4")
    assert "element-length" in rules(reading)
    assert value.decode().strip() in json.dumps(json.loads(reading.metadata)[f"{tag:08X}"])
