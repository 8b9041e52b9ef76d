"""conformance.md 7.8: the ranges of a status, for each of the 65,536."""

from __future__ import annotations

from pynetdicom.status import code_to_category

from dicom_common.dimse import StatusCategory, category_of

_RANGES = {
    StatusCategory.SUCCESS: {0x0000},
    StatusCategory.PENDING: {0xFF00, 0xFF01},
    StatusCategory.CANCEL: {0xFE00},
    StatusCategory.WARNING: {*range(0xB000, 0xC000), 0x0001, 0x0107, 0x0116},
}


def test_7_8_every_status_has_its_category() -> None:
    for status in range(0x10000):
        expected = next((category for category, codes in _RANGES.items() if status in codes), StatusCategory.FAILURE)
        assert category_of(status) is expected, f"{status:04X}"


def test_7_8_pynetdicom_says_the_same_of_what_it_knows() -> None:
    for status in range(0x10000):
        theirs = code_to_category(status).lower()
        if theirs != "unknown":
            assert category_of(status) == theirs, f"{status:04X}"
