"""Reading an object that the index does not know, to index it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from dicom_common.core import BackendError, ConfigError, DicomError, Entry, LocalFiles, NotFoundError, validate_tenant
from dicom_common.dicom import ReaderSettings, Reading, read
from dicom_common.host import Services

__all__ = ["Orphan", "Unreadable", "examine_task"]

_IN_MEMORY = 16 * 1024 * 1024

Orphan = tuple[str, datetime, int]
"""The key, modification time and size of an object that no row refers to."""
Unreadable = tuple[str, str]
"""The key of an object that is no instance, and why; an empty reason where it is gone by now."""


def examine_task(services: Services) -> Callable[[list[Orphan]], list[Entry | Unreadable]]:
    """Make the function that reads orphans and makes the entries that index them."""
    settings = services.settings("reader", ReaderSettings)
    return lambda orphans: [_examine(services, settings, *orphan) for orphan in orphans]


def _examine(
    services: Services, settings: ReaderSettings, key: str, modified: datetime, size: int
) -> Entry | Unreadable:
    try:
        tenant = validate_tenant(key.partition("/")[0])
        reading = _read(services, settings, key, size)
    except ConfigError:
        return key, "the first segment of its key is no tenant"
    except NotFoundError:
        return key, ""
    except DicomError as error:
        return key, error.reason
    except BackendError as error:
        return key, str(error)
    except Exception as error:  # noqa: BLE001 - what the reader did not foresee must not stop the others
        return key, f"reading it failed with {type(error).__name__}"
    return Entry(tenant=tenant, key=key, instance=reading.instance, metadata=reading.metadata, received=modified)


def _read(services: Services, settings: ReaderSettings, key: str, size: int) -> Reading:
    storage = services.storage
    if size <= _IN_MEMORY:
        return read(b"".join(storage.read(key)), settings=settings)
    if isinstance(storage, LocalFiles):
        return read(storage.local_path(key), settings=settings)
    with tempfile.NamedTemporaryFile() as copy:
        for chunk in storage.read(key):
            copy.write(chunk)
        copy.flush()
        return read(Path(copy.name), settings=settings)
