"""The cache itself."""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections import OrderedDict
from weakref import WeakSet

from dicom_common.cache.memory._settings import Settings
from dicom_common.core import BackendError, Health, HealthStatus

__all__ = ["MemoryCache"]

_KEY = re.compile(r"[!-~]{1,250}")
_OVERHEAD = 200
"""Bytes, about, that an entry takes beside key and value: heads of objects, a tuple, a place in the dictionary."""
_CACHES: WeakSet[MemoryCache] = WeakSet()


class MemoryCache:
    """Bytes by key in the memory of this process; the least recently used entry makes way for a new one.

    Args:
        settings: its limits.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0
        self._hits = self._misses = self._evictions = 0
        self._closed = False
        _CACHES.add(self)

    def get(self, key: str) -> bytes | None:
        """Return a value and count it as used; see `Cache.get`."""
        with self._checked(key):
            value = self._live(key)
            if value is None:
                self._misses += 1
                return None
            self._hits += 1
            self._entries.move_to_end(key)
            return value

    def set(self, key: str, value: bytes, *, ttl: float) -> None:
        """Keep a value; see `Cache.set`."""
        expires = _expiry(ttl)
        with self._checked(key):
            self._drop(key)
            self._keep(key, value, expires)

    def add(self, key: str, value: bytes, *, ttl: float) -> bool:
        """Keep a value if the key has none; see `Cache.add`. One that is too large counts as added, and is not kept."""
        expires = _expiry(ttl)
        with self._checked(key):
            if self._live(key) is not None:
                return False
            self._keep(key, value, expires)
            return True

    def delete(self, key: str, *, only_if: bytes | None = None) -> bool:
        """Delete a value; see `Cache.delete`."""
        with self._checked(key):
            value = self._live(key)
            if value is None or (only_if is not None and value != only_if):
                return False
            self._drop(key)
            return True

    def check(self) -> Health:
        """Tell how full it is and how often it helped; see `Cache.check`."""
        with self._lock:
            if self._closed:
                raise BackendError("The memory cache is closed.")
            facts = {
                "entries": len(self._entries),
                "bytes": self._bytes,
                "hits": self._hits,
                "misses": self._misses,
                "evictions": self._evictions,
            }
        return Health(status=HealthStatus.OK, detail=f"The cache holds {facts['entries']} entries.", facts=facts)

    def close(self) -> None:
        """Forget everything; see `Cache.close`."""
        with self._lock:
            self._closed = True
            self._entries.clear()
            self._bytes = 0

    def _checked(self, key: str) -> threading.Lock:
        if _KEY.fullmatch(key) is None:
            raise ValueError("a cache key has 1 to 250 printable ASCII characters and no space")
        if self._closed:
            raise BackendError("The memory cache is closed.")
        return self._lock

    def _live(self, key: str) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[1] <= time.monotonic():
            self._drop(key)
            return None
        return entry[0]

    def _keep(self, key: str, value: bytes, expires: float) -> None:
        size = len(value) + len(key) + _OVERHEAD
        if len(value) > self._settings.max_value_bytes or size > self._settings.max_bytes:
            return
        self._entries[key] = bytes(value), expires
        self._bytes += size
        while self._bytes > self._settings.max_bytes or len(self._entries) > self._settings.max_entries:
            self._drop(next(iter(self._entries)))
            self._evictions += 1

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry[0]) + len(key) + _OVERHEAD


def _renew_locks() -> None:
    """Free the locks in a forked child: the thread that held one may be the parent's, and would never free it here."""
    for cache in _CACHES:
        cache._lock = threading.Lock()  # noqa: SLF001  # of this module


os.register_at_fork(after_in_child=_renew_locks)


def _expiry(ttl: float) -> float:
    if not 0 < ttl < math.inf:
        raise ValueError("the time to live of a cache entry is above 0 and finite, in seconds")
    return time.monotonic() + ttl
