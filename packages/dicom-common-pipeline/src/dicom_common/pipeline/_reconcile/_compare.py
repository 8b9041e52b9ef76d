"""Walking the storage and the index side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from dicom_common.core import DamagedError, EncryptionKeys, NotFoundError, RefusedError, Storage, Stored
from dicom_common.host import Services
from dicom_common.pipeline._layout import is_beside_instances
from dicom_common.pipeline._read import read_verified
from dicom_common.pipeline._side_by_side import side_by_side

__all__ = ["Pair", "compare_task", "is_intact", "pairs"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A key with what the storage and the index have at it; one of the two may be absent."""

    key: str
    size: int
    modified: datetime | None
    stored: Stored | None


def pairs(services: Services, *, after: str = "") -> Iterator[Pair]:
    """Iterate over the objects of the storage and the rows of the index together, in the order of their keys."""
    objects = (info for info in services.storage.scan(after=after) if _is_instance(info.key))
    for key, info, row in side_by_side(objects, services.db.walk(after=after)):
        size = info.size if info else row.size if row else 0
        yield Pair(key, size, info.modified if info else None, row)


def _is_instance(key: str) -> bool:
    return "/" in key and not is_beside_instances(key)


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
        if _has_lost_its_keys(storage, stored):
            return False
        raise
    return True


def _has_lost_its_keys(storage: Storage, stored: Stored) -> bool:
    """Tell a tenant whose keys were destroyed from wrong credentials: that must not stop the work for the others."""
    return isinstance(storage, EncryptionKeys) and any(key.destroyed for key in storage.tenant_keys(stored.tenant))


def _is_damaged(services: Services, stored: Stored) -> bool:
    if is_intact(services.storage, stored):
        return False
    try:
        services.storage.stat(stored.key)
    except NotFoundError:
        return False  # it was removed meanwhile
    except DamagedError:
        pass  # so much that it shows without reading
    # Or replaced meanwhile: then the index knows other bytes, or another key, by now.
    return services.db.owners([stored.key]).get(stored.key) == stored
