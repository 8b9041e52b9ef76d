"""The keys of tenants, each in a small object of the inner storage, wrapped by the keyring.

A tenant has one for each generation. It wraps the data key of each object, in the object's header. To rotate the
key-encryption key is to replace these small objects; what they wrap, and so all headers, stay as they are.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from dicom_common.core import (
    AlreadyExistsError,
    DamagedError,
    Keyring,
    NotFoundError,
    RefusedError,
    Storage,
    TenantKey,
    WrappedKey,
    parse_json,
)

__all__ = ["KEYS_SEGMENT", "TenantKeys"]

KEYS_SEGMENT = ".dicom-common-keys"
"""The first segment of the inner keys below which the tenants' keys are. No tenant's id begins with a dot."""
_DESTROYED = "destroyed"
_KEY_BYTES = 32
_MOST_TENANTS = 10_000


@dataclass(frozen=True, slots=True)
class _Record:
    """A tenant's key as it is stored."""

    tenant: str
    generation: int
    created: datetime
    wrapped: WrappedKey

    def encode(self) -> bytes:
        fields = {
            "version": 1,
            "tenant": self.tenant,
            "generation": self.generation,
            "created": self.created.isoformat(),
            "key_id": self.wrapped.key_id,
            "wrapped": base64.b64encode(self.wrapped.data).decode(),
        }
        body = json.dumps(fields, separators=(",", ":")).encode()
        # Tells damage from a keyring that lacks a key. What protects from forgery is the keyring's own authentication.
        return hashlib.sha256(body).hexdigest().encode() + b"\n" + body

    @classmethod
    def decode(cls, data: bytes, tenant: str, generation: int) -> _Record:
        digest, _, body = data.partition(b"\n")
        if digest != hashlib.sha256(body).hexdigest().encode():
            raise _damaged()
        try:
            fields = parse_json(body)
            if (fields["version"], fields["tenant"], fields["generation"]) != (1, tenant, generation):
                raise _damaged()
            wrapped = WrappedKey(str(fields["key_id"]), base64.b64decode(fields["wrapped"], validate=True))
            return cls(tenant, generation, datetime.fromisoformat(fields["created"]), wrapped)
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise _damaged() from None

    def shown(self) -> TenantKey:
        return TenantKey(
            tenant=self.tenant, generation=self.generation, key_id=self.wrapped.key_id, created=self.created
        )

    @property
    def context(self) -> bytes:
        return _context(self.generation, self.created)


