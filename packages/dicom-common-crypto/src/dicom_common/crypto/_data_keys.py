"""Keys that encrypt data, each wrapped by the keyring for one tenant, and kept in memory for some minutes."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dicom_common.core import DamagedError, Keyring, WrappedKey

__all__ = ["MOST_MESSAGES", "DataKeys", "Sealing"]

MOST_MESSAGES = 1 << 24
"""Messages under one key, each with a random nonce of 96 bits. 2^32 are allowed (NIST SP 800-38D, 8.3); a key is new
again long before, so that a fork, which counts on its own, changes nothing."""
_KEY = 32
_MOST_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Sealing:
    """A key with which a tenant's data are encrypted for some time."""

    wrapped: WrappedKey
    cipher: AESGCM = field(repr=False)
    until: float
    counted: Iterator[int] = field(repr=False)


class DataKeys:
    """Makes and unwraps data keys. Thread-safe without a lock: at worst, two threads make a key each.

    Args:
        keyring: what wraps them.
        context: what they are for; a key that was wrapped for something else is not unwrapped.
        seconds: how long one stays in memory.
        clock: seconds that only grow.
    """

    def __init__(
        self, keyring: Keyring, context: bytes, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._keyring, self._context, self._seconds, self._clock = keyring, context, seconds, clock
        self._sealing: dict[str, Sealing] = {}
        self._opening: dict[tuple[str, WrappedKey], tuple[float, AESGCM]] = {}

    def sealing(self, tenant: str) -> Sealing:
        """Return the key to encrypt one message of a tenant with."""
        now = self._clock()
        known = self._sealing.get(tenant)
        if known is None or known.until <= now or next(known.counted) >= MOST_MESSAGES:
            key = os.urandom(_KEY)
            wrapped = self._keyring.wrap(tenant, key, self._context)
            known = Sealing(wrapped, AESGCM(key), now + self._seconds, itertools.count(1))
            self._bound()
            self._sealing[tenant] = known
        return known

    def opening(self, tenant: str, wrapped: WrappedKey) -> AESGCM:
        """Return the cipher of a key that was wrapped."""
        until, cipher = self._opening.get((tenant, wrapped), (0.0, None))
        now = self._clock()
        if cipher is None or until <= now:
            key = self._keyring.unwrap(tenant, wrapped, self._context)
            if len(key) != _KEY:
                raise DamagedError("The keyring gave no key of 32 bytes for an encrypted value: look at the keyring.")
            cipher = AESGCM(key)
            self._bound()
            self._opening[tenant, wrapped] = (now + self._seconds, cipher)
        return cipher

    def forget(self) -> None:
        """Drop all keys from memory."""
        self._sealing, self._opening = {}, {}

    def _bound(self) -> None:
        if len(self._sealing) + len(self._opening) >= _MOST_KEYS:
            self.forget()
