"""The storage that is made of a store's client."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from uuid import uuid4

from dicom_common.core import (
    AlreadyExistsError,
    BackendError,
    DamagedError,
    Health,
    NotFoundError,
    ObjectInfo,
    Source,
    Upload,
    Write,
    validate_key,
)
from dicom_common.storage.object._client import Client, CopyingClient, Kept, RemoteObject
from dicom_common.storage.object._health import UPLOADS, check_store, copies_parts, keeps_preconditions
from dicom_common.storage.object._keys import Keys
from dicom_common.storage.object._multipart import Multipart, recognised
from dicom_common.storage.object._reading import ObjectReader
from dicom_common.storage.object._settings import ObjectSettings
from dicom_common.storage.object._source import digest_of, whole, wide
from dicom_common.storage.object._upload import PartsSink, PartsStore
from dicom_common.toolkit import OpenUploads, Retry, SpoolSink

__all__ = ["ObjectStorage"]

_PAGE = 1000
_FAR = 1 << 62
_LONGEST_URL = 604_800


class ObjectStorage:
    """A `Storage` with `BatchWrites`, `Uploads` and `SignedUrls`, over the client of an object store.

    Args:
        client: the store; it is closed with the storage.
        settings: what all object stores share.
    """

    def __init__(self, client: Client, settings: ObjectSettings) -> None:
        self._client = client
        self._settings = settings
        self._keys = Keys(settings.prefix, client.max_key_bytes)
        self._retry = Retry(attempts=settings.attempts, deadline=settings.deadline)
        self._multipart = Multipart(client, self._retry, parallel=settings.parallel_parts, part_size=settings.part_size)
        self._batches = ThreadPoolExecutor(settings.pool_size, "dicom-common-objects")
        self._leftovers: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._uploads = OpenUploads(self._tidy)
        self._early: bool | None = None
        self._preconditions = client.preconditions
        self._probing = threading.Lock()
        self._closed = False
        self._process = os.getpid()

    def write(self, key: str, source: Source, *, if_absent: bool = False, sha256: str | None = None) -> ObjectInfo:
        """Write an object; see `Storage.write`. What `source` itself raises passes unchanged."""
        whole_key = self._keys.outer(key)
        self._opened()
        source, size = wide(source)
        if_absent = self._condition(whole_key, if_absent)
        attempt = uuid4().hex
        if size > self._settings.multipart_threshold:
            # A store takes what it keeps with an object before the bytes, so that an unknown digest costs a reading.
            kept = Kept(sha256=(sha256 or digest_of(source)).lower(), attempt=attempt)
            found = self._multipart.write(whole_key, source, size, kept, if_absent=if_absent)
        else:
            body = whole(source, size)
            kept = Kept(sha256=digest_of(body), attempt=attempt)
            if sha256 is not None and sha256.lower() != kept.sha256:
                raise DamagedError(
                    "The bytes of an object do not have the SHA-256 that was given; nothing was written."
                )
            found = recognised(
                self._client,
                self._retry,
                whole_key,
                kept,
                lambda: self._client.put(whole_key, body, kept, if_absent=if_absent),
            )
        return ObjectInfo(key=key, size=found.size, modified=found.modified, sha256=kept.sha256)

    def open_upload(self) -> Upload:
        """Begin an object that arrives as a stream; see `Uploads.open_upload`.

        What is larger than a part goes to the store while it arrives, where the store can give parts a key and a digest
        afterwards. Otherwise the bytes wait on this machine, and go to the store with `commit`.
        """
        self._opened()
        if not (self._client.names_late or isinstance(self._client, CopyingClient)):
            return self._uploads.open(SpoolSink(self))
        store = PartsStore(
            storage=self,
            client=self._client,
            multipart=self._multipart,
            part_size=self._settings.part_size,
            sends_early=self._sends_early,
            stage=f"{self._keys.reserved}{UPLOADS}/",
            place=self._placed,
            later=self._leftovers.put,
        )
        return self._uploads.open(PartsSink(store))

    def write_many(self, writes: Sequence[Write]) -> list[ObjectInfo | BackendError]:
        """Write all, as many at once as the setting `pool_size` allows; see `BatchWrites.write_many`.

        Raises:
            ValueError: a key is not valid; nothing was written.
        """
        for write in writes:
            validate_key(write.key)
        self._opened()
        if len(writes) == 1:  # as many senders have one each: no thread has to be woken for it
            return [self._answer(writes[0])]
        return list(self._batches.map(self._answer, writes))

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Iterate over the bytes of an object; see `Storage.read`.

        Where all bytes are read of an object that has its digest with it, they are compared before the last chunk.

        Raises:
            UnavailableError: while iterating: the object was replaced and the connection broke, so that the rest of
                the old one cannot be had.
            DamagedError: while iterating: the digest differs.
        """
        if start < 0 or (length is not None and length < 0):
            raise ValueError("start and length of a read must not be negative")
        whole_key = self._keys.outer(key)
        self._opened()
        if length == 0 or start >= _FAR:
            self.stat(key)
            return iter(())
        return ObjectReader(self._client, self._retry, whole_key).chunks(start, length)

    def stat(self, key: str) -> ObjectInfo:
        """Tell size, time and digest of an object; see `Storage.stat`."""
        whole_key = self._keys.outer(key)
        self._opened()
        return _info(key, self._retry.call(lambda: self._client.head(whole_key)))

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectInfo]:
        """Iterate over the objects in order; see `Storage.scan`. Objects whose names are no keys are left out."""
        self._opened()
        if not self._keys.may_begin(prefix):
            return
        outer_prefix, outer_after = self._keys.prefix + prefix, self._keys.prefix + after if after else ""
        cursor: str | None = None
        while True:
            at = cursor
            page = self._retry.call(
                lambda at=at: self._client.list(outer_prefix, after=outer_after, cursor=at, limit=_PAGE)  # type: ignore[misc]  # mypy: a default of a lambda
            )
            for found in page.found:
                key = self._keys.inner(found.key)
                if key is not None and key.startswith(prefix) and key.encode() > after.encode(errors="replace"):
                    yield _info(key, found)
            cursor = page.following
            if cursor is None:
                return
            self._opened()

    def delete(self, key: str) -> None:
        """Delete an object; see `Storage.delete`."""
        whole_key = self._keys.outer(key)
        self._opened()
        try:
            self._retry.call(lambda: self._client.delete(whole_key))
        except NotFoundError:
            return

    def signed_url(self, key: str, *, expires: int) -> str:
        """Make a URL for GET; see `SignedUrls.signed_url`. Whether the object is there is not asked.

        Raises:
            ValueError: `expires` is not 1 to 604800.
        """
        whole_key = self._keys.outer(key)
        if not 1 <= expires <= _LONGEST_URL:
            raise ValueError(f"a signed URL works for 1 to {_LONGEST_URL} seconds")
        self._opened()
        return self._retry.call(lambda: self._client.sign(whole_key, expires=expires))

    def check(self) -> Health:
        """Write, read and delete probes, and look at what the store promises; see `Storage.check`."""
        self._opened()
        health, self._preconditions = check_store(self._client, self._keys.reserved, self._keys.prefix)
        return health

    def close(self) -> None:
        """Release what is held; see `Storage.close`. A call that is under way in another thread may fail."""
        if self._closed or os.getpid() != self._process:
            return
        self._uploads.close()
        self._tidy()
        self._closed = True
        self._batches.shutdown(wait=False, cancel_futures=True)
        self._multipart.close()
        self._client.close()

    def _opened(self) -> None:
        if self._closed:
            raise BackendError(f"The storage in {self._client.name} is closed.")
        if os.getpid() != self._process:
            # Its threads are not here, and its connections are the parent's, which goes on talking on them.
            raise BackendError(f"The storage in {self._client.name} was opened before a fork: open it in each process.")

    def _answer(self, write: Write) -> ObjectInfo | BackendError:
        try:
            return self.write(write.key, write.source, if_absent=write.if_absent, sha256=write.sha256)
        except BackendError as error:
            return error
        except Exception as error:  # noqa: BLE001 - one write must not stop the others, whatever its source does
            foreign = BackendError(f"The source of an object could not be read ({type(error).__name__}).")
            foreign.__cause__ = error
            return foreign

    def _keeps_preconditions(self) -> bool:
        if self._preconditions is None:
            with self._probing:
                if self._preconditions is None:
                    self._preconditions = keeps_preconditions(self._client, self._retry, self._keys.reserved)
        return self._preconditions

    def _sends_early(self) -> bool:
        """Tell whether parts of an upload can be sent before its key is known; asked once."""
        if self._early is None:
            client = self._client
            self._early = client.names_late or (
                isinstance(client, CopyingClient) and copies_parts(client, self._retry, self._keys.reserved)
            )
        return self._early

    def _placed(self, key: str, if_absent: bool) -> tuple[str, bool]:
        whole_key = self._keys.outer(key)
        return whole_key, self._condition(whole_key, if_absent)

    def _condition(self, whole_key: str, if_absent: bool) -> bool:
        """Return whether the store is to keep `if_absent`; where it cannot, look first."""
        if if_absent and not self._keeps_preconditions():
            self._refuse_existing(whole_key)
            return False
        return if_absent

    def _tidy(self) -> None:
        """Make the requests that dropped uploads have left."""
        with suppress(queue.Empty):
            while True:
                request = self._leftovers.get_nowait()
                with suppress(BackendError):  # what stays is hidden, and `check` deletes it after a day, or counts it
                    self._retry.call(request)

    def _refuse_existing(self, whole_key: str) -> None:
        """Do what can be done without preconditions: the index has to keep writers at the same moment apart."""
        try:
            self._retry.call(lambda: self._client.head(whole_key))
        except NotFoundError:
            return
        raise AlreadyExistsError("There is an object under this storage key already.")


def _info(key: str, found: RemoteObject) -> ObjectInfo:
    return ObjectInfo(key=key, size=found.size, modified=found.modified, sha256=found.sha256)
