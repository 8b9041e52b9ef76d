"""Reading an object that the index does not know, to index it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from dicom_common.core import BackendError, ConfigError, DicomError, Entry, LocalFiles, NotFoundError, validate_tenant
from dicom_common.dicom import ReaderSettings, Reading, read
from dicom_common.host import Services
from dicom_common.pipeline._kept_frames import frames_to_keep

__all__ = ["Orphan", "Unreadable", "read_orphans_task"]

_IN_MEMORY = 16 * 1024 * 1024

Orphan = tuple[str, datetime, int]
"""The key, modification time and size of an object that no row refers to."""


class Unreadable(NamedTuple):
    """An object that is not an instance."""

    key: str
    reason: str


def read_orphans_task(services: Services) -> Callable[[list[Orphan]], list[Entry | Unreadable | None]]:
    """Make the function that reads orphans and makes the entries that index them; None for what is gone by now."""
    settings = services.settings("reader", ReaderSettings)
    return lambda orphans: [_read_orphan(services, settings, *orphan) for orphan in orphans]


def _read_orphan(
    services: Services, settings: ReaderSettings, key: str, modified: datetime, size: int
) -> Entry | Unreadable | None:
    try:
        tenant = validate_tenant(key.partition("/")[0])
        reading, frames = _read(services, settings, key, size)
    except ConfigError:
        return Unreadable(key, "the first segment of its key is not a tenant id")
    except NotFoundError:
        return None
    except DicomError as error:
        return Unreadable(key, error.reason)
    except BackendError as error:
        return Unreadable(key, str(error))
    except Exception as error:  # noqa: BLE001 - what the reader did not foresee must not stop the others
        return Unreadable(key, f"reading it failed with {type(error).__name__}")
    return Entry(
        tenant=tenant,
        key=key,
        instance=reading.instance,
        metadata=reading.metadata,
        received=modified,
        frames=frames,
    )


def _read(services: Services, settings: ReaderSettings, key: str, size: int) -> tuple[Reading, bytes]:
    storage = services.storage
    if size <= _IN_MEMORY:
        return _with_frames(b"".join(storage.read(key)), settings)
    if isinstance(storage, LocalFiles):
        return _with_frames(storage.local_path(key), settings)
    with tempfile.NamedTemporaryFile() as copy:
        for chunk in storage.read(key):
            copy.write(chunk)
        copy.flush()
        return _with_frames(Path(copy.name), settings)


def _with_frames(source: bytes | Path, settings: ReaderSettings) -> tuple[Reading, bytes]:
    reading = read(source, settings=settings)
    return reading, frames_to_keep(reading.instance, source)
