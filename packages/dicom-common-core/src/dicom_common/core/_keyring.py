"""The Protocol of a keyring: who holds the key-encryption keys. They never leave it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from dicom_common.core._health import Health

__all__ = ["Keyring", "WrappedKey"]


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key as it may be stored: encrypted by a key-encryption key."""

    key_id: str
    """The name of that key-encryption key, which is no secret: 1 to 200 printable ASCII characters without a space."""
    data: bytes = field(repr=False)
    """What the keyring made of the key: at most 64 KiB, whose form is the keyring's own."""


class Keyring(Protocol):
    """Wraps and unwraps the keys of tenants with key-encryption keys. Thread-safe.

    What is encrypted (objects, fields) is so with keys of a tenant; a keyring sees these only, never the data, and is
    asked for each of them once in some minutes, not for each object. Every method but `check` may raise
    `UnavailableError` (try again) and `RefusedError` (do not). A key shows in no message, log or representation.
    """

    def active(self, tenant: str) -> str:
        """Return the id of the key-encryption key that `wrap` uses for a tenant now.

        Raises:
            RefusedError: this tenant has no active key.
        """
        ...

    def wrap(self, tenant: str, key: bytes, context: bytes) -> WrappedKey:
        """Encrypt and authenticate a key of 32 bytes; tenant and context are authenticated with it.

        Args:
            tenant: whose key it is.
            key: the key.
            context: what it is for, of at most 1 KiB; it is not kept, and `unwrap` needs the same.

        Raises:
            RefusedError: there is no active key-encryption key for this tenant.
        """
        ...

    def unwrap(self, tenant: str, wrapped: WrappedKey, context: bytes) -> bytes:
        """Return the key that was wrapped for this tenant with this context, by whatever key-encryption key.

        Raises:
            DamagedError: it was not, or is not as it was.
            RefusedError: there is no such key-encryption key for this tenant (any more).
        """
        ...

    def check(self) -> Health:
        """Find out whether keys can be wrapped. It may raise, and may hang: see `Health`."""
        ...

    def close(self) -> None:
        """Release what is held. A second call does nothing; any other then raises `BackendError`."""
        ...
