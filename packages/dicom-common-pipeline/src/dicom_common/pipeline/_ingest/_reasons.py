"""Why an instance was not simply stored: stable codes, which programs may compare."""

from __future__ import annotations

from enum import Enum, StrEnum

from dicom_common.core import BackendError, DamagedError, RefusedError, TooLargeError, UnavailableError

__all__ = ["MAY_SUCCEED_LATER", "BackendKind", "IngestReason", "IngestRule", "failure_reason", "may_succeed_later"]


class IngestReason(StrEnum):
    """The reason of a `Result`. A file that is not an instance has a `dicom_common.dicom.Reason` instead."""

    SAME_BYTES = "same-bytes"
    """The index has the same bytes."""
    SAME_DATA_SET = "same-data-set"
    """The index has the same data set behind another preamble or File Meta Information."""
    RESTORED = "restored"
    """The index had the same bytes, the storage had lost them, and has them again."""
    KEPT_FIRST = "kept-first"
    """The index has other bytes, which are kept: `ingest.duplicates` is `keep`."""
    DUPLICATE_DIFFERS = "duplicate-differs"
    INDEXED_OBJECT_MISSING = "indexed-object-missing"
    UID_IN_OTHER_SERIES = "uid-in-other-series"
    OTHER_PATIENT = "other-patient"
    OTHER_STUDY = "other-study"
    """It is of another study than the one that it was sent to."""
    OTHER_SOP_CLASS = "other-sop-class"
    """Its data set is of another SOP class than the request that it came with."""
    OTHER_SOP_INSTANCE = "other-sop-instance"
    """Its data set is another SOP instance than the request that it came with says."""
    REFUSED = "refused"
    """An extension refused it, failed, or did not answer."""
    AUDIT_UNAVAILABLE = "audit-unavailable"
    UNREADABLE = "unreadable"
    OBJECT_TOO_LARGE = "object-too-large"
    CHANGED = "changed"
    """The source changed between two reads."""
    READER_FAILED = "reader-failed"
    READER_DIED = "reader-died"
    INTERRUPTED = "interrupted"
    """The thread that was storing it together with others was interrupted."""
    STORAGE_BUSY = "storage-busy"
    STORAGE_UNAVAILABLE = "storage-unavailable"
    STORAGE_REFUSED = "storage-refused"
    STORAGE_FAILED = "storage-failed"
    INDEX_UNAVAILABLE = "index-unavailable"
    INDEX_REFUSED = "index-refused"
    INDEX_FAILED = "index-failed"
    BROKER_UNAVAILABLE = "broker-unavailable"
    BROKER_REFUSED = "broker-refused"
    BROKER_FAILED = "broker-failed"


class IngestRule(StrEnum):
    """The `rule` of a `Finding` of the index. A code never changes its meaning."""

    OTHER_PATIENT = "study-of-other-patient"
    """The study is indexed under another patient, and stays there."""
    OTHER_STUDY = "series-in-other-study"
    """The Series Instance UID is indexed in another study, too."""


class BackendKind(Enum):
    """A kind of backend, with the reasons for which it fails: unavailable, refused, anything else."""

    STORAGE = (IngestReason.STORAGE_UNAVAILABLE, IngestReason.STORAGE_REFUSED, IngestReason.STORAGE_FAILED)
    INDEX = (IngestReason.INDEX_UNAVAILABLE, IngestReason.INDEX_REFUSED, IngestReason.INDEX_FAILED)
    BROKER = (IngestReason.BROKER_UNAVAILABLE, IngestReason.BROKER_REFUSED, IngestReason.BROKER_FAILED)


MAY_SUCCEED_LATER = (UnavailableError, RefusedError, DamagedError)
"""Errors of a backend that say nothing about the instance: sending it again later may succeed."""


def may_succeed_later(error: BackendError) -> bool:
    """Tell whether an error says nothing about the instance; a message that is too large stays too large."""
    return isinstance(error, MAY_SUCCEED_LATER) and not isinstance(error, TooLargeError)


def failure_reason(kind: BackendKind, error: BackendError) -> IngestReason:
    """Return the reason for what a backend raised."""
    unavailable, refused, failed = kind.value
    if isinstance(error, UnavailableError):
        return unavailable
    return refused if isinstance(error, RefusedError) else failed
