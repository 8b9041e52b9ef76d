"""The Protocol of a cache: bytes that may be lost at any time."""

from __future__ import annotations

from typing import Protocol

from dicom_common.core._health import Health

__all__ = ["Cache"]


class Cache(Protocol):
    """Bytes by key, each with a time to live. Thread-safe. Nothing in it is ever needed, only useful.

    Keys are 1 to 250 printable ASCII characters without a space, else ValueError. `ttl` is in seconds, above 0, else
    ValueError. Every method may raise `UnavailableError`; callers go on without the cache.
    """

    def get(self, key: str) -> bytes | None:
        """Return the value, or None where it is absent or its time is over."""
        ...

    def set(self, key: str, value: bytes, *, ttl: float) -> None:
        """Keep a value, in place of any other. A value larger than the cache's limit is not kept."""
        ...

    def add(self, key: str, value: bytes, *, ttl: float) -> bool:
        """Keep a value only if the key has none; of several that add at once, True for one.

        Single-flight locks are made of this: the value names the owner, the time to live frees a lock whose owner died.
        """
        ...

    def delete(self, key: str, *, only_if: bytes | None = None) -> bool:
        """Delete a value and tell whether there was one; with `only_if`, only where it is this one (atomic)."""
        ...

    def check(self) -> Health:
        """Find out whether the cache works. It may raise, and may hang: see `Health`."""
        ...

    def close(self) -> None:
        """Release what is held. A second call does nothing."""
        ...
