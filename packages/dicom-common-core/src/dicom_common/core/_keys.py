"""The Protocol of a storage that encrypts: what an operator does with its keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

__all__ = ["EncryptionKeys", "TenantKey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantKey:
    """What may be told of a key of a tenant: not the key."""

    tenant: str
    generation: int
    """Counted from 1; new objects are written with the highest. 0 stands for a tenant whose keys were destroyed."""
    key_id: str
    """The key-encryption key that wraps it; empty where it was destroyed."""
    created: datetime
    destroyed: bool = False


@runtime_checkable
class EncryptionKeys(Protocol):
    """A storage that encrypts what it holds, with keys of each tenant."""

    def tenant_keys(self, tenant: str | None = None) -> Iterator[TenantKey]:
        """Iterate over the keys of one tenant, or of all, by tenant and generation. Asks for no key-encryption key.

        Raises:
            DamagedError: a key is not as it was written.
        """
        ...

    def rotate_keys(self, tenant: str | None = None, *, new_generation: bool = False) -> Iterator[TenantKey]:
        """Wrap the keys of one tenant, or of all, with the key-encryption key that is active now; no data is touched.

        Each key is replaced in one atomic step when the iterator comes to it, and yielded; keys that are wrapped so
        already are passed over, so that a rotation which was interrupted goes on when it is asked for again.

        Args:
            tenant: whose; None for all.
            new_generation: also make a new key for each tenant, with which objects are written from then on. What is
                there stays readable with the older ones. It is made each time that this is asked for.

        Raises:
            RefusedError: the keyring has no key that unwraps one, or none that is active.
            DamagedError: a key is not as it was written.
        """
        ...

    def destroy_keys(self, tenant: str) -> int:
        """Destroy all keys of a tenant for good: none of its objects can be read. Can be repeated; return how many."""
        ...
