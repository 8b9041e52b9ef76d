"""What goes into an ingest and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from dicom_common.core import Finding, Origin

__all__ = ["Received", "Result", "Status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One thing that arrived and may be a DICOM instance."""

    source: Path | bytes | BinaryIO
    """A file's path, the bytes themselves, or a binary file, read from where it stands. One that cannot seek (a pipe,
    the body of a request) is read once: above `in_memory_bytes` it goes into the storage while its header is read."""
    name: str
    """What the sender calls it, for messages: a path, or where it stood in a request."""
    origin: Origin = field(default_factory=Origin)
    sop_class_uid: str = ""
    """Of what class the request that it came with says it is: another one is refused. Empty: it does not say."""
    sop_uid: str = ""
    """Which SOP instance the request says it is, likewise."""


class Status(StrEnum):
    """The outcome. All but `REJECTED` are an acknowledgement: the instance is durable, and unless `QUEUED` indexed."""

    STORED = "stored"
    QUEUED = "queued"
    """Durable in the storage, and the broker has the message by which a worker indexes it: only in queued mode."""
    DUPLICATE = "duplicate"
    REPLACED = "replaced"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The answer to one thing that was received."""

    name: str
    status: Status
    reason: str = ""
    """Why it was rejected, or how it is a duplicate: an `IngestReason`, or a `Reason` of the reader; else empty."""
    message: str = ""
    """The same as one sentence for a person."""
    retry: bool = False
    """Nothing is wrong with the instance: sending it again later may succeed."""
    study_uid: str | None = None
    series_uid: str | None = None
    sop_uid: str | None = None
    sop_class_uid: str | None = None
    """It and the three UIDs are known wherever the header could be read, also of what is refused then. Of what cannot
    be read, it and the SOP Instance UID are those that the beginning of the data set has, where that is undamaged."""
    key: str | None = None
    """Where the index has it in the storage."""
    warnings: tuple[Finding, ...] = ()
