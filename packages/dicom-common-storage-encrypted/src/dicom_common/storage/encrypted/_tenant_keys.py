"""The keys of tenants, each in a small object of the inner storage, wrapped by the keyring.

A tenant has one for each generation. It wraps the data key of each object, in the object's header. To rotate the
key-encryption key is to replace these small objects; what they wrap, and so all headers, stay as they are.

Beside each key lies an empty mark, `made-<generation>`, that is never deleted. The highest generation that a key or a
mark names is the only one with which objects are written, and the next key gets the number above it. So where a key is
lost, its mark still says that it was there: no older key is used in its place, and no other key gets its number.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
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
)
from dicom_common.storage.encrypted._key_record import KEYS_SEGMENT, KeyRecord, context_of, damaged

__all__ = ["TenantKeys"]

_DESTROYED = "destroyed"
_MADE = "made-"
"""Before the generation in the name of a mark."""
_DIGITS = 8
_KEY_BYTES = 32
_MOST_TENANTS = 10_000


@dataclass(frozen=True, slots=True)
class _Kept:
    """What there is of one tenant."""

    keys: frozenset[int]
    """The generations whose keys are there."""
    marks: frozenset[int]
    """Those whose marks are there."""
    highest: int
    """The highest of which this process knows; 0: there never was one."""


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
        self._highest: dict[str, int] = {}

    def current(self, tenant: str) -> tuple[int, bytes]:
        """Return the generation and the key with which objects are written now; the first one is made here.

        Raises:
            DamagedError: the newest key of the tenant was lost, or objects of the tenant are there, and no key.
            RefusedError: the tenant's keys were destroyed, or the keyring refuses.
        """
        until, generation = self._current.get(tenant, (0.0, 0))
        if until < time.monotonic():
            generation = self._newest(tenant)
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
            if generation not in self._kept(tenant).keys:
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
            elif not _is_mark(name):
                yield self._load(owner, _generation(name)).shown()

    def rotated(self, tenant: str | None, *, new_generation: bool) -> Iterator[TenantKey]:
        """Wrap the keys anew; see `EncryptionKeys.rotate_keys`."""
        keys = list(self.listed(tenant))
        gone = {key.tenant for key in keys if key.destroyed}
        for key in keys:
            if key.tenant in gone:
                continue
            if key.key_id != self._keyring.active(key.tenant):
                record = self._load(key.tenant, key.generation)
                wrapped = self._keyring.wrap(key.tenant, self._unwrapped(record), record.context)
                anew = KeyRecord(record.tenant, record.generation, record.created, wrapped)
                self._inner.write(_place(key.tenant, key.generation), anew.encode())
                self._undo_if_destroyed(key.tenant)
                yield anew.shown()
        for owner in sorted(self._owners(tenant) - gone) if new_generation else ():
            made = self._make(owner, self._kept(owner).highest + 1)
            self._current.pop(owner, None)
            yield self._load(owner, made).shown()

    def destroyed(self, tenant: str) -> int:
        """Destroy the keys of a tenant; see `EncryptionKeys.destroy_keys`."""
        mark = f"{KEYS_SEGMENT}/{tenant}/{_DESTROYED}"
        found = [item.key for item in self._inner.scan(f"{KEYS_SEGMENT}/{tenant}/")]
        if not found:
            raise NotFoundError(f"The tenant {tenant!r} has no keys: `dicom-common keys list` shows all.")
        # First the mark: from here on no process takes a key of this tenant, whatever is still there.
        if mark not in found:
            self._inner.write(mark, b"")
        self.forget()
        return self._delete_all(tenant)

    def _delete_all(self, tenant: str) -> int:
        """Delete the keys of a tenant. What says that they were there stays."""
        keys = [item.key for item in self._inner.scan(f"{KEYS_SEGMENT}/{tenant}/")]
        keys = [key for key in keys if not (_is_mark(name := key.rpartition("/")[2]) or name == _DESTROYED)]
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

    def _owners(self, tenant: str | None) -> set[str]:
        """Return the tenants that have, or had, keys."""
        prefix = f"{KEYS_SEGMENT}/" if tenant is None else f"{KEYS_SEGMENT}/{tenant}/"
        return {found.key.removeprefix(f"{KEYS_SEGMENT}/").partition("/")[0] for found in self._inner.scan(prefix)}

    def _kept(self, tenant: str) -> _Kept:
        """Look at what there is of a tenant."""
        names = {found.key.rpartition("/")[2] for found in self._inner.scan(f"{KEYS_SEGMENT}/{tenant}/")}
        if _DESTROYED in names:
            raise RefusedError("The keys of this tenant were destroyed: its objects cannot be read, and none written.")
        marks = frozenset(_generation(name.removeprefix(_MADE)) for name in names if _is_mark(name))
        keys = frozenset(_generation(name) for name in names if not _is_mark(name))
        highest = max(keys | marks | {self._highest.get(tenant, 0)})
        self._highest[tenant] = highest
        return _Kept(keys, marks, highest)

    def _newest(self, tenant: str) -> int:
        """Return the generation to write with: the highest that ever was, or the first one, which is made here."""
        kept, before = self._kept(tenant), None
        while kept.highest not in kept.keys and kept != before:  # it may have been made while we looked
            kept, before = self._kept(tenant), kept
        if not kept.highest:
            return self._first(tenant)
        if kept.highest not in kept.keys:
            raise DamagedError(
                f"The newest key of a tenant, of generation {kept.highest}, is not there, and none older is used in its"
                f" place: restore {KEYS_SEGMENT} from a backup, or run `keys rotate --new-generation` for it."
            )
        if kept.highest not in kept.marks:  # who made the key was killed; nothing was encrypted under it so far
            self._mark(tenant, kept.highest)
        return kept.highest

    def _first(self, tenant: str) -> int:
        """Make the first key of a tenant, unless it has objects: then its key was lost.

        Another key of the same generation would be in the way of the lost one when that is brought back.
        """
        prefix = "" if self._owns_all else f"{tenant}/"
        has_objects = any(found.key.partition("/")[0] != KEYS_SEGMENT for found in self._inner.scan(prefix))
        if has_objects and not self._kept(tenant).keys:  # another writer may have made both meanwhile
            raise damaged()
        return self._make(tenant, 1)

    def _make(self, tenant: str, generation: int) -> int:
        """Make a key, unless another process was faster; key and mark are durable before anything is encrypted."""
        created = datetime.now(UTC)
        wrapped = self._keyring.wrap(tenant, os.urandom(_KEY_BYTES), context_of(generation, created))
        record = KeyRecord(tenant, generation, created, wrapped)
        with suppress(AlreadyExistsError):
            self._inner.write(_place(tenant, generation), record.encode(), if_absent=True)
        # Behind the key: a mark without one stops the tenant's writers, and must tell of a loss, not of a crash.
        self._mark(tenant, generation)
        self._undo_if_destroyed(tenant)
        return generation

    def _mark(self, tenant: str, generation: int) -> None:
        with suppress(AlreadyExistsError):
            self._inner.write(f"{KEYS_SEGMENT}/{tenant}/{_MADE}{generation:0{_DIGITS}}", b"", if_absent=True)

    def _load(self, tenant: str, generation: int) -> KeyRecord:
        try:
            data = b"".join(self._inner.read(_place(tenant, generation)))
        except NotFoundError:
            raise damaged() from None
        return KeyRecord.decode(data, tenant, generation)

    def _unwrapped(self, record: KeyRecord) -> bytes:
        key = self._keyring.unwrap(record.tenant, record.wrapped, record.context)
        if len(key) != _KEY_BYTES:
            raise damaged()
        return key

    def _bound(self) -> None:
        if len(self._known) + len(self._current) > _MOST_TENANTS:
            self.forget()
            self._highest = {}


def _place(tenant: str, generation: int) -> str:
    return f"{KEYS_SEGMENT}/{tenant}/{generation:0{_DIGITS}}"


def _is_mark(name: str) -> bool:
    return name.startswith(_MADE)


def _generation(name: str) -> int:
    if not (len(name) == _DIGITS and name.isascii() and name.isdigit()):
        raise DamagedError(f"Below {KEYS_SEGMENT} is an object that is not a key of a tenant: remove it.")
    return int(name)
