"""The parts of one large object on their way to the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

from dicom_common.core import BackendError
from dicom_common.storage.object._client import Client, CopyingClient, Part, Upload
from dicom_common.storage.object._source import Bytes
from dicom_common.toolkit import Retry

__all__ = ["Sending"]


class Sending:
    """Sends parts, several at once, with the threads and the memory that all large writes share.

    Args:
        client: the store.
        retry: for each request.
        threads: send the parts.
        slots: as many as there may be parts in memory. One is taken before a part is read, and given back when the part
            was sent: no writer waits for a second one with one in hand.
        upload: the large write.
    """

    def __init__(
        self,
        client: Client,
        retry: Retry,
        threads: ThreadPoolExecutor,
        slots: threading.BoundedSemaphore,
        upload: Upload,
    ) -> None:
        self.upload = upload
        self._client, self._retry, self._threads, self._slots = client, retry, threads, slots
        self._under_way: set[Future[Part]] = set()
        self._sent: list[Part] = []
        self._number = self._offset = 0

    @contextmanager
    def slot(self) -> Iterator[Callable[[Bytes, bool], None]]:
        """Wait until a part may be read, and give what sends it: its bytes, and whether it is the last.

        Raises:
            BackendError: an earlier part could not be sent, or the store takes no more parts.
        """
        self._slots.acquire()
        sending: Future[Part] | None = None

        def send(body: Bytes, last: bool) -> None:
            nonlocal sending
            sending = self._submit(body, last=last)

        try:
            yield send
        finally:
            if sending is None:
                self._slots.release()
            else:
                sending.add_done_callback(lambda _: self._slots.release())
                self._under_way.add(sending)
        if self._client.in_order:
            wait(self._under_way)
        self._collect()

    def copy(self, client: CopyingClient, source: str, parts: Sequence[Part]) -> list[Part]:
        """Have the store copy an object of its own that was made of parts, and return its copies of them, in order.

        Raises:
            BackendError: one could not be copied.
        """
        start = 0
        for part in parts:
            self._under_way.add(self._threads.submit(self._copied, client, source, start, part))
            start += part.size
        return self.parts()

    def _copied(self, client: CopyingClient, source: str, start: int, part: Part) -> Part:
        return self._retry.call(
            lambda: client.copy_part(self.upload, part.number, source=source, start=start, length=part.size)
        )

    def parts(self) -> list[Part]:
        """Wait for all parts, and return them in order.

        Raises:
            BackendError: one could not be sent.
        """
        wait(self._under_way, return_when=FIRST_EXCEPTION)
        self._collect()
        return sorted(self._sent, key=lambda part: part.number)

    def cancel(self) -> None:
        """Wait for the parts that are under way: one that arrives after the upload was abandoned would stay."""
        for each in self._under_way:
            each.cancel()
        wait(self._under_way)
        self._under_way.clear()

    def _submit(self, body: Bytes, *, last: bool) -> Future[Part]:
        if self._number == self._client.max_parts:
            raise BackendError(
                "An object has more parts than the store takes: raise part_size, and write no file that grows."
            )
        self._number += 1
        number, offset = self._number, self._offset
        self._offset += len(body)

        def send() -> Part:
            return self._retry.call(lambda: self._client.put_part(self.upload, number, offset, body, last=last))

        return self._threads.submit(send)

    def _collect(self) -> None:
        done = {each for each in self._under_way if each.done()}
        self._under_way -= done
        self._sent += [each.result() for each in done]
