"""The encrypted object as a file that is made while it is read: what the inner storage is given to write."""

from __future__ import annotations

import hashlib
import io
from typing import BinaryIO

from dicom_common.core import BackendError, DamagedError, Source
from dicom_common.storage.encrypted._format import CHUNK, HEADER_BYTES, TAG, ChunkCipher, Header

__all__ = ["SealedFile", "size_of"]


_AHEAD = 16
"""Chunks whose bytes are hashed at once, where they cannot change."""


def size_of(source: Source) -> int:
    """Tell how many bytes are left in a source."""
    if isinstance(source, bytes | bytearray | memoryview):
        return memoryview(source).nbytes
    start = source.tell()
    end = source.seek(0, io.SEEK_END)
    source.seek(start)
    return end - start


class SealedFile(io.RawIOBase):
    """A binary file of the encrypted bytes. It can seek, because the inner storage may send it again.

    Chunks that were given out once are compared, by their tags, when they are made again: other plain bytes under the
    same key and nonce would betray both, so a source that has changed ends the write. That takes 16 bytes a chunk,
    16 MiB for an object of 64 GiB.

    Args:
        cipher: of this one write.
        header: its header.
        source: the plain bytes.
        sha256: the digest that they must have.
    """

    def __init__(self, cipher: ChunkCipher, header: Header, source: Source, sha256: str | None) -> None:
        super().__init__()
        self._cipher, self._shape = cipher, cipher.shape
        self._header = header.encode()
        self._view = memoryview(source).cast("B") if isinstance(source, bytes | bytearray | memoryview) else None
        self._file: BinaryIO | None = None if isinstance(source, bytes | bytearray | memoryview) else source
        self._start = 0 if self._file is None else self._file.tell()
        self._next = 0
        """The chunk at which the source stands."""
        self._tags: list[bytes] = []
        self._digest = None if sha256 is None else hashlib.sha256()
        self._sha256 = sha256
        self._position = 0
        self._current: tuple[int, bytes] = (-1, b"")
        self.failure: Exception | None = None
        """What ended the write, before an inner storage put an error of its own in its place."""

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can seek."""
        return True

    def tell(self) -> int:
        """Tell where it stands."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move as in any file; nothing is encrypted by it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._shape.encrypted_size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Return the next `size` bytes, fewer at the end."""
        left = self._shape.encrypted_size - self._position
        wanted = left if size is None or size < 0 else min(size, left)
        pieces = []
        try:
            while wanted > 0:
                piece = self._piece(wanted)
                pieces.append(piece)
                self._position += len(piece)
                wanted -= len(piece)
        except Exception as error:
            self.failure = error
            raise
        return b"".join(pieces)

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # a buffer that can be written
        """Read into a buffer; what `io.BufferedReader` asks for."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _piece(self, wanted: int) -> bytes:
        if self._position < HEADER_BYTES:
            return self._header[self._position : self._position + wanted]
        number, within = divmod(self._position - HEADER_BYTES, CHUNK + TAG)
        if self._current[0] != number:
            # In order up to it: the digest is that of all bytes.
            for earlier in range(len(self._tags), number):
                self._seal(earlier)
            self._current = (number, self._seal(number))
        chunk = self._current[1]
        return chunk if not within and wanted >= len(chunk) else chunk[within : within + wanted]

    def _seal(self, number: int) -> bytes:
        plain = self._plain(number)
        is_last, is_new = number == self._shape.chunks - 1, number == len(self._tags)
        if is_new and self._digest is not None:
            self._hash(number, plain)
            if is_last and self._digest.hexdigest() != self._sha256:
                raise DamagedError(
                    "The bytes of an object do not have the SHA-256 that was given; nothing was written."
                )
        chunk = self._cipher.encrypt(number, plain)
        if is_new:
            self._tags.append(chunk[-TAG:])
        elif chunk[-TAG:] != self._tags[number]:
            raise BackendError("The source of an object changed while it was written; nothing was written.")
        return chunk

    def _hash(self, number: int, plain: bytes | memoryview) -> None:
        assert self._digest is not None
        if self._view is None or not self._view.readonly:
            self._digest.update(plain)
        elif not number % _AHEAD:
            # Each call gives up the lock of the interpreter, for which the threads of a batch then queue.
            self._digest.update(self._view[number * CHUNK : (number + _AHEAD) * CHUNK])

    def _plain(self, number: int) -> bytes | memoryview:
        length = self._shape.plain_length(number)
        if self._view is not None:
            # A copy where it could change between being hashed and being encrypted.
            plain = self._view[number * CHUNK : number * CHUNK + length]
            return plain if self._view.readonly else bytes(plain)
        assert self._file is not None
        if self._next != number:
            self._file.seek(self._start + number * CHUNK)
        self._next = -1  # unknown, until all is read
        data = self._file.read(length) if length else b""
        while len(data) < length and (more := self._file.read(length - len(data))):
            data += more
        grown = number == self._shape.chunks - 1 and self._file.read(1)
        if len(data) != length or grown:
            raise BackendError("The source of an object does not have the size that it told; nothing was written.")
        self._next = number + 1
        return data
