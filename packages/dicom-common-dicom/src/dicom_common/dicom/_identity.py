"""The identity of an instance: the four UIDs without which it cannot be kept, and what makes them doubtful."""

from __future__ import annotations

from functools import lru_cache

from dicom_common.core import DicomError
from dicom_common.dicom._elements import Elements, Value, pairs
from dicom_common.dicom._fields import TEXT_VRS
from dicom_common.dicom._heads import Head, Kind
from dicom_common.dicom._json import DataSetContext
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._rules import Rule
from dicom_common.dicom._settings import ReaderSettings
from dicom_common.dicom._uid import is_valid_uid

__all__ = ["IDENTITY", "identity", "refuse_stray_identity", "refuse_two_identities"]

_UIDS = {
    0x00080016: ("sop_class_uid", "SOP Class UID (0008,0016)"),
    0x00080018: ("sop_uid", "SOP Instance UID (0008,0018)"),
    0x0020000D: ("study_uid", "Study Instance UID (0020,000D)"),
    0x0020000E: ("series_uid", "Series Instance UID (0020,000E)"),
}
_PATIENT_ID = 0x00100020
_LONGEST_UID = 66
"""Bytes of a UID with its padding; a longer value is not remembered."""
IDENTITY = {tag: name for tag, (_, name) in _UIDS.items()} | {
    _PATIENT_ID: "Patient ID (0010,0020)",
    0x00100021: "Issuer of Patient ID (0010,0021)",
}


def identity(elements: Elements, settings: ReaderSettings, context: DataSetContext) -> dict[str, str]:
    """Give the four UIDs without which an instance cannot be kept, by the fields of the record.

    Raises:
        DicomError: one is missing, is of another VR than UI, or is no UID; or Patient ID, or its issuer, has a value
            that is no text, and without it the instance could be taken for another patient's. The message has its
            name, not its value.
    """
    uids: dict[str, str] = {}
    has_patient_id = False
    for head, value in pairs(elements):
        if head.tag not in IDENTITY:
            continue
        if head.tag not in _UIDS:
            has_patient_id |= head.tag == _PATIENT_ID
            _require_text(head, value)
            continue
        field, name = _UIDS[head.tag]
        if head.vr != "UI" or type(value) is not bytes:
            raise DicomError(Reason.INVALID_UID, f"The {name} has another VR than UI; ask the sender to correct it.")
        uid = (_strict_uid if len(value) <= _LONGEST_UID else _strict_uid.__wrapped__)(value)
        if not uid:
            uid = _bare(value).decode("latin-1")
            if not uid:
                break
            if settings.uids == "strict" or not is_valid_uid(uid, strict=False):
                raise DicomError(Reason.INVALID_UID, f"The {name} is not a UID; ask the sender to correct it.")
            context.note(Rule.UID, "kept as it is", head.tag)
        uids[field] = uid
        if len(uids) == len(_UIDS):
            if not has_patient_id:
                _refuse_swallowed_patient_id(elements)
            return uids
    missing = next(name for field, name in _UIDS.values() if field not in uids)
    raise DicomError(Reason.MISSING_UID, f"The {missing} is missing; ask the sender to add it.")


def _require_text(head: Head, value: Value) -> None:
    if value and head.vr not in TEXT_VRS:
        raise DicomError(
            Reason.INVALID_PATIENT_ID,
            f"The {IDENTITY[head.tag]} has another VR than LO, so it is not known whose instance this is; "
            "ask the sender to correct it.",
        )


def _refuse_swallowed_patient_id(elements: Elements) -> None:
    """Refuse a text that has the Patient ID in it: its length is wrong, and happens to end where an element begins."""
    for head, value in pairs(elements):
        if head.vr in TEXT_VRS and type(value) is bytes and (b"\x10\0\x20\0" in value or b"\0\x10\0\x20" in value):
            raise DicomError(
                Reason.INVALID_PATIENT_ID,
                f"The {IDENTITY[_PATIENT_ID]} is within the value of another element, whose length is wrong; "
                "ask the sender for a new copy.",
            )


@lru_cache(maxsize=1024)  # the instances of a series come together, and share three of them
def _strict_uid(value: bytes) -> str:
    """Give the UID that a value is by the standard; empty if it is not one."""
    uid = _bare(value).decode("latin-1")
    return uid if is_valid_uid(uid, strict=True) else ""


def refuse_two_identities(elements: Elements) -> None:
    """Refuse a top level, its elements as they came, that may be of two instances: no choice between them is safe.

    Raises:
        DicomError: one of the four UIDs, Patient ID or its issuer has two values, or stands behind Pixel Data, where
            PS3.5 7.1 lets none of them be.
    """
    found: dict[int, object] = {}
    behind = False
    for head, value in pairs(elements):
        if head.kind is Kind.PIXEL_DATA:
            behind = True
        if head.tag not in IDENTITY:
            continue
        bare = _bare(value)
        if behind or found.setdefault(head.tag, bare) != bare:
            where = "is behind the pixel data" if behind else "occurs twice, with different values"
            raise DicomError(
                Reason.CONFLICTING_IDENTITY,
                f"The {IDENTITY[head.tag]} {where}: these may be parts of two instances; "
                "ask the sender for a new copy.",
            )


def refuse_stray_identity(elements: Elements, strays: list[int]) -> None:
    """Refuse a top level whose identity may have come out of a sequence that lost its own tag and its item's.

    Such a sequence leaves a delimiter that ends nothing, and a break: its elements, or those behind them, do not
    ascend. Elements from the last break before such a delimiter up to it may have been the sequence's; without a break
    they follow one another as elements of one data set do, and are taken as such.

    Args:
        elements: of the top level, as they came.
        strays: behind how many elements each stray delimiter came, in ascending order.

    Raises:
        DicomError: one of the four UIDs, Patient ID or its issuer occurs in such a stretch only; reason `ambiguous`.
    """
    tags = [head.tag for head in elements[::2]]
    doubtful: set[int] = set()
    sure: set[int] = set()
    at = begin = 0
    for stray in strays:
        before = at
        for place in range(max(at, 1), stray):
            if tags[place] < tags[place - 1]:
                begin = place
        broken = begin > 0 or (0 < stray < len(tags) and tags[stray] <= tags[stray - 1])
        # What is before the break was there before the sequence began.
        start = max(begin, before) if broken else stray
        sure.update(tags[before:start])
        doubtful.update(tags[start:stray])
        at = stray
    sure.update(tags[at:])
    for tag in sorted(IDENTITY.keys() & (doubtful - sure)):
        raise DicomError(
            Reason.AMBIGUOUS,
            f"The {IDENTITY[tag]} stands before a delimiter that ends nothing, so it may be that of a sequence whose "
            "beginning is lost; ask the sender for a new copy.",
        )


def _bare(value: Value) -> bytes:
    """Give a value without its padding; of one that cannot be compared, something that is equal to nothing else."""
    return value.rstrip(b"\0 ").lstrip(b" ") if type(value) is bytes else repr(value).encode()
