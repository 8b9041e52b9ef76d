"""Fetched keys in the cache, so that processes that start do not all ask the issuer.

A cache is no trusted place: who could write there could add a key, and be anybody. So an entry is authenticated by a
secret, together with the issuer that it is for and the time at which it was fetched; without it, or with a wrong one,
it is not there.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable

from dicom_common.auth.jose._issuer_keys import Fetched
from dicom_common.auth.jose._key_set import KeySet
from dicom_common.auth.jose._settings import Issuer, Settings
from dicom_common.core import BackendError, Cache

__all__ = ["SharedKeys"]

_log = logging.getLogger(__name__)
_TAG = hashlib.sha256().digest_size
_TIME = 8


class SharedKeys:
    """The copy of one issuer's keys: a tag, the time of the fetch in milliseconds, and what was published."""

    def __init__(self, cache: Cache, settings: Settings, issuer: Issuer, clock: Callable[[], float]) -> None:
        self._cache, self._clock = cache, clock
        self._longest = settings.key_seconds + settings.stale_seconds
        self._leeway = settings.leeway
        self._secret = settings.cache_secret.reveal().encode()
        self._purpose = f"dicom-common jwks 1\n{issuer.issuer}\n{issuer.jwks_uri}\n".encode()
        self._key = f"auth.jose:jwks:{hashlib.sha256(self._purpose).hexdigest()}"

    def get(self) -> Fetched | None:
        """Return the copy and its age; None without a copy that is authentic and young enough."""
        try:
            entry = self._cache.get(self._key)
        except BackendError as error:
            _log.debug("the shared keys cannot be read: %s", type(error).__name__)
            return None
        if entry is None or not hmac.compare_digest(entry[:_TAG], self._tag(entry[_TAG:])):
            return None
        fetched = int.from_bytes(entry[_TAG : _TAG + _TIME], "big") / 1000
        age = self._clock() - fetched
        if not -self._leeway <= age < self._longest:
            return None
        keys = KeySet.parse(entry[_TAG + _TIME :])
        return None if keys is None else Fetched(keys, max(age, 0.0))

    def put(self, body: bytes) -> None:
        """Share what was just fetched."""
        entry = int(self._clock() * 1000).to_bytes(_TIME, "big") + body
        try:
            self._cache.set(self._key, self._tag(entry) + entry, ttl=max(self._longest, 1.0))
        except BackendError as error:
            _log.debug("the keys cannot be shared: %s", type(error).__name__)

    def _tag(self, entry: bytes) -> bytes:
        return hmac.digest(self._secret, self._purpose + entry, "sha256")
