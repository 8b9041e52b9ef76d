"""A bounded cache in the memory of the process."""

from __future__ import annotations

from dicom_common.cache.memory._cache import MemoryCache
from dicom_common.cache.memory._settings import Settings
from dicom_common.core import Backend, Cache, hookimpl

__all__ = ["MemoryCache", "Settings", "dicom_common_cache"]


@hookimpl
def dicom_common_cache() -> Backend[Cache]:
    """Offer the cache `memory`."""
    return Backend("memory", Settings, MemoryCache)
