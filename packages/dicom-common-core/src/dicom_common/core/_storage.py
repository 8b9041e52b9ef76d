"""The Protocol of an object storage: a flat map from key to bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from dicom_common.core._errors import BackendError
from dicom_common.core._health import Health

__all__ = [
    "MAX_KEY_BYTES",
    "RESERVED_SEGMENT",
    "BatchWrites",
    "LocalFiles",
    "ObjectInfo",
    "OpenObject",
    "OpenObjects",
    "SignedUrls",
    "Source",
    "Storage",
    "Upload",
    "Uploads",
    "Write",
    "validate_key",
]

MAX_KEY_BYTES = 1024
"""The longest key, in bytes of UTF-8: what S3, GCS and Azure all take."""
_MAX_SEGMENT_BYTES = 255
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")

RESERVED_SEGMENT = ".dicom-common"
"""The first segment of no key: below it a storage keeps what is its own, such as half-written and probing objects."""

Source = bytes | bytearray | memoryview | BinaryIO
"""What can be written: bytes, or a binary file that can seek (a retry starts again from where it stood)."""


def validate_key(key: str) -> str:
    """Return `key` if it is one: segments joined by `/`, none empty, `.` or `..`, no control character, no backslash.

    At most 255 bytes of UTF-8 a segment and 1024 in all, and the first segment is not `RESERVED_SEGMENT`. Every storage
    refuses other keys alike.

    Raises:
        ValueError: it is not; the message does not repeat the key, which may come from a data set.
    """
    try:
        encoded = key.encode()
    except UnicodeEncodeError:
        raise ValueError("a storage key must be valid Unicode, without lone surrogates") from None
    if not 0 < len(encoded) <= MAX_KEY_BYTES:
        raise ValueError(f"a storage key has 1 to {MAX_KEY_BYTES} bytes of UTF-8")
    if _FORBIDDEN.search(key):
        raise ValueError("a storage key has no control characters and no backslash")
    for segment in encoded.split(b"/"):
        if segment in (b"", b".", b"..") or len(segment) > _MAX_SEGMENT_BYTES:
            raise ValueError(
                f"the segments of a storage key have 1 to {_MAX_SEGMENT_BYTES} bytes of UTF-8 and are not '.' or '..'"
            )
    if key.partition("/")[0] == RESERVED_SEGMENT:
        raise ValueError(
            f"a storage key does not begin with {RESERVED_SEGMENT!r}: storages keep their own objects there"
        )
    return key


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    """What a storage knows of an object."""

    key: str
    size: int
    """In bytes."""
    modified: datetime
    """When it was last written; with a zone."""
    sha256: str | None = None
    """The digest that was kept with it, in hex; None where the storage keeps none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write of a batch; the arguments of `Storage.write`."""

    key: str
    source: Source = field(repr=False)
    if_absent: bool = False
    sha256: str | None = None


class Storage(Protocol):
    """Objects by key. Thread-safe. Memory does not grow with the size of an object.

    A key is what `validate_key` lets through, else ValueError. Keys are the paths of a tree: a key must not be the
    folder of another one (`a/b` and `a/b/c`). A storage that cannot hold both refuses the later with `RefusedError`;
    one that can may take it, and who relies on that cannot change storages. A storage that would change a name (cut a
    dot from its end, fold its case) refuses such keys with `RefusedError`, in every method. Every method may raise
    `UnavailableError` (try again) and `RefusedError` (do not).
    """

    def write(self, key: str, source: Source, *, if_absent: bool = False, sha256: str | None = None) -> ObjectInfo:
        """Write an object: atomic, and durable on return. A reader sees the old object, or the new one, whole.

        Args:
            key: where.
            source: the bytes; a file is read from where it stands to its end.
            if_absent: refuse to replace; of several that write at once, one succeeds.
            sha256: the digest, in hex, that the bytes must have.

        Raises:
            AlreadyExistsError: `if_absent`, and the object is there.
            DamagedError: the bytes do not have the digest; nothing was written.
        """
        ...

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Iterate over the bytes from `start` on, `length` of them at most, in chunks of at most 1 MiB.

        A range beyond the end gives what there is. The object is opened by this call, not by the first `next`.

        Raises:
            NotFoundError: there is no such object.
            ValueError: `start` or `length` is negative.
        """
        ...

    def stat(self, key: str) -> ObjectInfo:
        """Tell what is known of an object.

        Raises:
            NotFoundError: there is no such object.
        """
        ...

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectInfo]:
        """Iterate over the objects whose key starts with `prefix` (any text, not only whole segments).

        In ascending order of the keys' UTF-8 bytes, from behind `after` on. An object written or deleted meanwhile may
        be seen or not; all others are seen once.
        """
        ...

    def delete(self, key: str) -> None:
        """Delete an object, durably. Deleting what is not there is no error."""
        ...

    def check(self) -> Health:
        """Find out whether objects can be written and read. It may raise, and may hang: see `Health`."""
        ...

    def close(self) -> None:
        """Release what is held. A second call does nothing."""
        ...


