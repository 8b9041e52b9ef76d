"""What arrives as a stream that cannot be read again: it goes into the storage while its header is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, Protocol, TypeVar

from dicom_common.core import ObjectInfo, Storage, Upload, Uploads
from dicom_common.pipeline._read import open_stored
from dicom_common.toolkit import spooled_upload

__all__ = ["Readable", "Streamed", "arrive"]

T = TypeVar("T")


class Readable(Protocol):
    """All that is used of a stream."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, none at the end."""
        ...


class Streamed:
    """The bytes of an instance that was received as a stream: an upload, and once it is committed, an object.

    Args:
        storage: has them.
        upload: with all bytes.
    """

    def __init__(self, storage: Storage, upload: Upload) -> None:
        self._storage, self._upload = storage, upload
        self._is_pending = True
        self.key: str | None = None
        """The storage key of an object with these bytes; None: there is none yet."""

    @property
    def is_pending(self) -> bool:
        """Whether the upload can be committed."""
        return self._is_pending

    def commit(self, key: str, *, if_absent: bool, sha256: str) -> ObjectInfo:
        """Make an object of the bytes; see `Upload.commit`."""
        info = self._upload.commit(key, if_absent=if_absent, sha256=sha256)
        self._is_pending, self.key = False, key
        return info

    def open(self, size: int) -> BinaryIO | None:
        """Open the object; None where there is none yet."""
        return None if self.key is None else open_stored(self._storage, self.key, size)

    def release(self) -> None:
        """Drop an upload that was not committed."""
        self._is_pending = False
        self._upload.abort()


class _Arriving:
    """A stream whose bytes are written to an upload as they are read."""

    def __init__(self, head: bytes, stream: Readable, upload: Upload) -> None:
        self._head, self._stream, self._upload = memoryview(head), stream, upload

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        if self._head:
            wanted = len(self._head) if size < 0 else size
            data, self._head = bytes(self._head[:wanted]), self._head[wanted:]
            if size < 0:
                data += self._stream.read(size)
        else:
            data = self._stream.read(size)
        self._upload.write(data)
        return data


def arrive(
    stream: Readable, storage: Storage, most_held: int, read: Callable[[bytes | Readable], T]
) -> tuple[T, bytes | Streamed]:
    """Read a stream to its end, and keep its bytes: a few in memory, more in an upload.

    Args:
        stream: what arrives.
        storage: begins the upload. One that does not offer `Uploads` gets the bytes when they have all arrived: until
            then they are in a temporary file.
        most_held: how many bytes are held in memory.
        read: reads all of the bytes, or of the stream that it is given.

    Returns:
        What `read` returned, and the bytes or where they are.

    Raises:
        BackendError: the storage does not take the bytes; nothing is kept.
        Exception: what the stream or `read` raised; nothing is kept.
    """
    head = bytearray()
    while len(head) <= most_held and (piece := stream.read(most_held + 1 - len(head))):
        head += piece
    if len(head) <= most_held:
        held = bytes(head)
        return read(held), held
    upload = storage.open_upload() if isinstance(storage, Uploads) else spooled_upload(storage)
    try:
        return read(_Arriving(bytes(head), stream, upload)), Streamed(storage, upload)
    except BaseException:
        upload.abort()
        raise
