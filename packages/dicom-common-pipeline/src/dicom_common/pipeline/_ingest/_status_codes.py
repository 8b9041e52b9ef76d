"""The status codes of the standard for each outcome of an ingest: one table for STOW-RS and for C-STORE.

The codes are those of PS3.18 Tables I.2-1 and I.2-2 and of PS3.4 Table B.2-1. The "xx" of A9xx and Cxxx is ours: the
last two digits tell our reasons apart. Both paragraphs leave further codes to the implementation. Of these, 0110
(Processing failure) and 0111 (Duplicate SOP Instance) are from PS3.7 C.5, which gives them to other services than
C-STORE; 0122 (SOP Class not supported) and 0124 (Not authorized) are from PS3.7 9.1.1.1.9. One value serves both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dicom_common.dicom import Reason, Rule
from dicom_common.pipeline._ingest._reasons import IngestReason, IngestRule
from dicom_common.pipeline._ingest._results import Result, Status

__all__ = ["DOUBTFUL", "HARMLESS", "STATUSES", "StatusCodes", "status_codes"]

_SUCCESS: Final = 0x0000
_PROCESSING_FAILURE: Final = 0x0110
_DUPLICATE: Final = 0x0111
_CLASS_NOT_SUPPORTED: Final = 0x0122
_NOT_AUTHORIZED: Final = 0x0124
_OUT_OF_RESOURCES: Final = 0xA700
_ELEMENTS_DISCARDED: Final = 0xB006
_DOES_NOT_MATCH: Final = 0xB007
_SYNTAX_NOT_SUPPORTED: Final = 0xC122


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCodes:
    """What a `Result` is in the two services that store."""

    failure_reason: int | None
    """Failure Reason (0008,1197) of STOW-RS (PS3.18 Table I.2-2); None: the instance is acknowledged."""
    warning_reason: int | None
    """Warning Reason (0008,1196) of STOW-RS (PS3.18 Table I.2-1); None: it is refused, or acknowledged without one."""
    c_store: int
    """Status (0000,0900) of the C-STORE response (PS3.4 Table B.2-1)."""


STATUSES: Final[dict[IngestReason | Reason, int]] = {
    IngestReason.SAME_BYTES: _SUCCESS,
    IngestReason.SAME_DATA_SET: _SUCCESS,
    IngestReason.RESTORED: _SUCCESS,
    IngestReason.KEPT_FIRST: _ELEMENTS_DISCARDED,
    IngestReason.DUPLICATE_DIFFERS: _DUPLICATE,
    IngestReason.INDEXED_OBJECT_MISSING: _PROCESSING_FAILURE,
    IngestReason.UID_IN_OTHER_SERIES: 0xA901,
    IngestReason.OTHER_PATIENT: 0xA902,
    IngestReason.OTHER_STUDY: 0xA903,
    IngestReason.OTHER_SOP_CLASS: 0xA900,
    IngestReason.OTHER_SOP_INSTANCE: 0xA904,
    IngestReason.REFUSED: _NOT_AUTHORIZED,
    IngestReason.UNREADABLE: _PROCESSING_FAILURE,
    IngestReason.CHANGED: _PROCESSING_FAILURE,
    IngestReason.READER_FAILED: _PROCESSING_FAILURE,
    IngestReason.READER_DIED: _PROCESSING_FAILURE,
    IngestReason.INTERRUPTED: _OUT_OF_RESOURCES,
    # What succeeds later, or on a larger system, is out of resources: a sender keeps it and tries again.
    IngestReason.OBJECT_TOO_LARGE: _OUT_OF_RESOURCES,
    IngestReason.AUDIT_UNAVAILABLE: _OUT_OF_RESOURCES,
    IngestReason.STORAGE_BUSY: _OUT_OF_RESOURCES,
    IngestReason.STORAGE_UNAVAILABLE: _OUT_OF_RESOURCES,
    IngestReason.STORAGE_REFUSED: _OUT_OF_RESOURCES,
    IngestReason.STORAGE_FAILED: _PROCESSING_FAILURE,
    IngestReason.INDEX_UNAVAILABLE: _OUT_OF_RESOURCES,
    IngestReason.INDEX_REFUSED: _OUT_OF_RESOURCES,
    IngestReason.INDEX_FAILED: _PROCESSING_FAILURE,
    IngestReason.BROKER_UNAVAILABLE: _OUT_OF_RESOURCES,
    IngestReason.BROKER_REFUSED: _OUT_OF_RESOURCES,
    IngestReason.BROKER_FAILED: _PROCESSING_FAILURE,
    # No SOP Instance is without its UIDs (PS3.3 C.12.1, C.7.2.1, C.7.3.1).
    Reason.MISSING_UID: 0xA910,
    Reason.INVALID_UID: 0xA911,
    Reason.INVALID_PATIENT_ID: 0xA912,
    Reason.CONFLICTING_IDENTITY: 0xA913,
    Reason.MEDIA_DIRECTORY: _CLASS_NOT_SUPPORTED,
    Reason.UNKNOWN_TRANSFER_SYNTAX: _SYNTAX_NOT_SUPPORTED,
    Reason.TOO_LARGE: _OUT_OF_RESOURCES,
    Reason.EMPTY: 0xC001,
    Reason.NOT_DICOM: 0xC002,
    Reason.TRUNCATED: 0xC003,
    Reason.MALFORMED: 0xC004,
    Reason.UNDECODABLE: 0xC005,
    Reason.AMBIGUOUS: 0xC006,
    Reason.BAD_DEFLATE: 0xC007,
    Reason.INVALID_JSON: 0xC008,
    # Limits of the reader: the same instance meets them again, so a sender must not try again as with A7xx.
    Reason.TOO_DEEP: 0xC010,
    Reason.TOO_MANY_ELEMENTS: 0xC011,
    Reason.TOO_MANY_ITEMS: 0xC012,
    Reason.TOO_MANY_VALUES: 0xC013,
    Reason.TOO_MUCH_JSON: 0xC014,
    Reason.INFLATES_TOO_MUCH: 0xC015,
    # Not met by an ingest, but by whoever reads or converts pixel data before it stores.
    Reason.NO_PIXEL_DATA: 0xC020,
    Reason.NO_FRAMES: 0xC021,
    Reason.ENCAPSULATED: 0xC022,
}
"""The code of every reason, for both services."""

DOUBTFUL: Final[frozenset[Rule | IngestRule]] = frozenset(
    (
        Rule.BAD_OFFSET_TABLE,
        Rule.CHARACTER_SET,
        Rule.DUPLICATE,
        Rule.FILE_META,
        Rule.FOREIGN_GROUP,
        Rule.FRAME_COUNT,
        Rule.LENGTH,
        Rule.MORE_FINDINGS,
        Rule.NO_PIXEL_DATA,
        Rule.NOT_A_SEQUENCE,
        Rule.NUMBER,
        Rule.PIXEL_DATA_FORM,
        Rule.SHORT_PIXEL_DATA,
        Rule.STRAY_DELIMITER,
        Rule.TRANSFER_SYNTAX,
        Rule.UID,
        Rule.UID_CHARACTERS,
        Rule.UNKNOWN_CHARACTER_SET,
        Rule.UNKNOWN_TRANSFER_SYNTAX,
        Rule.UNREADABLE,
        Rule.VALUE,
        Rule.VALUE_TOO_LONG,
        IngestRule.OTHER_PATIENT,
        IngestRule.OTHER_STUDY,
    )
)
"""Findings that are B007, Data Set does not match SOP Class: an attribute or the pixel data is lost, contradicted, or
read by a guess, so that an answer about the instance may differ from what its sender meant."""

HARMLESS: Final[frozenset[Rule]] = frozenset(
    (
        Rule.BYTE_ORDER,
        Rule.DEFLATE_HEADER,
        Rule.ELEMENT_LENGTH,
        Rule.FOREIGN_FORMAT,
        Rule.FOREIGN_VR,
        Rule.GROUP_LENGTH,
        Rule.MISSING_PAD,
        Rule.NO_FILE_META,
        Rule.NO_ITEM_DELIMITER,
        Rule.NO_OFFSET_TABLE,
        Rule.NO_PREAMBLE,
        Rule.NO_SEQUENCE_DELIMITER,
        Rule.NO_TRANSFER_SYNTAX,
        Rule.NO_VR,
        Rule.NUL,
        Rule.ORDER,
        Rule.PERSON_NAME_GROUPS,
        Rule.PIXEL_DATA_LONGER,
        Rule.REPERTOIRE,
        Rule.SEQUENCE_LENGTH,
        Rule.SEVERAL_VALUES,
        Rule.TRAILING_BYTES,
        Rule.UNKNOWN_EXPLICIT,
        Rule.UNKNOWN_VR,
        Rule.WRONG_VR,
        Rule.ZEROS,
    )
)
"""Findings that are plain success: the data set is written otherwise than PS3.5 or PS3.10 asks for, in a way that has
one reading."""

_DOUBTFUL_CODES: Final = frozenset(str(rule) for rule in DOUBTFUL)
_BY_CODE: Final = {str(reason): status for reason, status in STATUSES.items()}


def status_codes(result: Result) -> StatusCodes:
    """Return the status codes of an answer of an ingest.

    A duplicate with the same bytes, or the same data set, is a success without a warning, whatever its findings are:
    its sender was warned when it came first. A finding is a warning (B007) where it is one of `DOUBTFUL`.
    """
    if result.status is Status.REJECTED:
        code = _BY_CODE.get(result.reason, _PROCESSING_FAILURE)
        return StatusCodes(failure_reason=code, warning_reason=None, c_store=code)
    code = _BY_CODE.get(result.reason, _SUCCESS)
    if result.status is not Status.DUPLICATE and any(one.rule in _DOUBTFUL_CODES for one in result.warnings):
        code = _DOES_NOT_MATCH
    return StatusCodes(failure_reason=None, warning_reason=code or None, c_store=code)
