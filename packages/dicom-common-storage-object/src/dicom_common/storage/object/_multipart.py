"""Large objects: in parts, several at once, with a memory that does not grow."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from dicom_common.core import AlreadyExistsError, BackendError, DamagedError, NotFoundError, Source, UnavailableError
from dicom_common.storage.object._client import Client, DoubtfulError, Kept, Part, RemoteObject, Upload
from dicom_common.storage.object._retry import Retry
from dicom_common.storage.object._source import Bytes, parts_of

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
        upload = self._retry.call(lambda: self._client.start(key, kept, if_absent=if_absent))
        try:
            parts = self._send(upload, source, size)
            return self._finish(upload, parts, if_absent=if_absent)
        except UnavailableError:
            self._abandon(upload, replace(self._retry, attempts=1))  # it was tried for long enough
            raise
        except BaseException:
            self._abandon(upload, self._retry)
            raise

    def _abandon(self, upload: Upload, retry: Retry) -> None:
        with suppress(BackendError):  # the error says why the write failed; what stays behind is counted by `check`
            retry.call(lambda: self._client.abandon(upload))

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _send(self, upload: Upload, source: Source, size: int) -> list[Part]:
        """Send all parts, and compare the digest before the last one goes."""
        under_way: set[Future[Part]] = set()
        parts: list[Part] = []
        try:
            for sending in self._sending(upload, source, size):
                under_way.add(sending)
                if self._client.in_order:
                    wait(under_way)
                done = {each for each in under_way if each.done()}
                under_way -= done
                parts += [each.result() for each in done]
            while under_way:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                parts += [each.result() for each in done]
        except BaseException:
            for each in under_way:
                each.cancel()
            wait(under_way)  # a part that arrives after the upload was abandoned would stay
            raise
        return sorted(parts, key=lambda part: part.number)

    def _sending(self, upload: Upload, source: Source, size: int) -> Iterator[Future[Part]]:
        digest, offset = hashlib.sha256(), 0
        pieces = parts_of(source, max(self._part_size, -(-size // self._client.max_parts)))
        for number in range(1, self._client.max_parts + 1):
            self._slots.acquire()
            try:
                body, last = next(pieces)
                digest.update(body)
                if last and digest.hexdigest() != upload.kept.sha256:
                    raise DamagedError(  # noqa: TRY301 - the slot is given back in one place
                        "The bytes of an object do not have the SHA-256 that was given; nothing was written."
                    )
                sending = self._submit(upload, number, offset, body, last=last)
            except BaseException:
                self._slots.release()
                raise
            sending.add_done_callback(lambda _: self._slots.release())
            offset += len(body)
            del body  # it lives as long as it is on its way
            yield sending
            if last:
                return
        raise BackendError("The source of an object has more bytes than it told: it grew while it was written.")

    def _submit(self, upload: Upload, number: int, offset: int, body: Bytes, *, last: bool) -> Future[Part]:
        def send() -> Part:
            return self._retry.call(lambda: self._client.put_part(upload, number, offset, body, last=last))

        return self._threads.submit(send)

    def _finish(self, upload: Upload, parts: list[Part], *, if_absent: bool) -> RemoteObject:
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
