"""Walking the storage and the index side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from dicom_common.core import DamagedError, EncryptionKeys, NotFoundError, ObjectInfo, RefusedError, Storage, Stored
from dicom_common.host import Services
from dicom_common.pipeline._documents._layout import is_document
from dicom_common.pipeline._read import read_verified

__all__ = ["Pair", "compare_task", "is_intact", "pairs"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A key with what the storage and the index have at it; one of the two may be absent."""

    key: str
    size: int
    modified: datetime | None
    stored: Stored | None


def pairs(services: Services, *, after: str = "") -> Iterator[Pair]:
    """Merge the objects of the storage and the rows of the index, both in the order of their keys.

    Memory does not grow with either. What is written or deleted meanwhile may look like a difference: whoever acts on
    one looks again first.
    """
    objects = (info for info in services.storage.scan(after=after) if _is_instance(info.key))
    rows = services.db.walk(after=after)
    info, row = next(objects, None), next(rows, None)
    while info is not None or row is not None:
        left = None if info is None else info.key.encode()
        right = None if row is None else row.key.encode()
        if right is None or (left is not None and left < right):
            yield _pair(info, None)
            info = next(objects, None)
        elif left is None or right < left:
            yield _pair(None, row)
            row = next(rows, None)
        else:
            yield _pair(info, row)
            info, row = next(objects, None), next(rows, None)


def _pair(info: ObjectInfo | None, row: Stored | None) -> Pair:
    if info is not None:
        return Pair(info.key, info.size, info.modified, row)
    if row is None:
        raise AssertionError("a pair has at least one side")
    return Pair(row.key, row.size, None, row)


def _is_instance(key: str) -> bool:
    return "/" in key and not is_document(key)


def compare_task(services: Services) -> Callable[[list[Pair]], list[str]]:
    """Make the function that verifies the digests of pairs, and returns the keys of those that are damaged."""

    def damaged(batch: list[Pair]) -> list[str]:
        return [pair.key for pair in batch if pair.stored is not None and _is_damaged(services, pair.stored)]

    return damaged


def is_intact(storage: Storage, stored: Stored) -> bool:
    """Tell whether the storage has the very bytes that were indexed, by reading them."""
    try:
        for _ in read_verified(storage, stored):
            pass
    except (NotFoundError, DamagedError):
        return False
    except RefusedError:
        if _is_lost_for_ever(storage, stored):
            return False
        raise
    return True


def _is_lost_for_ever(storage: Storage, stored: Stored) -> bool:
    """Tell a tenant whose keys were destroyed from wrong credentials: the one must not stop the work for the others."""
    return isinstance(storage, EncryptionKeys) and any(key.destroyed for key in storage.tenant_keys(stored.tenant))


def _is_damaged(services: Services, stored: Stored) -> bool:
    if is_intact(services.storage, stored):
        return False
    try:
        services.storage.stat(stored.key)
    except NotFoundError:
        return False  # it was removed meanwhile
    # Or replaced meanwhile: then the index knows other bytes, or another key, by now.
    return services.db.owners([stored.key]).get(stored.key) == stored
