"""Uploads: what all storages do alike with an object that arrives as a stream."""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from dicom_common.core import AlreadyExistsError, BackendError, DamagedError, ObjectInfo, validate_key

__all__ = ["OpenUploads", "Sink", "StreamedUpload"]


class Sink(Protocol):
    """Where the bytes of one upload go: what a storage has to write. It is called by one thread at a time."""

    def append(self, data: memoryview) -> None:
        """Keep some more bytes; they are the caller's again when this returns."""
        ...

    def place(self, key: str, sha256: str, *, if_absent: bool) -> ObjectInfo:
        """Make the object of all bytes: atomic, and durable on return.

        Args:
            key: a valid key.
            sha256: the digest of what was appended, in hex.
            if_absent: refuse to replace.

        Raises:
            AlreadyExistsError: the object is there; `place` may be called again, with another key.
        """
        ...

    def drop(self) -> None:
        """Release what is held; called once, whether or not there is an object now.

        The garbage collector may be the one who calls, in the middle of anything: no lock and no request here.
        """
        ...


class StreamedUpload:
    """A `dicom_common.core.Upload` over a sink.

    Args:
        sink: keeps the bytes.
        ended: is called after the upload has ended by `commit` or `abort`.
    """

    def __init__(self, sink: Sink, ended: Callable[[], None] = lambda: None) -> None:
        self._sink, self._ended = sink, ended
        self._digest = hashlib.sha256()
        self._is_open, self._is_complete = True, False
        self._lock = threading.Lock()
        self._process = os.getpid()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes; see `Upload.write`."""
        view = memoryview(data).cast("B")
        with self._lock:
            self._refuse_ended()
            if self._is_complete:
                raise BackendError("An upload takes no more bytes once it was committed: commit it, or abort it.")
            try:
                self._sink.append(view)
            except BaseException:
                self._end()
                raise
            self._digest.update(view)

    def commit(self, key: str, *, if_absent: bool = False, sha256: str | None = None) -> ObjectInfo:
        """Make the object; see `Upload.commit`."""
        validate_key(key)
        with self._lock:
            self._refuse_ended()
            self._is_complete = True
            try:
                found = self._digest.hexdigest()
                if sha256 is not None and sha256.lower() != found:
                    raise DamagedError(  # noqa: TRY301 - the upload is ended in one place
                        "The bytes of an object do not have the SHA-256 that was given; nothing was written."
                    )
                info = self._sink.place(key, found, if_absent=if_absent)
            except AlreadyExistsError:
                raise
            except BaseException:
                self._end()
                raise
            self._end()
        return info

    def abort(self) -> None:
        """Drop the bytes; see `Upload.abort`."""
        with self._lock:
            if self._is_open:
                self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def __del__(self) -> None:
        # In a forked child the bytes are the parent's. Nothing else refers to this object: no lock is needed.
        if self._is_open and os.getpid() == self._process:
            self._is_open = False
            self._sink.drop()

    def _end(self) -> None:
        self._is_open = False
        self._sink.drop()
        self._ended()

    def _refuse_ended(self) -> None:
        if not self._is_open:
            raise BackendError("The upload has ended: it was committed or aborted, or its storage was closed.")


class OpenUploads:
    """The uploads of a storage that have not ended: they end with the storage.

    Args:
        tidy: is called when an upload has ended, and before a new one begins: to make the requests that `Sink.drop`
            must not make.
    """

    def __init__(self, tidy: Callable[[], None] = lambda: None) -> None:
        self._tidy = tidy
        self._open: weakref.WeakSet[StreamedUpload] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._is_closed = False

    def open(self, sink: Sink) -> StreamedUpload:
        """Begin an upload.

        Raises:
            BackendError: the storage was closed.
        """
        self._tidy()
        upload = StreamedUpload(sink, self._tidy)
        with self._lock:
            if not self._is_closed:
                self._open.add(upload)
                return upload
        upload.abort()
        raise BackendError("The storage is closed.")

    def close(self) -> None:
        """Abort all; each waits for the call that it is in."""
        with self._lock:
            self._is_closed = True
            uploads = list(self._open)
        for upload in uploads:
            upload.abort()
