"""The storage itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, cast

from dicom_common.core import (
    BackendError,
    BatchWrites,
    DamagedError,
    Health,
    HealthStatus,
    Keyring,
    ObjectInfo,
    OpenObjects,
    RefusedError,
    Source,
    Storage,
    TenantKey,
    Upload,
    Write,
    validate_key,
)
from dicom_common.storage.encrypted._format import (
    CHUNK,
    HEADER_BYTES,
    TAG,
    ChunkCipher,
    Header,
    new_data_key,
    plain_size,
)
from dicom_common.storage.encrypted._key_record import KEYS_SEGMENT
from dicom_common.storage.encrypted._opening import Pieces, opened, opened_in_place
from dicom_common.storage.encrypted._sealing import SealedFile, size_of
from dicom_common.storage.encrypted._settings import Settings
from dicom_common.storage.encrypted._spool import SealedSpool
from dicom_common.storage.encrypted._tenant_keys import TenantKeys
from dicom_common.toolkit import OpenUploads, SpoolSink

__all__ = ["EncryptedBatchStorage", "EncryptedStorage", "open_over", "open_storage"]

_REPLACEMENTS = 5
"""How often an object may be replaced between the two reads of a range."""


class EncryptedStorage:
    """Objects of another storage, encrypted: `open_storage` makes one.

    Args:
        settings: how.
        inner: the storage that holds the encrypted objects.
        keyring: what holds the key-encryption keys. Whoever opened the two closes them, after this one.
    """

    def __init__(self, settings: Settings, inner: Storage, keyring: Keyring) -> None:
        self._settings, self._inner, self._keyring = settings, inner, keyring
        self._keys = TenantKeys(inner, keyring, settings.key_seconds, owns_all=bool(settings.tenant))
        self._in_place = inner if isinstance(inner, OpenObjects) else None
        self._uploads = OpenUploads()
        self._closed = False
        self._owns = False

    def write(self, key: str, source: Source, *, if_absent: bool = False, sha256: str | None = None) -> ObjectInfo:
        """Encrypt and write an object; see `Storage.write`. What `source` itself raises passes unchanged."""
        sealed, size = self._sealed(self._checked(key), source, sha256)
        try:
            info = self._inner.write(key, cast("BinaryIO", sealed), if_absent=if_absent)
        except Exception as error:
            # An SDK may have put an error of its own in the place of ours.
            if sealed.failure is not None and sealed.failure is not error:
                raise sealed.failure from error
            raise
        return dataclasses.replace(info, size=size, sha256=sha256)

    def open_upload(self) -> Upload:
        """Begin an object that arrives as a stream; see `Uploads.open_upload`. Its bytes wait in a `SealedSpool`."""
        self._refuse_closed()
        return self._uploads.open(SpoolSink(self, cast("BinaryIO", SealedSpool())))

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Iterate over the decrypted bytes; see `Storage.read`. Of a range, only its chunks are read.

        The iterator raises `DamagedError` before it gives a byte that was not written under this key.
        """
        if start < 0 or (length is not None and length < 0):
            raise ValueError("start and length of a read must not be negative")
        self._checked(key)
        if self._in_place is not None:
            return self._from_open(self._in_place, key, start, length)
        if start < CHUNK:
            return self._from_the_begin(key, start, length)
        header, cipher = self._header(key)
        return self._range(key, start, length, header, cipher, self._chunks(key, start, length, cipher))

    def stat(self, key: str) -> ObjectInfo:
        """Tell size and time of an object; see `Storage.stat`. The digest of the plain bytes is not kept."""
        info = self._inner.stat(self._checked(key))
        size = plain_size(info.size)
        if size is None:
            raise DamagedError("An object does not have the size of an encrypted one: it was cut, or is not encrypted.")
        return dataclasses.replace(info, size=size, sha256=None)

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectInfo]:
        """Iterate over the objects in order; see `Storage.scan`. Nothing is decrypted.

        An object whose size is not that of an encrypted one is listed with size 0; `stat` and `read` say that it is
        damaged.
        """
        self._refuse_closed()
        for found in self._inner.scan(prefix, after=after):
            if not _is_hidden(found.key):
                yield dataclasses.replace(found, size=plain_size(found.size) or 0, sha256=None)

    def delete(self, key: str) -> None:
        """Delete an object; see `Storage.delete`."""
        self._inner.delete(self._checked(key))

    def check(self) -> Health:
        """Ask the inner storage and the keyring; see `Storage.check`."""
        self._refuse_closed()
        answers = (self._inner.check(), self._keyring.check())
        order = (HealthStatus.FAILED, HealthStatus.DEGRADED, HealthStatus.OK)
        return Health(
            status=min((answer.status for answer in answers), key=order.index),
            detail=" ".join(answer.detail for answer in answers),
            facts={**answers[0].facts, **answers[1].facts},
        )

    def close(self) -> None:
        """Forget all keys; see `Storage.close`."""
        if self._closed:
            return
        self._uploads.close()
        self._closed = True
        self._keys.forget()
        if self._owns:
            self._inner.close()
            self._keyring.close()

    def tenant_keys(self, tenant: str | None = None) -> Iterator[TenantKey]:
        """Iterate over the keys of tenants; see `EncryptionKeys.tenant_keys`."""
        self._refuse_closed()
        return self._keys.listed(tenant)

    def rotate_keys(self, tenant: str | None = None, *, new_generation: bool = False) -> Iterator[TenantKey]:
        """Wrap the keys of tenants anew; see `EncryptionKeys.rotate_keys`."""
        self._refuse_closed()
        return self._keys.rotated(tenant, new_generation=new_generation)

    def destroy_keys(self, tenant: str) -> int:
        """Destroy the keys of a tenant permanently; see `EncryptionKeys.destroy_keys`."""
        self._refuse_closed()
        return self._keys.destroyed(tenant)

    def _sealed(self, key: str, source: Source, sha256: str | None) -> tuple[SealedFile, int]:
        tenant = self._tenant(key)
        size = size_of(source)
        generation, tenant_key = self._keys.current(tenant)
        data_key, wrapped = new_data_key(tenant_key)
        header = Header(generation, size, wrapped)
        return SealedFile(ChunkCipher(data_key, header, tenant, key), header, source, sha256), size

    def _from_the_begin(self, key: str, start: int, length: int | None) -> Iterator[bytes]:
        """Read header and chunks in one stream, which sees one object, also while it is being replaced."""
        end = None if length is None else HEADER_BYTES + -(-(start + length) // CHUNK) * (CHUNK + TAG)
        pieces = Pieces(self._inner.read(key, start=0, length=end))
        header = Header.decode(bytes(pieces.take(HEADER_BYTES)))
        cipher = self._cipher(key, header)
        return iter(()) if length == 0 else opened(pieces, cipher, 0, start, _end(start, length, header))

    def _from_open(self, inner: OpenObjects, key: str, start: int, length: int | None) -> Iterator[bytes]:
        """Read header and chunks of an object that is held open: no other takes its place meanwhile."""
        held = inner.open_object(key)
        try:
            head = bytearray(HEADER_BYTES)
            header = Header.decode(bytes(head[: held.read_into(head, 0)]))
            plain = opened_in_place(held, self._cipher(key, header), start, _end(start, length, header))
            next(plain)
        except BaseException:
            held.close()
            raise
        return plain

    def _range(  # noqa: PLR0913, PLR0917  # what was asked for, and what was found
        self, key: str, start: int, length: int | None, header: Header, cipher: ChunkCipher, pieces: Pieces
    ) -> Iterator[bytes]:
        """Read chunks behind a header that was read before; start again where another object is there meanwhile."""
        for _ in range(_REPLACEMENTS):
            first = _chunk_of(start, cipher)
            plain = opened(pieces, cipher, first, start, _end(start, length, header))
            try:
                head = next(plain, None)
            except DamagedError:
                before = header
                header, cipher = self._header(key)
                if header == before:
                    raise
                pieces = self._chunks(key, start, length, cipher)
                continue
            if head is not None:
                yield head
                yield from plain
            return
        raise BackendError("An object was replaced again and again while a range of it was read: try again.")

    def _chunks(self, key: str, start: int, length: int | None, cipher: ChunkCipher) -> Pieces:
        shape = cipher.shape
        begin = shape.offset(_chunk_of(start, cipher))
        if length is None:
            return Pieces(self._inner.read(key, start=begin))
        behind = shape.offset(-(-(start + length) // CHUNK))
        return Pieces(self._inner.read(key, start=begin, length=max(behind - begin, CHUNK + TAG)))

    def _header(self, key: str) -> tuple[Header, ChunkCipher]:
        header = Header.decode(b"".join(self._inner.read(key, start=0, length=HEADER_BYTES)))
        return header, self._cipher(key, header)

    def _cipher(self, key: str, header: Header) -> ChunkCipher:
        tenant = self._tenant(key)
        return ChunkCipher.unwrapped(self._keys.key(tenant, header.generation), header, tenant, key)

    def _tenant(self, key: str) -> str:
        return self._settings.tenant or key.partition("/")[0]

    def _checked(self, key: str) -> str:
        self._refuse_closed()
        if _is_hidden(validate_key(key)):
            raise RefusedError(f"The encrypted storage keeps its own objects below {KEYS_SEGMENT}: take another key.")
        return key

    def _refuse_closed(self) -> None:
        if self._closed:
            raise BackendError("The encrypted storage is closed.")


class EncryptedBatchStorage(EncryptedStorage):
    """The same over a storage that offers `BatchWrites`."""

    def write_many(self, writes: Sequence[Write]) -> list[ObjectInfo | BackendError]:
        """Encrypt and write all; see `BatchWrites.write_many`.

        Raises:
            ValueError: a key is not valid; nothing was written.
        """
        for write in writes:
            validate_key(write.key)
        answers: list[ObjectInfo | BackendError | None] = [None] * len(writes)
        sealed: dict[int, tuple[SealedFile, int]] = {}
        for place, write in enumerate(writes):
            try:
                sealed[place] = self._sealed(self._checked(write.key), write.source, write.sha256)
            except Exception as error:  # noqa: BLE001 - what one source raises must not stop the others
                answers[place] = _as_backend_error(error)
        inner = cast("BatchWrites", self._inner)
        given = [
            dataclasses.replace(writes[place], source=cast("BinaryIO", file), sha256=None)
            for place, (file, _) in sealed.items()
        ]
        for (place, (file, size)), answer in zip(sealed.items(), inner.write_many(given), strict=True):
            if isinstance(answer, ObjectInfo):
                answers[place] = dataclasses.replace(answer, size=size, sha256=writes[place].sha256)
            else:
                answers[place] = answer if file.failure is None else _as_backend_error(file.failure)
        return [answer for answer in answers if answer is not None]


def open_storage(settings: Settings, inner: Storage, keyring: Keyring) -> EncryptedStorage:
    """Open the encrypted storage over an open one; with `BatchWrites` where that offers it.

    Args:
        settings: how.
        inner: the open storage.
        keyring: the open keyring. Both stay open when the encrypted storage is closed.
    """
    kind = EncryptedBatchStorage if isinstance(inner, BatchWrites) else EncryptedStorage
    return kind(settings, inner, keyring)


def open_over(
    open_inner: Callable[[], Storage], open_keyring: Callable[[], Keyring], settings: Settings
) -> EncryptedStorage:
    """Open the inner storage and the keyring too, and close them with it: for programs without a configuration."""
    inner = open_inner()
    try:
        storage = open_storage(settings, inner, open_keyring())
    except BaseException:
        inner.close()
        raise
    storage._owns = True  # noqa: SLF001 - of this module's own class
    return storage


def _end(start: int, length: int | None, header: Header) -> int:
    return header.size if length is None else min(header.size, start + length)


def _chunk_of(start: int, cipher: ChunkCipher) -> int:
    # Behind the end, the last chunk is read: it proves that the end is there.
    return min(start // CHUNK, cipher.shape.chunks - 1)


def _is_hidden(key: str) -> bool:
    return key.partition("/")[0] == KEYS_SEGMENT


def _as_backend_error(error: Exception) -> BackendError:
    if isinstance(error, BackendError):
        return error
    foreign = BackendError(f"The source of an object could not be read ({type(error).__name__}).")
    foreign.__cause__ = error
    return foreign
