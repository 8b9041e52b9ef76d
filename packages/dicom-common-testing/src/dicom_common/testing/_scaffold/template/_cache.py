"""The cache `example`: a dictionary. Replace it by your own store."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from dicom_common.core import Health, HealthStatus, UnavailableError

KEY = re.compile(r"[!-~]{1,250}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The keys of the table `[cache]`."""

    max_entries: int = 10_000
    """The largest number of values; to add another, the oldest is removed."""
    max_value_bytes: int = 16 << 20
    """A value larger than this is not kept."""


class ExampleCache:
    """A dictionary of values and their expiry times. `dicom_common.core.Cache` documents what the methods promise."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._values: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()
        self._closed = False

    def get(self, key: str) -> bytes | None:
        """Return the value, unless it has expired."""
        with self._open():
            return self._current(_checked(key))

    def set(self, key: str, value: bytes, *, ttl: float) -> None:
        """Keep a value."""
        _checked(key, ttl)
        with self._open():
            self._keep(key, value, ttl)

    def add(self, key: str, value: bytes, *, ttl: float) -> bool:
        """Keep a value only if the key has none yet."""
        _checked(key, ttl)
        with self._open():
            if self._current(key) is not None:
                return False
            return self._keep(key, value, ttl)

    def delete(self, key: str, *, only_if: bytes | None = None) -> bool:
        """Delete a value; with `only_if`, only if it is equal to that."""
        _checked(key)
        with self._open():
            current = self._current(key)
            if current is None or only_if not in (None, current):
                return False
            del self._values[key]
            return True

    def check(self) -> Health:
        """Report the number of values. Only a closed cache fails."""
        if self._closed:
            raise UnavailableError("The cache is closed: open it again.")
        return Health(status=HealthStatus.OK, detail="in memory", facts={"entries": len(self._values)})

    def close(self) -> None:
        """Delete all values, and refuse further calls."""
        with self._lock:
            self._closed = True
            self._values.clear()

    @contextmanager
    def _open(self) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise UnavailableError("The cache is closed.")
            yield

    def _current(self, key: str) -> bytes | None:
        value, end = self._values.get(key, (None, 0.0))
        if value is not None and end <= monotonic():
            del self._values[key]
            return None
        return value

    def _keep(self, key: str, value: bytes, ttl: float) -> bool:
        self._values.pop(key, None)
        if len(value) > self._settings.max_value_bytes:
            return False
        while len(self._values) >= self._settings.max_entries:
            del self._values[next(iter(self._values))]
        self._values[key] = (bytes(value), monotonic() + ttl)
        return True


def _checked(key: str, ttl: float = 1.0) -> str:
    if KEY.fullmatch(key) is None:
        raise ValueError("a cache key has 1 to 250 printable ASCII characters and no space")
    if not ttl > 0:
        raise ValueError("the time to live is in seconds, above 0")
    return key
