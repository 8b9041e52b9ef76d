"""What a report says: which instances are safe, and why others are not (PS3.4 J.3.3, PS3.3 C.14.1.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from dicom_common.core import DamagedError, NotFoundError, Storage, Stored
from dicom_common.dimse._commitment._request import Reference
from dicom_common.dimse._identifiers import Encoding, TextEncoder, Written, write_identifier
from dicom_common.host import Services
from dicom_common.pipeline import read_verified

__all__ = ["Report", "verify"]

_PROCESSING_FAILURE: Final = 0x0110
_NO_SUCH_INSTANCE: Final = 0x0112
_CONFLICT: Final = 0x0119
_TRANSACTION, _RETRIEVE_AE = 0x00081195, 0x00080054
_COMMITTED, _FAILED = 0x00081199, 0x00081198
_SOP_CLASS, _SOP_INSTANCE, _REASON = 0x00081150, 0x00081155, 0x00081197
_ALL_SAFE, _SOME_FAILED = 1, 2
_AT_ONCE: Final = 500
_ASCII = TextEncoder(())


class Report(NamedTuple):
    """What became of the instances of a commitment."""

    transaction_uid: str
    safe: list[Reference]
    failed: list[tuple[Reference, int]]
    """Each with its Failure Reason (0008,1197)."""

    @property
    def event_type(self) -> int:
        """Event Type ID: 1, all are safe; 2, some are not."""
        return _SOME_FAILED if self.failed else _ALL_SAFE

    def data_set(self, encoding: Encoding, retrieve_ae: str) -> bytes:
        """Write the data set of the N-EVENT-REPORT."""
        elements = [Written(_TRANSACTION, "UI", self.transaction_uid), Written(_RETRIEVE_AE, "AE", retrieve_ae)]
        if self.safe:
            elements.append(Written(_COMMITTED, "SQ", tuple(_item(one) for one in self.safe)))
        if self.failed:
            items = (
                (*_item(one), Written(_REASON, "US", reason.to_bytes(2, encoding.byte_order)))
                for one, reason in self.failed
            )
            elements.append(Written(_FAILED, "SQ", tuple(items)))
        return write_identifier(elements, encoding, _ASCII, declare=False)


def _item(one: Reference) -> tuple[Written, ...]:
    return Written(_SOP_CLASS, "UI", one.sop_class_uid), Written(_SOP_INSTANCE, "UI", one.sop_uid)


def verify(services: Services, tenant: str, transaction_uid: str, references: Iterable[Reference]) -> Report:
    """Find out which instances are safe: indexed, and stored with the very bytes that were indexed.

    Raises:
        BackendError: the index or the storage failed: nothing can be said now.
    """
    report = Report(transaction_uid, [], [])
    waiting = list(references)
    for start in range(0, len(waiting), _AT_ONCE):
        part = waiting[start : start + _AT_ONCE]
        stored = services.db.stored(tenant, [one.sop_uid for one in part])
        for one in part:
            reason = _reason(services.storage, one, stored.get(one.sop_uid))
            if reason is None:
                report.safe.append(one)
            else:
                report.failed.append((one, reason))
    return report


def _reason(storage: Storage, asked: Reference, stored: Stored | None) -> int | None:
    """Return why an instance is not safe; None: it is."""
    if stored is None:
        return _NO_SUCH_INSTANCE
    if stored.sop_class_uid != asked.sop_class_uid:
        return _CONFLICT
    try:
        for _ in read_verified(storage, stored):
            pass
    except (NotFoundError, DamagedError):
        return _PROCESSING_FAILURE
    return None
