"""Reading what was stored, with its digest verified."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import BinaryIO

from dicom_common.core import DamagedError, NotFoundError, ObjectInfo, Storage, Stored
from dicom_common.pipeline._object_ranges import lost

__all__ = ["digest_of", "has_digest", "has_indexed_bytes", "open_stored", "read_verified"]


def read_verified(storage: Storage, stored: Stored) -> Iterator[bytes]:
    """Iterate over the bytes of an instance, exactly as received.

    Raises:
        ObjectLostError: the storage does not have it.
        DamagedError: after the last chunk, where digest or size are not those of the index; a caller that has passed
            chunks on must take them back.
    """
    digest, size = hashlib.sha256(), 0
    try:
        for chunk in storage.read(stored.key):
            digest.update(chunk)
            size += len(chunk)
            yield chunk
    except NotFoundError as error:
        raise lost(stored) from error
    if size != stored.size or digest.hexdigest() != stored.sha256:
        raise DamagedError(
            f"The object {stored.key} is damaged: its bytes are not those that were indexed. "
            "Restore it from a copy, or send the instance again."
        )


def has_indexed_bytes(storage: Storage, stored: Stored) -> bool:
    """Tell whether the storage has the very bytes that were indexed.

    Raises:
        BackendError: the storage cannot tell.
    """
    try:
        info = storage.stat(stored.key)
        return info.size == stored.size and has_digest(storage, info, stored.sha256)
    except (NotFoundError, DamagedError):  # `stat` may see damage, too
        return False


def has_digest(storage: Storage, info: ObjectInfo, sha256: str) -> bool:
    """Tell whether an object has a digest: by the one that is kept with it, else by reading it.

    A storage that keeps digests looks after its bytes itself.

    Raises:
        BackendError: the storage cannot tell, or does not have it any more.
    """
    try:
        return (info.sha256 or digest_of(storage, info.key)) == sha256
    except DamagedError:
        return False


def digest_of(storage: Storage, key: str) -> str:
    """Return the SHA-256 of an object, in hex, by reading it.

    Raises:
        NotFoundError: the storage does not have it.
    """
    digest = hashlib.sha256()
    for chunk in storage.read(key):
        digest.update(chunk)
    return digest.hexdigest()


def open_stored(storage: Storage, key: str, size: int) -> BinaryIO:
    """Open an object of a known size as a file that can seek: for the few that are compared or written again.

    Reading it raises what `Storage.read` does.
    """
    return io.BufferedReader(_ObjectStream(storage, key, size), 1 << 20)


class _ObjectStream(io.RawIOBase):
    """An object as a file that can seek: for the few that have to be compared or written again."""

    def __init__(self, storage: Storage, key: str, size: int) -> None:
        self._storage, self._key, self._size, self._position = storage, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed names a private buffer type
        wanted = min(len(buffer), max(0, self._size - self._position))
        data = b"".join(self._storage.read(self._key, start=self._position, length=wanted)) if wanted else b""
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
