"""Identity that is there twice, in a wrong place or under a wrong VR is refused, and never guessed."""

from __future__ import annotations

import pytest
from made_elements import (
    BACK,
    CLASS,
    CODE,
    FRONT,
    ITEM_END,
    PATIENT,
    PIXELS,
    ROWS,
    SEQUENCE_END,
    UNDEFINED,
    element,
    file_of,
    item,
    reason_of,
    rules,
    uid,
)

from dicom_common.dicom import Reason, read


@pytest.mark.parametrize(
    "data_set",
    [
        FRONT + PATIENT + BACK + PIXELS + FRONT,
        FRONT + PATIENT + uid(0x00080018, b"1.2.6") + BACK,
        FRONT + PATIENT + element(0x00100020, "LO", b"P002") + BACK,
        FRONT + element(0x00100020, "LO", b"") + PATIENT + BACK,
        FRONT + PATIENT + PIXELS + BACK,
        FRONT + BACK + PIXELS + PATIENT,
    ],
)
def test_a_second_identity_or_one_behind_the_pixel_data_is_refused(data_set: bytes) -> None:
    assert reason_of(file_of(data_set)) == Reason.CONFLICTING_IDENTITY


def test_the_same_value_with_other_padding_is_no_second_identity() -> None:
    reading = read(file_of(FRONT + element(0x00080018, "UI", b"1.2.5 ") + PATIENT * 2 + BACK))
    assert (reading.instance.sop_uid, reading.instance.patient_id) == ("1.2.5", "P001")
    assert "duplicate" in rules(reading)


@pytest.mark.parametrize("vr", ["LO", "CS", "OB", "ST"])
def test_a_uid_under_another_vr_is_refused(vr: str) -> None:
    front = uid(0x00080016, b"1.2.840.10008.5.1.4.1.1.7") + element(0x00080018, vr, b"1.2.56")
    assert reason_of(file_of(front + BACK)) == Reason.INVALID_UID


@pytest.mark.parametrize("tag", [0x00100020, 0x00100021])
@pytest.mark.parametrize(("vr", "value"), [("OB", b"P001"), ("US", b"P001"), ("SQ", item(CODE)), ("FD", b"P0010000")])
def test_a_patient_id_or_issuer_that_is_no_text_is_refused(tag: int, vr: str, value: bytes) -> None:
    assert reason_of(file_of(FRONT + element(tag, vr, value) + BACK)) == Reason.INVALID_PATIENT_ID


@pytest.mark.parametrize(("vr", "value"), [("SH", b"P001"), ("UN", b"P001"), ("ST", b"P001")])
def test_a_patient_id_under_another_vr_for_text_is_read(vr: str, value: bytes) -> None:
    assert read(file_of(FRONT + element(0x00100020, vr, value) + BACK)).instance.patient_id == "P001"


@pytest.mark.parametrize("vr", ["SQ", "OB"])
def test_an_empty_patient_id_is_empty_under_every_vr(vr: str) -> None:
    assert read(file_of(FRONT + element(0x00100020, vr, b"") + BACK)).instance.patient_id == ""


def test_a_uid_under_vr_un_is_read() -> None:
    front = uid(0x00080016, b"1.2.840.10008.5.1.4.1.1.7") + uid(0x00080018, b"1.2.5", "UN")
    assert read(file_of(front + BACK)).instance.sop_uid == "1.2.5"


def test_the_issuer_of_a_patient_id_is_of_the_identity() -> None:
    issuer = element(0x00100021, "LO", b"SITE A")
    other = element(0x00100021, "LO", b"SITE B")
    assert read(file_of(FRONT + PATIENT + issuer + issuer + BACK)).instance.issuer_of_patient_id == "SITE A"
    for data_set in (FRONT + PATIENT + issuer + other + BACK, FRONT + PATIENT + BACK + PIXELS + issuer):
        assert reason_of(file_of(data_set)) == Reason.CONFLICTING_IDENTITY


OTHER = uid(0x0020000D, b"1.9.9") + element(0x00100020, "LO", b"OTHER ")


@pytest.mark.parametrize(
    "stray",
    [item(OTHER), item(OTHER + ITEM_END, UNDEFINED), item(OTHER) * 2 + SEQUENCE_END, item(item(OTHER) + OTHER)],
)
def test_what_a_stray_item_holds_is_not_of_the_top_level(stray: bytes) -> None:
    reading = read(file_of(FRONT + stray + PATIENT + BACK))
    assert (reading.instance.study_uid, reading.instance.patient_id) == ("1.2.3", "P001")
    assert "stray-delimiter" in rules(reading)
    assert reason_of(file_of(FRONT + stray + element(0x00200010, "SH", b"1 "))) == Reason.MISSING_UID


LOST = (
    FRONT + ROWS + element(0x00080100, "SH", b"C1") + PATIENT + ITEM_END + SEQUENCE_END + BACK,
    FRONT + BACK + ROWS + PATIENT + SEQUENCE_END + PIXELS,
    CLASS + PATIENT + uid(0x00080018, b"1.2.99") + ITEM_END + SEQUENCE_END + BACK,
    # The break may be behind the delimiter: these ascend up to it.
    FRONT + PATIENT + element(0x00400275, "LO", b"A1") + ITEM_END + SEQUENCE_END + BACK + ROWS,
    CLASS + BACK + ITEM_END + uid(0x00080018, b"1.2.5") + PATIENT,
)


@pytest.mark.parametrize("data_set", LOST)
def test_identity_from_a_sequence_that_lost_its_beginning_is_refused(data_set: bytes) -> None:
    assert reason_of(file_of(data_set)) == Reason.AMBIGUOUS


HARMLESS = (
    FRONT + PATIENT + BACK + ROWS + SEQUENCE_END,
    FRONT + PATIENT + BACK + ITEM_END + SEQUENCE_END + ROWS,
    FRONT + PATIENT + BACK + ROWS + CODE + ITEM_END + SEQUENCE_END + element(0x00280011, "US", b"\2\0"),
    FRONT + SEQUENCE_END + PATIENT + ITEM_END + BACK,
    FRONT + PATIENT + BACK + ROWS + CODE + PATIENT + ITEM_END + PIXELS,
)


@pytest.mark.parametrize("data_set", HARMLESS)
def test_a_stray_delimiter_that_puts_no_identity_in_doubt_is_a_finding(data_set: bytes) -> None:
    reading = read(file_of(data_set))
    assert (reading.instance.sop_uid, reading.instance.patient_id) == ("1.2.5", "P001")
    assert "stray-delimiter" in rules(reading)
