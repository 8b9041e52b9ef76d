"""The keyring: who holds the key-encryption keys. They never leave it."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dicom_common.core import ConfigError, DamagedError, Health, HealthStatus, RefusedError
from dicom_common.storage.encrypted._settings import KeyEntry

__all__ = ["Keyring", "LocalKeyring", "OpenKeyring", "WrappedKey"]

_NONCE = 12
_KEY = 32


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A tenant's key as it may be stored."""

    key_id: str
    """The key-encryption key that wraps it."""
    data: bytes = field(repr=False)
    """What the keyring made of it."""


class Keyring(Protocol):
    """Wraps and unwraps the keys of tenants. Thread-safe.

    It is asked once for each tenant and `key_seconds`, not for each object. A plugin for a KMS registers a callable
    that takes the `keyring_options` and returns one, in the entry-point group `dicom_common.keyring`. Every method but
    `check` may raise `UnavailableError` (try again) and `RefusedError` (do not).
    """

    def active(self, tenant: str) -> str:
        """Return the id of the key-encryption key that `wrap` uses for a tenant now."""
        ...

    def wrap(self, tenant: str, key: bytes, context: bytes) -> WrappedKey:
        """Encrypt and authenticate a key of 32 bytes; `context` is authenticated with it."""
        ...

    def unwrap(self, tenant: str, wrapped: WrappedKey, context: bytes) -> bytes:
        """Return the key that was wrapped for this tenant with this context, by whatever key-encryption key.

        Raises:
            DamagedError: it was not, or is not as it was.
            RefusedError: there is no such key-encryption key (any more).
        """
        ...

    def check(self) -> Health:
        """Find out, within seconds, whether keys can be wrapped. Never raises."""
        ...

    def close(self) -> None:
        """Release what is held. A second call does nothing."""
        ...


OpenKeyring = Callable[[Mapping[str, str]], Keyring]
"""What a keyring plugin registers."""


class LocalKeyring:
    """A keyring of keys that are in the memory of this process: AES-256-GCM with a random nonce.

    Args:
        entries: the keys.
        place: where they stand, for messages.

    Raises:
        ConfigError: one is no key, or it is not clear which is active.
    """

    def __init__(self, entries: Iterable[KeyEntry], place: str) -> None:
        self._place = place
        self._ciphers: dict[str, tuple[str, AESGCM]] = {}
        self._active: dict[str, str] = {}
        owners = set()
        for entry in entries:
            if not entry.id or entry.id in self._ciphers:
                raise ConfigError(f"{place}: each key needs an id of its own; {entry.id!r} is there twice or empty.")
            self._ciphers[entry.id] = (entry.tenant, AESGCM(_key_of(entry, place)))
            owners.add(entry.tenant)
            if entry.active and self._active.setdefault(entry.tenant, entry.id) != entry.id:
                raise ConfigError(f"{place}: {_whose(entry.tenant)} has two active keys: leave active = true with one.")
        if missing := sorted(owners - self._active.keys()):
            raise ConfigError(f"{place}: {_whose(missing[0])} has no active key: write active = true below one.")
        if not owners:
            raise ConfigError(f"{place}: there is no key; the README of dicom-common-storage-encrypted shows one.")

    def active(self, tenant: str) -> str:
        """Return the id of a tenant's active key; see `Keyring.active`."""
        key_id = self._active.get(tenant) or self._active.get("")
        if key_id is None:
            raise RefusedError(
                f"{self._place}: no key is there for this tenant: add one with its name, or one for all."
            )
        return key_id

    def wrap(self, tenant: str, key: bytes, context: bytes) -> WrappedKey:
        """Encrypt a tenant's key; see `Keyring.wrap`."""
        key_id = self.active(tenant)
        nonce = os.urandom(_NONCE)
        return WrappedKey(key_id, nonce + self._ciphers[key_id][1].encrypt(nonce, key, _bound(key_id, tenant, context)))

    def unwrap(self, tenant: str, wrapped: WrappedKey, context: bytes) -> bytes:
        """Decrypt a tenant's key; see `Keyring.unwrap`."""
        owner, cipher = self._ciphers.get(wrapped.key_id, ("", None))
        if cipher is None or owner not in ("", tenant):
            raise RefusedError(
                f"{self._place}: the key {wrapped.key_id!r} that wraps the keys of a tenant is not there for it: put it"
                " back; keys that are not active any more are needed until `dicom-common keys rotate` was run."
            )
        nonce, data = wrapped.data[:_NONCE], wrapped.data[_NONCE:]
        try:
            return cipher.decrypt(nonce, data, _bound(wrapped.key_id, tenant, context))
        except (InvalidTag, ValueError):
            raise DamagedError(
                f"The key of a tenant cannot be unwrapped with {wrapped.key_id!r}: it is damaged, or the keyring has"
                " another key under that id."
            ) from None

    def check(self) -> Health:
        """Say which keys there are; the names of tenants stay out of it."""
        facts: dict[str, str | int | float | bool] = {"keys": len(self._ciphers), "active_keys": len(self._active)}
        return Health(status=HealthStatus.OK, detail=f"{self._place}: {len(self._ciphers)} keys.", facts=facts)

    def close(self) -> None:
        """Forget the keys."""
        self._ciphers = {}


def _key_of(entry: KeyEntry, place: str) -> bytes:
    try:
        key = base64.b64decode(entry.key.reveal().strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY:
        raise ConfigError(f"{place}: the key {entry.id!r} has to be 32 bytes in base64: `openssl rand -base64 32`.")
    return key


def _bound(key_id: str, tenant: str, context: bytes) -> bytes:
    parts = (b"dicom-common tenant key 1", key_id.encode(), tenant.encode(), context)
    return b"".join(len(part).to_bytes(4) + part for part in parts)


def _whose(tenant: str) -> str:
    return f"the tenant {tenant!r}" if tenant else "what is for all tenants"