@runtime_checkable
class BatchWrites(Protocol):
    """A storage that can make many objects durable at less cost than one by one."""

    def write_many(self, writes: Sequence[Write]) -> list[ObjectInfo | BackendError]:
        """Write all; the answers are in the order of the writes, and one that fails does not stop the others.

        The objects that are there on return are durable. The order in which they appear is not defined.
        """
        ...


class Upload(AbstractContextManager["Upload", None], Protocol):
    """An object that arrives as a stream. Nothing of it is visible before `commit`. A context manager.

    It has one user at a time; any thread may abort it. Leaving the context, closing the storage and dropping the last
    reference abort it, too. What a killed process leaves of it is hidden, and the storage removes it later.
    """

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes.

        Raises:
            BackendError: they cannot be kept, and the upload is aborted; or a commit or the end came before.
        """
        ...

    def commit(self, key: str, *, if_absent: bool = False, sha256: str | None = None) -> ObjectInfo:
        """Make the object, as `Storage.write` does, and end the upload. Any error aborts it, but for the first two.

        Raises:
            AlreadyExistsError: `if_absent`, and the object is there; the upload can be committed to another key.
            ValueError: `key` is not a key; the upload can be committed to another one.
            DamagedError: the bytes do not have the digest; nothing was written.
            BackendError: as `Storage.write`; or the upload has ended.
        """
        ...

    def abort(self) -> None:
        """End the upload and drop its bytes. Where it has ended, this does nothing."""
        ...


@runtime_checkable
class Uploads(Protocol):
    """A storage that can take an object while it arrives, before its key, its size and its digest are known."""

    def open_upload(self) -> Upload:
        """Begin an upload."""
        ...


@runtime_checkable
class SignedUrls(Protocol):
    """A storage whose objects can be fetched by a URL that carries its own, expiring permission."""

    def signed_url(self, key: str, *, expires: int) -> str:
        """Make a URL for GET that works for `expires` seconds (1 to 604800)."""
        ...


class OpenObject(Protocol):
    """An object that is held open: the version that was there when it was opened, whatever replaces or deletes it."""

    def read_into(self, buffer: bytearray | memoryview, position: int) -> int:
        """Fill a buffer with the bytes from a position on; return how many there were, fewer only at the end.

        May be called from several threads at once. Raises what `Storage.read` does.
        """
        ...

    def close(self) -> None:
        """Release it; whoever opened it has to. A second call does nothing, any other raises `BackendError`."""
        ...


@runtime_checkable
class OpenObjects(Protocol):
    """A storage that can hold an object open, to read it in many places without looking for it each time."""

    def open_object(self, key: str) -> OpenObject:
        """Open an object for reading.

        Raises:
            NotFoundError: there is no such object.
        """
        ...


@runtime_checkable
class LocalFiles(Protocol):
    """A storage whose objects are files of this machine."""

    def local_path(self, key: str) -> Path:
        """Tell where the object's file is; it must only be read.

        Raises:
            NotFoundError: there is no such object.
        """
        ...
