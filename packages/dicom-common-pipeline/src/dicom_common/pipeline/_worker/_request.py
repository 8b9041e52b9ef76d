"""A message that asks a worker to index an object, and whether the object in the storage is the one that it names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dicom_common.core import (
    ConfigError,
    LocalFiles,
    Message,
    Origin,
    Storage,
    UnavailableError,
    validate_key,
    validate_tenant,
)
from dicom_common.dicom import ReaderSettings, Reading, read, read_header
from dicom_common.pipeline._events._messages import series_key, time_from
from dicom_common.pipeline._events._publish_dead import DeadReason
from dicom_common.pipeline._events._topics import SCHEMA_VERSION, received_from
from dicom_common.pipeline._ingest._candidate import Candidate
from dicom_common.pipeline._ingest._results import Received
from dicom_common.pipeline._kept_frames import frames_to_keep
from dicom_common.pipeline._read import has_digest, open_stored

__all__ = ["IndexRequest", "PoisonError", "open_object", "request_of"]


class PoisonError(Exception):
    """A message that no worker can index, however often it comes."""

    def __init__(self, reason: DeadReason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """A message of the storage topic. Nothing of it is believed before it was compared with the object."""

    tenant: str
    key: str
    size: int
    sha256: str
    uids: tuple[str, str, str]
    """Study, Series and SOP Instance UID."""
    received: datetime
    origin: Origin
    trace_id: str
    """By which the log knows the object: its record is the same, however often the message comes."""


def request_of(message: Message) -> IndexRequest:
    """Read a message.

    Raises:
        PoisonError: it is not a message of ours, or contradicts itself.
    """
    if message.headers.get("schema-version") != SCHEMA_VERSION:
        raise PoisonError(DeadReason.UNKNOWN_SCHEMA_VERSION)
    try:
        body = received_from(message.body)
        algorithm, _, sha256 = message.headers["content-digest"].partition(":")
        request = IndexRequest(
            tenant=validate_tenant(body.tenant_id),
            key=validate_key(body.file_path),
            size=body.file_size,
            sha256=sha256,
            uids=(body.study_uid, body.series_uid, body.sop_uid),
            received=time_from(body.created_time),
            origin=Origin(source="queue", ip=body.source_ip, ae_title=body.source_ae),
            trace_id=body.trace_id,
        )
    except (ValueError, KeyError, ConfigError):
        raise PoisonError(DeadReason.UNREADABLE_MESSAGE) from None
    tenant, key = request.tenant, series_key(request.tenant, body.study_uid, body.series_uid)
    found = (message.headers.get("tenant"), request.key.partition("/")[0], message.key, algorithm)
    if found != (tenant, tenant, key, "sha256"):
        raise PoisonError(DeadReason.CONTRADICTORY_MESSAGE)
    return request


def open_object(request: IndexRequest, storage: Storage, settings: ReaderSettings, first: int) -> Candidate:
    """Read the header of the object and compare the object with the request.

    The digest is the one that the storage keeps with the object. Where it keeps none, the object is read whole.

    Raises:
        PoisonError: the object is not what the message says.
        DicomError: it is not an instance.
        BackendError: the storage; `NotFoundError`: the object is not there.
    """
    reading, source = _read(request, storage, settings, first)
    instance = reading.instance
    if (instance.size, instance.sha256) != (request.size, request.sha256):
        raise PoisonError(DeadReason.DIGEST_DIFFERS)
    if (instance.study_uid, instance.series_uid, instance.sop_uid) != request.uids:
        raise PoisonError(DeadReason.IDENTITY_DIFFERS)
    stream = open_stored(storage, request.key, request.size)
    received = Received(source=stream, name=request.key, origin=request.origin)
    return Candidate(received, instance, reading.metadata, None, frames=frames_to_keep(instance, source))


def _read(
    request: IndexRequest, storage: Storage, settings: ReaderSettings, first: int
) -> tuple[Reading, bytes | Path | None]:
    """Return what was read, and the object where it is at hand."""
    if isinstance(storage, LocalFiles):
        try:
            return read(path := storage.local_path(request.key), settings=settings), path
        except OSError as error:
            raise UnavailableError(f"The object {request.key} cannot be read ({type(error).__name__}).") from error
    if request.size <= first:
        data = b"".join(storage.read(request.key, length=first + 1))
        return read(data, settings=settings), data
    info = storage.stat(request.key)
    if info.size != request.size or not has_digest(storage, info, request.sha256):
        raise PoisonError(DeadReason.DIGEST_DIFFERS)

    def read_range(offset: int, length: int) -> bytes:
        return b"".join(storage.read(request.key, start=offset, length=length))

    return read_header(read_range, size=request.size, sha256=request.sha256, first=first, settings=settings), None
