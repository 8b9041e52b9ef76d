"""Reading what was stored, with its digest verified."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from dicom_common.core import DamagedError, Storage, Stored

__all__ = ["digest_of", "read_verified"]


def read_verified(storage: Storage, stored: Stored) -> Iterator[bytes]:
    """Iterate over the bytes of an instance, exactly as received.

    Raises:
        NotFoundError: the storage does not have it.
        DamagedError: after the last chunk, where digest or size are not those of the index; a caller that has passed
            chunks on must take them back.
    """
    digest, size = hashlib.sha256(), 0
    for chunk in storage.read(stored.key):
        digest.update(chunk)
        size += len(chunk)
        yield chunk
    if size != stored.size or digest.hexdigest() != stored.sha256:
        raise DamagedError(
            f"The object {stored.key} is damaged: its bytes are not those that were indexed. Restore it from a copy."
        )


def digest_of(storage: Storage, key: str) -> str:
    """Return the SHA-256 of an object, in hex, by reading it.

    Raises:
        NotFoundError: the storage does not have it.
    """
    digest = hashlib.sha256()
    for chunk in storage.read(key):
        digest.update(chunk)
    return digest.hexdigest()
