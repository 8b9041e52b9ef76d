"""An object that arrives as a stream, in a store that takes parts before their key and their digest are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import uuid4

from dicom_common.core import ObjectInfo, Storage
from dicom_common.storage.object._client import Client, CopyingClient, Kept, Part, RemoteObject
from dicom_common.storage.object._multipart import Multipart
from dicom_common.storage.object._sending import Sending
from dicom_common.toolkit import SpoolSink

__all__ = ["PartsSink", "PartsStore"]

_UNKNOWN = "0" * 64
"""What is kept with parts instead of the digest, until that is known."""
_SIZES = (1 << 16, 1 << 20)
"""Of the buffer of a small upload, in bytes."""


@dataclass(frozen=True, slots=True)
class PartsStore:
    """What the uploads of a storage share."""

    storage: Storage
    """Writes what is no larger than a part."""
    client: Client
    multipart: Multipart
    part_size: int
    """In bytes: so much of each upload is in memory."""
    sends_early: Callable[[], bool]
    """Whether parts can be sent before their key is known; asked with the first full part."""
    stage: str
    """Below it are the keys of uploads that have no key yet."""
    place: Callable[[str, bool], tuple[str, bool]]
    """Makes of a key, and of whether it must be absent, what the store is given."""
    later: Callable[[Callable[[], None]], None]
    """Makes requests later, when they may be made: from the garbage collector it is no time for them."""


class _Buffer:
    """The bytes of a part. It grows twice at most: to grow by and by would take the memory of several parts."""

    def __init__(self, limit: int) -> None:
        self._limit, self._filled = limit, 0
        self._bytes = memoryview(b"")

    @property
    def is_full(self) -> bool:
        return self._filled == self._limit

    @property
    def view(self) -> memoryview:
        """What it holds."""
        return self._bytes[: self._filled]

    def fill(self, data: memoryview) -> int:
        """Take as many bytes as there is room for, and return how many."""
        taken = min(len(data), self._limit - self._filled)
        needed = self._filled + taken
        if needed > len(self._bytes):
            grown = memoryview(bytearray(min(size for size in (*_SIZES, self._limit) if needed <= size)))
            grown[: self._filled] = self.view
            self._bytes = grown
        self._bytes[self._filled : needed] = data[:taken]
        self._filled = needed
        return taken


class PartsSink:
    """Sends parts while their bytes arrive; see `dicom_common.toolkit.Sink`.

    Where the store is told the key only at the end (`Client.names_late`), they become the object then. Otherwise they
    become an object that is hidden, which the store copies itself (`CopyingClient`): the bytes are sent once. Where
    neither works, they wait on this machine.
    """

    def __init__(self, store: PartsStore) -> None:
        self._store = store
        self._buffer = _Buffer(store.part_size)
        self._sending: Sending | None = None
        self._parts: list[Part] | None = None
        self._staged: str | None = None
        """The key of the hidden object."""
        self._spool: SpoolSink | None = None
        """Where the bytes wait if the store turns out not to take parts yet."""

    def append(self, data: memoryview) -> None:
        """Send what is more than a part; see `Sink.append`."""
        while data:
            if self._spool is not None:
                self._spool.append(data)
                return
            # The last part must have bytes: a full one waits until there are more.
            if self._buffer.is_full:
                self._send(last=False)
            else:
                data = data[self._buffer.fill(data) :]

    def place(self, key: str, sha256: str, *, if_absent: bool) -> ObjectInfo:
        """Make the object; see `Sink.place`."""
        if self._spool is not None:
            return self._spool.place(key, sha256, if_absent=if_absent)
        if self._sending is None:
            return self._store.storage.write(key, self._buffer.view, if_absent=if_absent, sha256=sha256)
        if self._parts is None:
            self._send(last=True)
            self._parts = self._sending.parts()
        whole_key, must_be_absent = self._store.place(key, if_absent)
        kept = Kept(sha256=sha256, attempt=uuid4().hex)
        if isinstance(self._store.client, CopyingClient):
            found = self._copied(self._store.client, whole_key, kept, if_absent=must_be_absent)
        else:
            upload = replace(self._sending.upload, key=whole_key, kept=kept)
            found = self._store.multipart.finish(upload, self._parts, if_absent=must_be_absent)
            self._sending = None
        return ObjectInfo(key=key, size=found.size, modified=found.modified, sha256=sha256)

    def drop(self) -> None:
        """Take back what is in the store and not an object, later; see `Sink.drop`."""
        self._buffer = _Buffer(0)
        sending, staged, store = self._sending, self._staged, self._store
        if self._spool is not None:
            self._spool.drop()
        if staged is not None:
            store.later(lambda: store.client.delete(staged))
        elif sending is not None:
            store.later(lambda: store.multipart.abandon(sending))

    def _send(self, *, last: bool) -> None:
        if self._sending is None:
            if not self._store.sends_early():
                self._spool = SpoolSink(self._store.storage)
                self._spool.append(self._buffer.view)
                self._buffer = _Buffer(0)
                return
            kept = Kept(sha256=_UNKNOWN, attempt=uuid4().hex)
            self._sending = self._store.multipart.begin(f"{self._store.stage}{kept.attempt}", kept, if_absent=False)
        with self._sending.slot() as send:
            send(self._buffer.view, last)
            self._buffer = _Buffer(self._store.part_size)

    def _copied(self, client: CopyingClient, key: str, kept: Kept, *, if_absent: bool) -> RemoteObject:
        assert self._sending is not None
        assert self._parts is not None
        multipart = self._store.multipart
        if self._staged is None:
            multipart.finish(self._sending.upload, self._parts, if_absent=False)
            self._staged = self._sending.upload.key
        return multipart.copy(client, self._staged, self._parts, key=key, kept=kept, if_absent=if_absent)
