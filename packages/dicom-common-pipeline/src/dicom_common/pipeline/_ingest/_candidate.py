"""From something received to a candidate: read, identified, ready to be written as often as needed."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from dicom_common.core import BackendError, DicomError, Instance, Source, Storage, Stored
from dicom_common.dicom import NamedInstance, ReaderSettings, Reason, named_instance, read
from dicom_common.pipeline._ingest._bounded import Bounded, open_regular, require_size
from dicom_common.pipeline._ingest._reasons import BackendKind, IngestReason, failure_reason, may_succeed_later
from dicom_common.pipeline._ingest._results import Received, Result, Status
from dicom_common.pipeline._ingest._upload import Streamed, arrive
from dicom_common.pipeline._settings import IngestSettings

__all__ = ["Candidate", "SourceLostError", "prepare", "rejection", "same_data_set"]

_CHUNK = 1024 * 1024
_BEGINNING = 64 * 1024
"""Bytes that name what is refused."""
_OF_NO_ONE = frozenset((Reason.AMBIGUOUS, Reason.CONFLICTING_IDENTITY, Reason.MEDIA_DIRECTORY))
"""Reasons for which it is not believed what it says it is."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A readable instance and the way to its bytes."""

    received: Received
    instance: Instance
    metadata: bytes
    held: bytes | None
    """The bytes, where they are held in memory."""
    start: int = 0
    """Where in a stream the instance begins."""
    streamed: Streamed | None = None
    """The bytes, where they came by a stream that cannot be read again."""
    frames: bytes | None = None
    """Where its frames lie, if that had to be found while its file was open; see `kept_frames`."""

    def kept_frames(self) -> bytes:
        """Return what the index is to keep of its frames: found here, for what is indexed, and not for duplicates."""
        from dicom_common.pipeline._kept_frames import frames_to_keep  # noqa: PLC0415 - a duplicate has no use for it

        return frames_to_keep(self.instance, self.held) if self.frames is None else self.frames

    @contextmanager
    def source(self) -> Iterator[Source]:
        """Give the bytes as a storage takes them: held, or as an open file at its beginning.

        Raises:
            SourceLostError: they cannot be read again.
        """
        origin = self.received.source
        if self.held is not None:
            yield self.held
        elif self.streamed is not None:
            kept = self.streamed.open(self.instance.size)
            if kept is None:
                raise SourceLostError("It came as a stream and is in no object yet: send it again.")
            with kept:
                yield kept
        elif isinstance(origin, Path):
            with lost_where_unreadable():
                stream = open_regular(origin)
            with stream:
                yield stream
        elif not isinstance(origin, bytes):
            with lost_where_unreadable():
                origin.seek(self.start)
            yield origin

    def release(self) -> None:
        """Drop bytes that came by a stream and became no object."""
        if self.streamed is not None:
            self.streamed.release()


class SourceLostError(BackendError):
    """The bytes could be read before and cannot be read again; no backend is to blame."""


