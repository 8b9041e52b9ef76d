"""The storage itself."""

from __future__ import annotations

import hashlib
import io
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import IO, TypeVar
from uuid import uuid4

from acme_webdav._client import Found, WebDavClient
from acme_webdav._settings import Settings
from dicom_common.core import (
    RESERVED_SEGMENT,
    AlreadyExistsError,
    BackendError,
    DamagedError,
    Health,
    HealthStatus,
    NotFoundError,
    ObjectInfo,
    RefusedError,
    Source,
    validate_key,
)
from dicom_common.toolkit import Retry, TreeEntry, walk_tree

__all__ = ["WebDavStorage"]

T = TypeVar("T")
_UPLOADS = f"{RESERVED_SEGMENT}/uploads"
_LOCKS = f"{RESERVED_SEGMENT}/locks"
_LOCKED = 6.0
"""Seconds for which a key is locked at most; no MOVE begins in the second half of them."""
_STALE = timedelta(days=1)
_MEMORY, _CHUNK = 1 << 20, 1 << 20
_CUT = ";?#"
_ASKED_AGAIN = (0.02, 0.05, 0.1)
"""Seconds to wait before an object counts as missing: a server may delete before it moves (RFC 4918 9.9.3)."""


class WebDavStorage:
    """Objects as files of a WebDAV server; the methods promise what `dicom_common.core.Storage` says."""

    def __init__(self, settings: Settings) -> None:
        self._client: WebDavClient | None = WebDavClient(settings)
        self._name = self._client.name
        self._retry = Retry(attempts=settings.attempts, deadline=settings.deadline)
        self._wait = Retry(attempts=10_000, deadline=settings.deadline)
        self._move = Retry(attempts=settings.attempts, deadline=min(settings.deadline, _LOCKED / 2))
        self._folders: set[str] = set()

    def write(self, key: str, source: Source, *, if_absent: bool = False, sha256: str | None = None) -> ObjectInfo:
        """Upload the bytes under a hidden name, and move them to their key."""
        client = self._opened()
        _refuse_name(key)
        with tempfile.SpooledTemporaryFile(_MEMORY) as body:  # its size and its digest are known before it is sent
            size, found = _spool(source, body)
            if sha256 is not None and sha256.lower() != found:
                raise DamagedError(
                    "The bytes of an object do not have the SHA-256 that was given; nothing was written."
                )
            hidden = f"{_UPLOADS}/{uuid4().hex}"
            try:
                self._make_folders(hidden)
                self._retry.call(lambda: client.put(hidden, body, size))  # type: ignore[arg-type]  # it is a BinaryIO
                self._make_folders(key)
                self._place(hidden, key, if_absent=if_absent)
            except BaseException:
                with suppress(BackendError):
                    client.delete(hidden)
                raise
        return self.stat(key)

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Iterate over the bytes of an object."""
        if start < 0 or (length is not None and length < 0):
            raise ValueError("start and length of a read must not be negative")
        left = max(self.stat(key).size - start, 0)
        chunks = self._chunks(key, start, left if length is None else min(length, left))
        next(chunks)  # the answer has come, and is given up with the iterator from here on
        return chunks

    def stat(self, key: str) -> ObjectInfo:
        """Tell what is known of an object."""
        return _info(key, self._found(_refuse_name(key)))

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectInfo]:
        """Iterate over the objects, a listing for each folder."""
        client = self._opened()

        def children(path: bytes, _: Found | None) -> list[TreeEntry[Found]]:
            try:
                found = self._retry.call(lambda: client.list(path.decode()))
            except NotFoundError:
                return []
            return [TreeEntry(each.name.encode(), each.is_folder, each) for each in found]

        for key, found in walk_tree(children, prefix=prefix, after=after):
            yield _info(key, found)

    def delete(self, key: str) -> None:
        """Delete an object. A folder of that name is not an object, and stays."""
        client = self._opened()
        with suppress(NotFoundError):
            self._found(_refuse_name(key))
            self._retry.call(lambda: client.delete(key))

    def check(self) -> Health:
        """Write and delete a small object, and what processes that died have left."""
        client = self._opened()
        probe = f"{_UPLOADS}/{uuid4().hex}"
        self._make_folders(probe)
        client.put(probe, io.BytesIO(b"probe"), 5)
        client.delete(probe)
        for left in client.list(_UPLOADS + "/"):
            if left.modified < datetime.now(UTC) - _STALE:
                client.delete(f"{_UPLOADS}/{left.name}")
        return Health(status=HealthStatus.OK, detail=f"{self._name} can be written.")

    def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _opened(self) -> WebDavClient:
        if self._client is None:
            raise BackendError(f"The storage on {self._name} is closed.")
        return self._client

    def _found(self, key: str) -> Found:
        client = self._opened()

        def ask() -> Found:
            found = next(iter(client.list(key, depth=0)), None)
            if found is None or found.is_folder:
                raise NotFoundError(f"{self._name} has no such object.")
            return found

        return _asked_again(lambda: self._retry.call(ask))

    def _chunks(self, key: str, start: int, length: int) -> Iterator[bytes]:
        if length == 0:
            yield b""
            return
        client = self._opened()
        with ExitStack() as opened:
            chunks = _asked_again(
                lambda: self._retry.call(lambda: opened.enter_context(client.get(key, start, length)))
            )
            yield b""
            yield from chunks

    def _make_folders(self, key: str) -> None:
        client, segments = self._opened(), key.split("/")[:-1]
        for count in range(1, len(segments) + 1):
            folder = "/".join(segments[:count])
            if folder not in self._folders:
                self._retry.call(lambda path=folder: client.make_folder(path))  # type: ignore[misc]  # a default of a lambda
                self._folders.add(folder)

    def _place(self, hidden: str, key: str, *, if_absent: bool) -> None:
        client, tries = self._opened(), 0

        def move(*, replace: bool) -> None:
            nonlocal tries
            tries += 1
            try:
                client.move(hidden, key, replace=replace)
            except NotFoundError:
                if tries == 1:
                    raise  # else an answer was lost, and it was moved

        # Servers look whether the key is taken, and move afterwards: of several that claim it, more than one would win.
        lock = f"{_LOCKS}/{hashlib.sha256(key.encode()).hexdigest()[:2]}"
        self._make_folders(lock)
        with client.locked(lock, self._wait, _LOCKED):
            try:
                self._move.call(lambda: move(replace=False))
            except AlreadyExistsError:
                self._refuse_folder(key)
                if if_absent:
                    raise
                self._move.call(lambda: move(replace=True))

    def _refuse_folder(self, key: str) -> None:
        client = self._opened()
        with suppress(NotFoundError):  # another writer is replacing it
            if any(there.is_folder for there in self._retry.call(lambda: client.list(key, depth=0))):
                # Replaced by MOVE it would go, with all objects in it.
                raise RefusedError("The storage key is the folder of others: a key must not be that.") from None


def _refuse_name(key: str) -> str:
    """Refuse names that a server cuts which reads the header Destination in another order than RFC 4918 10.3 says."""
    if any(mark in validate_key(key) for mark in _CUT):
        raise RefusedError("A WebDAV server may cut a name at ; ? or #: the storage takes no key with one of them.")
    return key


def _spool(source: Source, body: IO[bytes]) -> tuple[int, str]:
    """Copy a source; return its size and its digest."""
    digest, size = hashlib.sha256(), 0
    if isinstance(source, bytes | bytearray | memoryview):
        source = io.BytesIO(memoryview(source).cast("B"))
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        size += body.write(chunk)
    return size, digest.hexdigest()


def _asked_again(ask: Callable[[], T]) -> T:
    for pause in _ASKED_AGAIN:
        try:
            return ask()
        except NotFoundError:
            time.sleep(pause)
    return ask()


def _info(key: str, found: Found) -> ObjectInfo:
    return ObjectInfo(key=key, size=found.size, modified=found.modified)
