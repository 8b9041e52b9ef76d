"""What one request asks of the cache: whatever the cache does, the request goes on."""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Callable
from typing import TypeVar

from dicom_common.core import BackendError, Cache
from dicom_common.pipeline._documents._sealed import seal, unseal

__all__ = ["RequestCache", "cache_key"]

_log = logging.getLogger(__name__)
T = TypeVar("T")
_UNSEEN = 3
"""Looks in a row that see no maker, though none can be added. Others take turns that fast only by accident."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.2
"""Seconds between two looks at whether another one is done."""


def cache_key(tenant: str, purpose: str, *names: str) -> str:
    """Return a key, in which the tenant stands by name and all that may be long as a digest.

    Args:
        tenant: a tenant id.
        purpose: one word of ASCII: what is kept.
        names: of what; they may be of any length and hold any character.
    """
    # Each with its length, so that no two lists of names are written alike.
    digest = hashlib.sha256()
    for name in names:
        encoded = name.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(encoded) + encoded)
    return f"{tenant}:{purpose}:{digest.hexdigest()}"


class RequestCache:
    """The cache, for the length of one request. Raises nothing of its own; not for several threads.

    A cache that fails once is not asked again: a request pays for it with one time limit of the cache's and no more.
    What it gives is checked, and is nothing if it is not ours.

    Args:
        cache: opens it, or returns it.
        secret: by which values are known to be ours; see `seal`.
    """

    def __init__(self, cache: Callable[[], Cache], secret: bytes) -> None:
        self._cache = cache
        self._secret = secret
        self._is_up = True

    def get(self, key: str) -> bytes | None:
        """Return a value, or None."""
        found = self._ask(lambda cache: cache.get(key), None)
        return unseal(key, found, self._secret) if isinstance(found, bytes) else None

    def put(self, key: str, value: bytes, *, ttl: float) -> None:
        """Keep a value for some seconds, if the cache is up."""
        self._ask(lambda cache: cache.set(key, seal(key, value, self._secret), ttl=ttl), None)

    def once(self, key: str, *, ready: Callable[[], T | None], make: Callable[[], T], wait: float, hold: float) -> T:
        """Make something that others may be making at the same time, once for all of them.

        The process that adds `key` to the cache makes it. The others wait until it is ready, or the key is gone; then
        one of them makes it. A maker that dies is waited for until its key expires.

        Args:
            key: stands for what is made.
            ready: returns what another one has made, if it is there.
            make: makes it, and keeps it where `ready` finds it.
            wait: seconds to wait for another one; then it is made all the same.
            hold: seconds after which a maker counts as dead.
        """
        owner = seal(key, secrets.token_bytes(16), self._secret)
        end = time.monotonic() + wait
        pause = _FIRST_PAUSE
        unseen = 0
        while not self._ask(lambda cache: cache.add(key, owner, ttl=hold), None):
            if not self._is_up or time.monotonic() >= end:
                return make()
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            if not self._is_free(key):
                unseen = 0
                continue
            if (found := ready()) is not None:
                return found
            unseen += 1
            if unseen == _UNSEEN:
                # Nothing can be read there, and nothing can be added: it belongs to another program.
                self._ask(lambda cache: cache.delete(key), None)
                unseen = 0
        try:
            # What was made between the caller's own look and this turn is not made again.
            found = ready()
            return make() if found is None else found
        finally:
            self._ask(lambda cache: cache.delete(key, only_if=owner), None)

    def _is_free(self, key: str) -> bool:
        """Tell whether no process is making it. A value that we did not write is deleted: it would never go away."""
        found = self._ask(lambda cache: cache.get(key), None)
        if not isinstance(found, bytes):
            return True
        if unseal(key, found, self._secret) is not None:
            return False
        self._ask(lambda cache: cache.delete(key, only_if=found), None)
        return True

    def _ask(self, question: Callable[[Cache], T], nothing: T) -> T:
        if not self._is_up:
            return nothing
        try:
            return question(self._cache())
        except BackendError as error:
            _log.debug("going on without the cache: %s", error)  # its plugin has logged that once
        except Exception as error:  # noqa: BLE001 - nothing in a cache is ever needed, however it breaks its promise
            _log.warning("going on without the cache, which failed with %s", type(error).__name__)
        self._is_up = False
        return nothing
