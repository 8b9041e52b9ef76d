"""Large objects: in parts, several at once, with a memory that does not grow."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

from dicom_common.core import AlreadyExistsError, BackendError, DamagedError, NotFoundError, Source, UnavailableError
from dicom_common.storage.object._client import Client, CopyingClient, Kept, Part, RemoteObject, Upload
from dicom_common.storage.object._sending import Sending
from dicom_common.storage.object._source import parts_of
from dicom_common.toolkit import DoubtfulError, Retry

__all__ = ["Multipart", "recognised"]


class Multipart:
    """Writes large objects.

    All writes share its threads and its memory: `parallel` parts are on their way at once, and one more is read.

    Args:
        client: the store.
        retry: for each request.
        parallel: how many parts at once.
        part_size: in bytes.
    """

    def __init__(self, client: Client, retry: Retry, *, parallel: int, part_size: int) -> None:
        self._client = client
        self._retry = retry
        self._part_size = part_size
        self._threads = ThreadPoolExecutor(parallel, "dicom-common-parts")
        # Taken before a part is read, given back when it was sent: no writer waits for a second one with one in hand.
        self._slots = threading.BoundedSemaphore(parallel + 1)

    def write(self, key: str, source: Source, size: int, kept: Kept, *, if_absent: bool) -> RemoteObject:
        """Write an object of about `size` bytes.

        Raises:
            AlreadyExistsError: `if_absent`, and another's object is there.
            DamagedError: the bytes do not have the digest; nothing was written.
        """
        sending = self.begin(key, kept, if_absent=if_absent)
        with self._abandoned_on_error(sending):
            self._send(sending, source, size)
            return self.finish(sending.upload, sending.parts(), if_absent=if_absent)

    def copy(  # noqa: PLR0913 - two objects
        self,
        client: CopyingClient,
        source: str,
        parts: Sequence[Part],
        *,
        key: str,
        kept: Kept,
        if_absent: bool,
    ) -> RemoteObject:
        """Have the store copy an object that was made of parts.

        Raises:
            AlreadyExistsError: `if_absent`, and another's object is there.
        """
        sending = self._sending(self._retry.call(lambda: client.start_copy(key, kept)))
        with self._abandoned_on_error(sending):
            return self.finish(sending.upload, sending.copy(client, source, parts), if_absent=if_absent)

    def begin(self, key: str, kept: Kept, *, if_absent: bool) -> Sending:
        """Begin a large write."""
        return self._sending(self._retry.call(lambda: self._client.start(key, kept, if_absent=if_absent)))

    def _sending(self, upload: Upload) -> Sending:
        return Sending(self._client, self._retry, self._threads, self._slots, upload)

    def abandon(self, sending: Sending, *, attempts: int | None = None) -> None:
        """Take back a large write; what stays behind is counted by `check`."""
        sending.cancel()
        retry = self._retry if attempts is None else replace(self._retry, attempts=attempts)
        with suppress(BackendError):
            retry.call(lambda: self._client.abandon(sending.upload))

    @contextmanager
    def _abandoned_on_error(self, sending: Sending) -> Iterator[None]:
        try:
            yield
        except UnavailableError:
            self.abandon(sending, attempts=1)  # it was tried for long enough
            raise
        except BaseException:
            self.abandon(sending)
            raise

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _send(self, sending: Sending, source: Source, size: int) -> None:
        """Send all parts, and compare the digest before the last one goes."""
        digest = hashlib.sha256()
        pieces = parts_of(source, max(self._part_size, -(-size // self._client.max_parts)))
        while True:
            with sending.slot() as send:
                body, last = next(pieces)
                digest.update(body)
                if last and digest.hexdigest() != sending.upload.kept.sha256:
                    raise DamagedError(
                        "The bytes of an object do not have the SHA-256 that was given; nothing was written."
                    )
                send(body, last)
                del body  # it lives as long as it is on its way
            if last:
                return

    def finish(self, upload: Upload, parts: list[Part], *, if_absent: bool) -> RemoteObject:
        """Make the object of all parts.

        Raises:
            AlreadyExistsError: `if_absent`, and another's object is there.
        """

        def finished() -> RemoteObject:
            self._client.finish(upload, parts, if_absent=if_absent)
            return self._made(upload, parts)

        return recognised(self._client, self._retry, upload.key, upload.kept, finished)

    def _made(self, upload: Upload, parts: list[Part]) -> RemoteObject:
        """Look at what became of the parts: no store tells when it finishes."""
        size = sum(part.size for part in parts)
        found = _head(self._client, upload.key)
        if found is None or found.attempt != upload.kept.attempt:  # another's by now, or deleted: ours was there
            return RemoteObject(
                key=upload.key, size=size, modified=datetime.now(UTC), version="", sha256=upload.kept.sha256
            )
        if found.size != size:
            raise DamagedError(
                f"The store made an object of {found.size} bytes of parts of {size} bytes in all: look at"
                f" {self._client.name}."
            )
        return found


def recognised(client: Client, retry: Retry, key: str, kept: Kept, request: Callable[[], RemoteObject]) -> RemoteObject:
    """Make a request that writes, until it is answered, and know our own object where an answer was lost.

    A connection that breaks after the store has committed, and before it has said so, leaves an object that the next
    attempt finds: `if_absent` would then refuse our own object, and an upload would be unknown because it is finished.
    """
    lost = False

    def attempt() -> RemoteObject:
        nonlocal lost
        try:
            return request()
        except (UnavailableError, DoubtfulError):
            lost = True
            raise
        except (AlreadyExistsError, NotFoundError):
            found = _head(client, key) if lost else None
            if found is not None and found.attempt == kept.attempt and found.sha256 == kept.sha256:
                return found
            raise

    try:
        return retry.call(attempt)
    except NotFoundError as error:
        raise UnavailableError(
            f"It is not known whether an object was written to {client.name}: write it again."
        ) from error


def _head(client: Client, key: str) -> RemoteObject | None:
    try:
        return client.head(key)
    except NotFoundError:
        return None