@contextmanager
def lost_where_unreadable() -> Iterator[None]:
    """Turn what a file raises into `SourceLostError`."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a binary file that was closed
        raise SourceLostError(f"It cannot be read again ({type(error).__name__}): send it again.") from error


def prepare(
    received: Received, settings: IngestSettings, reader: ReaderSettings, storage: Storage
) -> Candidate | Result:
    """Read the header of what was received; where it cannot be taken, return the rejection.

    A stream that cannot be read again goes to the storage meanwhile.
    """
    beginning: list[bytes] = []
    try:
        return _prepare(received, settings, reader, storage, beginning)
    except BackendError as error:
        reason = failure_reason(BackendKind.STORAGE, error)
        return rejection(received, reason, str(error), retry=may_succeed_later(error))
    except DicomError as error:
        named = None if error.reason in _OF_NO_ONE else named_instance(b"".join(beginning)[:_BEGINNING])
        return rejection(received, error.reason, str(error), named=named)
    except OSError as error:
        what = error.strerror or type(error).__name__
        return rejection(received, IngestReason.UNREADABLE, f"It cannot be read: {what}.")
    except Exception as error:  # noqa: BLE001 - what the reader did not foresee must not harm the batch
        # Only its type is shown: the message of such an error may quote the data set.
        message = f"Reading it failed with {type(error).__name__}: please report it."
        return rejection(received, IngestReason.READER_FAILED, message)


def _prepare(
    received: Received, settings: IngestSettings, reader: ReaderSettings, storage: Storage, beginning: list[bytes]
) -> Candidate:
    source, most = received.source, settings.max_object_bytes
    held, start, streamed, frames = None, 0, None, None
    if isinstance(source, Path):
        with open_regular(source) as stream:
            size = os.fstat(stream.fileno()).st_size
            require_size(size, most)
            if size <= settings.in_memory_bytes:
                held = stream.read(size + 1)  # memory for more costs as much as all else of the reading
                if len(held) > size:  # it has grown meanwhile
                    held = None
                    stream.seek(0)
            if held is None:
                reading = read(cast("BinaryIO", Bounded(stream, most, beginning)), settings=reader)
                frames = _frames_of_file(reading.instance, stream)
            else:
                beginning.append(held)
                reading = read(held, settings=reader)
    elif isinstance(source, bytes):
        require_size(len(source), most)
        held = source
        beginning.append(source)
        reading = read(source, settings=reader)
    elif source.seekable():
        start = source.tell()
        reading = read(cast("BinaryIO", Bounded(source, most, beginning)), settings=reader)
    else:
        reading, kept = arrive(
            Bounded(source, most, beginning),
            storage,
            settings.in_memory_bytes,
            lambda arriving: read(cast("bytes | BinaryIO", arriving), settings=reader),
        )
        held, streamed = (kept, None) if isinstance(kept, bytes) else (None, kept)
    return Candidate(received, reading.instance, reading.metadata, held, start, streamed, frames)


def _frames_of_file(instance: Instance, stream: BinaryIO) -> bytes:
    from dicom_common.pipeline._kept_frames import frames_to_keep  # noqa: PLC0415 - for files that are not held

    def read_range(offset: int, length: int) -> bytes:
        stream.seek(offset)
        return stream.read(length)

    return frames_to_keep(instance, read_range)


def rejection(  # noqa: PLR0913  # each is a part of the answer
    received: Received,
    reason: str,
    message: str,
    *,
    instance: Instance | None = None,
    named: NamedInstance | None = None,
    retry: bool = False,
) -> Result:
    """Make the answer to what is refused: by its instance, or where it could not be read, by what it says it is."""
    of = instance or named
    return Result(
        name=received.name,
        status=Status.REJECTED,
        reason=reason,
        message=message,
        retry=retry,
        study_uid=instance.study_uid if instance else None,
        series_uid=instance.series_uid if instance else None,
        sop_uid=of.sop_uid if of else None,
        sop_class_uid=of.sop_class_uid if of else None,
        warnings=instance.warnings if instance else (),
    )


def same_data_set(candidate: Candidate, storage: Storage, stored: Stored) -> bool:
    """Tell whether a stored object holds the candidate's data set, byte by byte, behind another preamble or file meta.

    A sender that writes its own name into the file meta sends the same instance in other bytes.

    Raises:
        BackendError: the object, or the candidate's source, cannot be read.
    """
    instance = candidate.instance
    length = instance.size - instance.data_set_offset
    if stored.transfer_syntax_uid != instance.transfer_syntax_uid or stored.size < length:
        return False
    head = b"".join(storage.read(stored.key, length=stored.size - length)) if stored.size > length else b""
    if head and not _is_file_head(head):
        return False
    with candidate.source() as source:
        ours = _chunks(source, instance.data_set_offset)
        theirs = storage.read(stored.key, start=stored.size - length)
        return _equal(ours, theirs)


def _is_file_head(head: bytes) -> bool:
    """Tell whether these bytes are a preamble and a File Meta Information, whole and nothing more (PS3.10 7.1)."""
    prefix = b"DICM\x02\x00\x00\x00UL\x04\x00"
    if len(head) < 144 or head[128:140] != prefix:
        return False
    (length,) = struct.unpack_from("<I", head, 140)
    return len(head) == 144 + int(length)


def _chunks(source: Source, start: int) -> Iterator[bytes]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        view = memoryview(source)[start:]
        for begin in range(0, len(view), _CHUNK):
            yield bytes(view[begin : begin + _CHUNK])
    else:
        stream: BinaryIO = source
        with lost_where_unreadable():
            stream.seek(start, 1)
        while True:
            with lost_where_unreadable():
                chunk = stream.read(_CHUNK)
            if not chunk:
                return
            yield chunk


def _equal(ours: Iterator[bytes], theirs: Iterator[bytes]) -> bool:
    left = right = b""
    while True:
        left = left or next(ours, b"")
        right = right or next(theirs, b"")
        if not left or not right:
            return not left and not right
        size = min(len(left), len(right))
        if left[:size] != right[:size]:
            return False
        left, right = left[size:], right[size:]
