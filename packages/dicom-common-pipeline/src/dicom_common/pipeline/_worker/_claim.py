"""What a message of the storage topic claims, and whether the object in the storage bears it out."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from dicom_common.core import (
    ConfigError,
    Delivery,
    LocalFiles,
    Origin,
    Storage,
    UnavailableError,
    validate_key,
    validate_tenant,
)
from dicom_common.dicom import ReaderSettings, Reading, read, read_header
from dicom_common.pipeline._events._messages import SCHEMA_VERSION
from dicom_common.pipeline._ingest._candidate import Candidate
from dicom_common.pipeline._ingest._results import Received
from dicom_common.pipeline._read import digest_of
from dicom_common.toolkit import parse_json

__all__ = ["Claim", "PoisonError", "claim_of", "open_claim"]


class PoisonError(Exception):
    """A message that cannot be dealt with, however often it comes; `reason` is a stable code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Claim:
    """A message, taken apart. Nothing of it is believed before it was compared with the object."""

    delivery: Delivery
    tenant: str
    key: str
    size: int
    sha256: str
    uids: tuple[str, str, str]
    received: datetime
    origin: Origin
    trace_id: str
    """By which the log knows the object: its record is the same, however often the message comes."""


def claim_of(delivery: Delivery) -> Claim:
    """Take a message apart.

    Raises:
        PoisonError: it is none of ours, or contradicts itself.
    """
    message = delivery.message
    if message.headers.get("schema-version") != SCHEMA_VERSION:
        raise PoisonError("unknown-schema-version")
    try:
        body = parse_json(message.body)
        tenant, key = validate_tenant(body["tenant_id"]), validate_key(body["file_path"])
        uids = tuple(_text(body[name]) for name in ("study_uid", "series_uid", "sop_uid"))
        algorithm, _, sha256 = message.headers["content-digest"].partition(":")
        claim = Claim(
            delivery,
            tenant,
            key,
            _size(body["file_size"]),
            sha256,
            (uids[0], uids[1], uids[2]),
            datetime.fromisoformat(body["created_time"]).replace(tzinfo=UTC),
            Origin(source="queue", ip=_maybe_text(body["source_ip"]), ae_title=_maybe_text(body["source_ae"])),
            str(UUID(body["trace_id"])),
        )
    except (ValueError, KeyError, TypeError, AttributeError, ConfigError):
        raise PoisonError("unreadable-message") from None
    said = (message.headers.get("tenant"), key.partition("/")[0], message.key, algorithm)
    if said != (tenant, tenant, f"{tenant}|{uids[0]}|{uids[1]}", "sha256"):
        raise PoisonError("contradictory-message")
    return claim


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _maybe_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _size(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise TypeError
    return value


def open_claim(claim: Claim, storage: Storage, settings: ReaderSettings, first: int) -> Candidate:
    """Read the header of the object and compare the object with the claim.

    The digest is the one that the storage keeps with the object. Where it keeps none the object is read whole.

    Raises:
        PoisonError: the object is not what the message says.
        DicomError: it is no instance.
        BackendError: the storage; `NotFoundError`: the object is not there.
    """
    instance = (reading := _reading(claim, storage, settings, first)).instance
    if (instance.size, instance.sha256) != (claim.size, claim.sha256):
        raise PoisonError("digest-differs")
    if (instance.study_uid, instance.series_uid, instance.sop_uid) != claim.uids:
        raise PoisonError("identity-differs")
    stream = io.BufferedReader(_ObjectStream(storage, claim.key, claim.size), 1 << 20)
    received = Received(source=stream, name=claim.key, origin=claim.origin)
    return Candidate(received, instance, reading.metadata, None)


def _reading(claim: Claim, storage: Storage, settings: ReaderSettings, first: int) -> Reading:
    if isinstance(storage, LocalFiles):
        try:
            return read(storage.local_path(claim.key), settings=settings)
        except OSError as error:
            raise UnavailableError(f"The object {claim.key} cannot be read ({type(error).__name__}).") from error
    if claim.size <= first:
        return read(b"".join(storage.read(claim.key, length=first + 1)), settings=settings)
    info = storage.stat(claim.key)
    if info.size != claim.size or (info.sha256 or digest_of(storage, claim.key)) != claim.sha256:
        raise PoisonError("digest-differs")

    def read_range(offset: int, length: int) -> bytes:
        return b"".join(storage.read(claim.key, start=offset, length=length))

    return read_header(read_range, size=claim.size, sha256=claim.sha256, first=first, settings=settings)


class _ObjectStream(io.RawIOBase):
    """An object as a file that can seek: for the few that have to be compared or written again."""

    def __init__(self, storage: Storage, key: str, size: int) -> None:
        self._storage, self._key, self._size, self._position = storage, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed names a private buffer type
        wanted = min(len(buffer), max(0, self._size - self._position))
        data = b"".join(self._storage.read(self._key, start=self._position, length=wanted)) if wanted else b""
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
