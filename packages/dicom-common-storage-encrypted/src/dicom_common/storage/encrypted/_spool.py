"""What arrives as a stream, until its key and its size are known: on the disk of this machine, never in clear.

An encrypted object begins with its size, and each of its chunks is sealed with its storage key, so that it can be made
only when all has arrived. Until then the bytes wait in a temporary file, encrypted under a key that is in the memory of
this process only.
"""

from __future__ import annotations

import io
import os
import tempfile

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from dicom_common.toolkit import SPOOL_MEMORY

__all__ = ["SealedSpool"]

_BLOCK = 16


class SealedSpool(io.RawIOBase):
    """A temporary binary file whose bytes are AES-256-CTR on the disk.

    It is written once and then read: writing over a place would use its key stream twice. Whether the file was changed
    meanwhile is for the digest to tell, which the upload took of the bytes as they arrived.
    """

    def __init__(self) -> None:
        super().__init__()
        self._file = tempfile.SpooledTemporaryFile(SPOOL_MEMORY)  # noqa: SIM115 - `close` closes it
        self._algorithm = algorithms.AES256(os.urandom(32))
        self._stream: CipherContext | None = None
        """The key stream at the position of the file; None: it is made when it is needed."""

    def readable(self) -> bool:
        """It can be read."""
        return True

    def writable(self) -> bool:
        """It can be written."""
        return True

    def seekable(self) -> bool:
        """It can seek."""
        return True

    def tell(self) -> int:
        """Tell where it stands."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move as in any file."""
        self._stream = None
        return self._file.seek(offset, whence)

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]  # typeshed names a private buffer type
        """Encrypt and append bytes."""
        return self._file.write(self._keyed().update(data))

    def read(self, size: int | None = -1) -> bytes:
        """Return the next `size` bytes, fewer at the end."""
        stream = self._keyed()
        return stream.update(self._file.read(-1 if size is None else size))

    def close(self) -> None:
        """Drop the file."""
        if not self.closed:
            self._file.close()
        super().close()

    def _keyed(self) -> CipherContext:
        if self._stream is None:
            block, within = divmod(self._file.tell(), _BLOCK)
            # The counter begins at zero: the key is that of this one file.
            self._stream = Cipher(self._algorithm, modes.CTR(block.to_bytes(_BLOCK, "big"))).encryptor()
            self._stream.update(bytes(within))
        return self._stream
