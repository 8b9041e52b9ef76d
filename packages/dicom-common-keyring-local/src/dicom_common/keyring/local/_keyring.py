"""The keyring itself."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dicom_common.core import BackendError, ConfigError, DamagedError, Health, HealthStatus, RefusedError, WrappedKey
from dicom_common.keyring.local._file import read_entries
from dicom_common.keyring.local._settings import KeyEntry, Settings

__all__ = ["LocalKeyring", "open_keyring"]

_NONCE = 12
_KEY = 32
_ID = re.compile(r"[!-~]{1,200}")


class LocalKeyring:
    """A keyring of keys that are in the memory of this process: AES-256-GCM with a random nonce.

    A key-encryption key wraps one key for each tenant and generation, and some of fields for each process and hour: far
    from the 2^32 messages for which a random nonce of 96 bits is good (NIST SP 800-38D, 8.3).

    Args:
        entries: the keys.
        place: where they stand, for messages.

    Raises:
        ConfigError: one is no key, or it is not clear which is active.
    """

    def __init__(self, entries: Iterable[KeyEntry], place: str) -> None:
        self._place = place
        self._closed = False
        self._ciphers: dict[str, tuple[str, AESGCM]] = {}
        self._active: dict[str, str] = {}
        owners = set()
        for entry in entries:
            if not _ID.fullmatch(entry.id) or entry.id in self._ciphers:
                raise ConfigError(
                    f"{place}: each key needs an id of its own, of 1 to 200 printable ASCII characters without a space;"
                    f" {entry.id!r} is not valid, or is there twice."
                )
            self._ciphers[entry.id] = (entry.tenant, AESGCM(_key_of(entry, place)))
            owners.add(entry.tenant)
            if entry.active and self._active.setdefault(entry.tenant, entry.id) != entry.id:
                raise ConfigError(f"{place}: {_whose(entry.tenant)} has two active keys: leave active = true with one.")
        if missing := sorted(owners - self._active.keys()):
            raise ConfigError(f"{place}: {_whose(missing[0])} has no active key: write active = true below one.")
        if not owners:
            raise ConfigError(f"{place}: there is no key; the README of dicom-common-keyring-local shows one.")

    def active(self, tenant: str) -> str:
        """Return the id of a tenant's active key; see `Keyring.active`."""
        self._refuse_closed()
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
        self._refuse_closed()
        owner, cipher = self._ciphers.get(wrapped.key_id, ("", None))
        if cipher is None or owner not in ("", tenant):
            raise RefusedError(
                f"{self._place}: the key {wrapped.key_id!r} that wraps the keys of a tenant is not there for it: put it"
                " back; keys that are not active any more are needed until nothing is wrapped with them."
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
        """Say how many keys there are; the names of tenants stay out of it."""
        self._refuse_closed()
        number = "1 key" if len(self._ciphers) == 1 else f"{len(self._ciphers)} keys"
        facts: dict[str, str | int | float | bool] = {"keys": len(self._ciphers), "active_keys": len(self._active)}
        return Health(status=HealthStatus.OK, detail=f"{self._place}: {number}.", facts=facts)

    def close(self) -> None:
        """Forget the keys."""
        self._closed = True
        self._ciphers, self._active = {}, {}

    def _refuse_closed(self) -> None:
        if self._closed:
            raise BackendError("The keyring is closed.")


def open_keyring(settings: Settings) -> LocalKeyring:
    """Open the keyring of the settings.

    Raises:
        ConfigError: its file, or a key, is wrong.
    """
    if settings.keys:
        return LocalKeyring(settings.keys, "keys of [keyring]")
    return LocalKeyring(read_entries(settings.file), f"keyring {settings.file}")


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