class TenantKeys:
    """The keys of all tenants of one storage. Thread-safe; it holds no lock, which a fork could leave locked.

    Args:
        inner: where they are.
        keyring: what wraps them.
        seconds: how long an unwrapped one stays in memory.
        owns_all: whether all objects are of one tenant, and not of that in their first segment.
    """

    def __init__(self, inner: Storage, keyring: Keyring, seconds: float, *, owns_all: bool) -> None:
        self._inner, self._keyring, self._seconds, self._owns_all = inner, keyring, seconds, owns_all
        self._known: dict[tuple[str, int], tuple[float, bytes]] = {}
        self._current: dict[str, tuple[float, int]] = {}

    def current(self, tenant: str) -> tuple[int, bytes]:
        """Return the generation and the key with which objects are written now; the first one is made here.

        Raises:
            DamagedError: objects of the tenant are there, and no key.
            RefusedError: the tenant's keys were destroyed, or the keyring refuses.
        """
        until, generation = self._current.get(tenant, (0.0, 0))
        if until < time.monotonic():
            generation = max(self._generations(tenant), default=0) or self._first(tenant)
            self._bound()
            self._current[tenant] = (time.monotonic() + self._seconds, generation)
        return generation, self.key(tenant, generation)

    def key(self, tenant: str, generation: int) -> bytes:
        """Return the key of a generation.

        Raises:
            DamagedError: it is not there, or not as it was written.
            RefusedError: the tenant's keys were destroyed, or the keyring refuses.
        """
        until, key = self._known.get((tenant, generation), (0.0, b""))
        if until < time.monotonic():
            if generation not in self._generations(tenant):
                raise DamagedError(
                    "The key of a tenant with which an object was encrypted is not there: the object's header is"
                    f" damaged, or an object below {KEYS_SEGMENT} was lost; restore it from a backup."
                )
            key = self._unwrapped(self._load(tenant, generation))
            self._bound()
            self._known[tenant, generation] = (time.monotonic() + self._seconds, key)
        return key

    def forget(self) -> None:
        """Drop all keys from memory."""
        self._known, self._current = {}, {}

    def listed(self, tenant: str | None) -> Iterator[TenantKey]:
        """Iterate over the keys; see `EncryptionKeys.tenant_keys`."""
        for found in self._inner.scan(f"{KEYS_SEGMENT}/" if tenant is None else f"{KEYS_SEGMENT}/{tenant}/"):
            owner, _, name = found.key.removeprefix(f"{KEYS_SEGMENT}/").partition("/")
            if name == _DESTROYED:
                yield TenantKey(tenant=owner, generation=0, key_id="", created=found.modified, destroyed=True)
            else:
                yield self._load(owner, _generation(name)).shown()

    def rotated(self, tenant: str | None, *, new_generation: bool) -> Iterator[TenantKey]:
        """Wrap the keys anew; see `EncryptionKeys.rotate_keys`."""
        keys = list(self.listed(tenant))
        gone = {key.tenant for key in keys if key.destroyed}
        highest: dict[str, int] = {}
        for key in keys:
            if key.tenant in gone:
                continue
            highest[key.tenant] = max(key.generation, highest.get(key.tenant, 0))
            if key.key_id != self._keyring.active(key.tenant):
                record = self._load(key.tenant, key.generation)
                wrapped = self._keyring.wrap(key.tenant, self._unwrapped(record), record.context)
                anew = _Record(record.tenant, record.generation, record.created, wrapped)
                self._inner.write(_place(key.tenant, key.generation), anew.encode())
                self._undo_if_destroyed(key.tenant)
                yield anew.shown()
        for owner, generation in highest.items() if new_generation else ():
            made = self._make(owner, generation + 1)
            self._current.pop(owner, None)
            yield self._load(owner, made).shown()

    def destroyed(self, tenant: str) -> int:
        """Destroy the keys of a tenant; see `EncryptionKeys.destroy_keys`."""
        mark = f"{KEYS_SEGMENT}/{tenant}/{_DESTROYED}"
        found = [item.key for item in self._inner.scan(f"{KEYS_SEGMENT}/{tenant}/")]
        if not found:
            raise NotFoundError(f"The tenant {tenant!r} has no keys: `dicom-common keys list` shows all.")
        # First the mark: from here on nobody takes a key of this tenant, whatever is still there.
        if mark not in found:
            self._inner.write(mark, b"")
        self.forget()
        return self._delete_all(tenant)

    def _delete_all(self, tenant: str) -> int:
        keys = [item.key for item in self._inner.scan(f"{KEYS_SEGMENT}/{tenant}/")]
        keys = [key for key in keys if not key.endswith(f"/{_DESTROYED}")]
        for key in keys:
            self._inner.delete(key)
        return len(keys)

    def _undo_if_destroyed(self, tenant: str) -> None:
        """Delete again what was written beside a destruction: its mark was there before its last deletion."""
        try:
            self._inner.stat(f"{KEYS_SEGMENT}/{tenant}/{_DESTROYED}")
        except NotFoundError:
            return
        self._delete_all(tenant)

    def _generations(self, tenant: str) -> set[int]:
        names = {found.key.rpartition("/")[2] for found in self._inner.scan(f"{KEYS_SEGMENT}/{tenant}/")}
        if _DESTROYED in names:
            raise RefusedError("The keys of this tenant were destroyed: its objects cannot be read, and none written.")
        return {_generation(name) for name in names}

    def _first(self, tenant: str) -> int:
        """Make the first key of a tenant, unless it has objects: then its key was lost.

        Another key of the same generation would be in the way of the lost one when that is brought back.
        """
        prefix = "" if self._owns_all else f"{tenant}/"
        has_objects = any(found.key.partition("/")[0] != KEYS_SEGMENT for found in self._inner.scan(prefix))
        if has_objects and not self._generations(tenant):  # another writer may have made both meanwhile
            raise _damaged()
        return self._make(tenant, 1)

    def _make(self, tenant: str, generation: int) -> int:
        """Make a key, unless another process was faster; it is durable before anything is encrypted under it."""
        created = datetime.now(UTC)
        wrapped = self._keyring.wrap(tenant, os.urandom(_KEY_BYTES), _context(generation, created))
        record = _Record(tenant, generation, created, wrapped)
        try:
            self._inner.write(_place(tenant, generation), record.encode(), if_absent=True)
        except AlreadyExistsError:
            pass
        else:
            self._undo_if_destroyed(tenant)
        return generation

    def _load(self, tenant: str, generation: int) -> _Record:
        try:
            data = b"".join(self._inner.read(_place(tenant, generation)))
        except NotFoundError:
            raise _damaged() from None
        return _Record.decode(data, tenant, generation)

    def _unwrapped(self, record: _Record) -> bytes:
        key = self._keyring.unwrap(record.tenant, record.wrapped, record.context)
        if len(key) != _KEY_BYTES:
            raise _damaged()
        return key

    def _bound(self) -> None:
        if len(self._known) + len(self._current) > _MOST_TENANTS:
            self.forget()


def _place(tenant: str, generation: int) -> str:
    return f"{KEYS_SEGMENT}/{tenant}/{generation:08}"


def _generation(name: str) -> int:
    if not (name.isascii() and name.isdigit()):
        raise DamagedError(f"Below {KEYS_SEGMENT} is an object that is no key of a tenant: remove it.")
    return int(name)


def _context(generation: int, created: datetime) -> bytes:
    return f"{generation} {created.isoformat()}".encode()


def _damaged() -> DamagedError:
    return DamagedError(
        f"An object below {KEYS_SEGMENT} that holds a tenant's key is damaged or missing: restore it from a backup."
    )
