"""The format of an encrypted object, version 1: a header of fixed length, then chunks of fixed length.

    magic 8 | version 2 | flags 2 | chunk size 4 | generation 4 | plain size 8 | wrapped data key 40
    chunk 0: ciphertext, tag 16 | chunk 1 ... | the last one may be shorter; an empty object has one empty chunk

Every chunk is authenticated with the whole header, the tenant, the storage key, its number, and whether it is the last.
The lengths are fixed by the version, so that the size of the plain object follows from that of the encrypted one, and a
scan reads no header.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from dicom_common.core import DamagedError

__all__ = ["CHUNK", "HEADER_BYTES", "TAG", "ChunkCipher", "Header", "Shape", "new_data_key", "plain_size"]

CHUNK = 1 << 16
"""Bytes of the plain object in a chunk."""
TAG = 16
_MAGIC = b"\x89DCMENC\n"
_VERSION = 1
_HEADER = struct.Struct(">8sHHIIQ40s")
_PLACE = struct.Struct(">QB")
_BOUND = struct.Struct(">HH")
HEADER_BYTES = _HEADER.size
_MOST = 1 << 50
"""The largest plain object, in bytes; more is the sign of a damaged header."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the chunks of an object of this plain size are."""

    size: int

    @property
    def chunks(self) -> int:
        """How many there are; at least one."""
        return max(1, -(-self.size // CHUNK))

    @property
    def encrypted_size(self) -> int:
        """The size of the whole encrypted object."""
        return HEADER_BYTES + self.size + self.chunks * TAG

    def plain_length(self, number: int) -> int:
        """Return the bytes of the plain object in a chunk."""
        return min(CHUNK, self.size - number * CHUNK)

    def offset(self, number: int) -> int:
        """Return where a chunk begins in the encrypted object; that behind the last is the end."""
        return min(HEADER_BYTES + number * (CHUNK + TAG), self.encrypted_size)


def plain_size(encrypted: int) -> int | None:
    """Return the plain size of an encrypted object of this size; None where no object has it."""
    body = encrypted - HEADER_BYTES
    size = body - max(1, -(-body // (CHUNK + TAG))) * TAG
    return size if size >= 0 and Shape(size).encrypted_size == encrypted else None


@dataclass(frozen=True, slots=True)
class Header:
    """The header of an encrypted object."""

    generation: int
    """Of the tenant's key that wraps the data key."""
    size: int
    """Of the plain object."""
    wrapped: bytes
    """The data key (RFC 3394)."""

    def encode(self) -> bytes:
        """Return its bytes."""
        return _HEADER.pack(_MAGIC, _VERSION, 0, CHUNK, self.generation, self.size, self.wrapped)

    @classmethod
    def decode(cls, data: bytes) -> Header:
        """Read it.

        Raises:
            DamagedError: it is not a valid header, or of another version.
        """
        if len(data) != HEADER_BYTES:
            raise DamagedError("An object is too short to be an encrypted one: it was cut, or put there unencrypted.")
        magic, version, flags, chunk, generation, size, wrapped = _HEADER.unpack(data)
        if magic != _MAGIC:
            raise DamagedError("An object does not begin as encrypted ones do: it is damaged, or not encrypted.")
        if (version, flags, chunk) != (_VERSION, 0, CHUNK) or size > _MOST:
            raise DamagedError("The header of an encrypted object is damaged, or that of a later version.")
        return cls(generation, size, wrapped)


def new_data_key(tenant_key: bytes) -> tuple[bytes, bytes]:
    """Make the key of one object; return it and its wrapped form.

    AES key wrap needs no nonce: there is no number of objects after which a tenant needs a new key.
    """
    key = AESGCM.generate_key(256)
    return key, aes_key_wrap(tenant_key, key)


class ChunkCipher:
    """Encrypts and decrypts the chunks of one object.

    The nonce is the number of the chunk, and one byte that tells the last (as in STREAM of Hoang, Reyhanitabar, Rogaway
    and Vizár, 2015). The key is that of one write of one object: no nonce comes twice.
    """

    def __init__(self, key: bytes, header: Header, tenant: str, storage_key: str) -> None:
        self.shape = Shape(header.size)
        self._last = self.shape.chunks - 1
        self._cipher = AESGCM(key)
        owner, name = tenant.encode(), storage_key.encode()
        self._bound = header.encode() + _BOUND.pack(len(owner), len(name)) + owner + name

    @classmethod
    def unwrapped(cls, tenant_key: bytes, header: Header, tenant: str, storage_key: str) -> ChunkCipher:
        """Make the cipher of an object that is there.

        Raises:
            DamagedError: the tenant's key does not unwrap the data key.
        """
        try:
            key = aes_key_unwrap(tenant_key, header.wrapped)
        except InvalidUnwrap:
            raise DamagedError("The key of an encrypted object cannot be unwrapped: its header is damaged.") from None
        return cls(key, header, tenant, storage_key)

    def encrypt(self, number: int, plain: bytes | memoryview) -> bytes:
        """Return a chunk with its tag."""
        place = self._place(number)
        return self._cipher.encrypt(b"\0\0\0" + place, plain, self._bound + place)

    def decrypt(self, number: int, chunk: bytes | memoryview) -> bytes:
        """Return the plain bytes of a chunk.

        Raises:
            DamagedError: it is not what was written there.
        """
        place = self._place(number)
        try:
            return self._cipher.decrypt(b"\0\0\0" + place, chunk, self._bound + place)
        except InvalidTag:
            raise DamagedError(
                "An encrypted object is not what was written under its key: restore it from a copy."
            ) from None

    def _place(self, number: int) -> bytes:
        return _PLACE.pack(number, number == self._last)
