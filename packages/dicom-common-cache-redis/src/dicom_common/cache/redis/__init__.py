"""A cache in Redis, or in a server that speaks its protocol such as Valkey."""

from __future__ import annotations

from dicom_common.cache.redis._cache import RedisCache
from dicom_common.cache.redis._settings import Settings
from dicom_common.core import Backend, Cache, hookimpl

__all__ = ["RedisCache", "Settings", "dicom_common_cache"]


@hookimpl
def dicom_common_cache() -> Backend[Cache]:
    """Offer the cache `redis`."""
    return Backend("redis", Settings, RedisCache)
