"""Finding the frames of instances of which the index keeps nothing yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from dicom_common.core import BackendError, DicomError, KeptFrames, Storage, Stored
from dicom_common.dicom import ReaderSettings, read_header
from dicom_common.host import Services
from dicom_common.pipeline._kept_frames import frames_to_keep, may_keep

__all__ = ["find_frames_task", "waiting_for_frames"]


def waiting_for_frames(services: Services) -> Iterator[Stored]:
    """Iterate over the instances whose frames may be kept and are not."""
    if isinstance(services.db, KeptFrames):
        yield from (stored for stored in services.db.without_frames() if may_keep(stored.transfer_syntax_uid))


def find_frames_task(services: Services) -> Callable[[list[Stored]], list[bytes]]:
    """Make the function that reads the headers of objects, and returns what the index is to keep of each."""
    settings = services.settings("reader", ReaderSettings)
    return lambda batch: [_find(services.storage, stored, settings) for stored in batch]


def _find(storage: Storage, stored: Stored, settings: ReaderSettings) -> bytes:
    read_range = partial(_range_of, storage, stored.key)
    # Where it cannot be read because it is damaged, the comparison of storage and index reports it.
    with suppress(DicomError, BackendError):
        reading = read_header(read_range, size=stored.size, sha256=stored.sha256, settings=settings)
        return frames_to_keep(reading.instance, read_range)
    return b""


def _range_of(storage: Storage, key: str, offset: int, length: int) -> bytes:
    return b"".join(storage.read(key, start=offset, length=length))
