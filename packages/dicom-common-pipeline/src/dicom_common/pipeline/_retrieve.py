"""Reading the instances of a study out of any storage: in order, ahead of their reader, with their digests verified."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from time import perf_counter
from typing import NamedTuple

from dicom_common.core import BackendError, DamagedError, LocalFiles, NotFoundError, Storage, Stored
from dicom_common.host import Services
from dicom_common.pipeline._concurrent import Threads
from dicom_common.pipeline._object_ranges import damaged, lost

__all__ = ["Retrieved", "read_ahead", "retrieve"]

_SMALL = 256 * 1024
"""Bytes of a file of this machine up to which reading it takes less time than having a thread read it."""
_SLOW, _SLOW_IN_A_ROW = 0.002, 3
"""Seconds that such a read takes where the file system is on another machine or the disk has to seek. A single
slow read may also be due to a busy processor."""


class Retrieved(NamedTuple):
    """An instance on its way out of the storage."""

    stored: Stored
    chunks: Iterator[bytes]
    """Its bytes, exactly as received. Read them before the next instance is asked for; those not read are passed over.

    The last chunk is given only when size and SHA-256 of the whole have been compared with the index: whoever has got
    to the end has the right bytes, and whoever has met an error has not got all of them.

    Raises, while iterating:
        NotFoundError: the storage does not have the instance.
        DamagedError: its bytes are not those that were indexed.
        BackendError: the storage failed; or the next instance was asked for before.
    The next instance can be asked for in spite of any of these.
    """


def retrieve(  # noqa: PLR0913 - what is wanted, and how much at once
    services: Services,
    tenant: str,
    study: str,
    series: str | None = None,
    sop: str | None = None,
    *,
    in_flight: int = 8,
    chunk: int = 1 << 20,
) -> Generator[Retrieved, None, None]:
    """Iterate over the instances of a study, a series, or over the one, in the order of `Database.find`.

    Parts of the instances to come are read meanwhile. Nothing comes where nothing is indexed.

    Args:
        services: the index and the storage.
        tenant: whose.
        study: its Study Instance UID.
        series: the Series Instance UID; None: the whole study.
        sop: the SOP Instance UID; None: the whole series.
        in_flight: how many reads run or wait for the caller at once, each of them in memory.
        chunk: the size of a read, and of a chunk, in bytes.

    Raises:
        BackendError: the index failed. What fails of one instance is raised by its `chunks`.
    """
    instances = services.db.instances(tenant, study, series, sop)
    return read_ahead(services.storage, instances, in_flight=in_flight, chunk=chunk)


def read_ahead(
    storage: Storage, instances: Iterable[Stored], *, in_flight: int = 8, chunk: int = 1 << 20
) -> Generator[Retrieved, None, None]:
    """Do what `retrieve` does, for any instances.

    They are taken from their iterator by the caller's thread. Closing the generator, which a `for` loop does that is
    left or raises, waits for the reads that are under way; no thread is left.
    """
    if in_flight < 1 or chunk < 1:
        raise ValueError("in_flight and chunk have to be at least 1")
    return _retrieved(_Ahead(storage, instances, in_flight, chunk))


def _retrieved(ahead: _Ahead) -> Generator[Retrieved, None, None]:
    try:
        while (stored := ahead.following()) is not None:
            yield Retrieved(stored, ahead.chunks(stored))
    finally:
        ahead.close()


class _Range(NamedTuple):
    """A part of an object that is read at once."""

    stored: Stored
    start: int
    length: int
    is_last: bool


class _Ahead:
    """The reads that run ahead, in order, and the instance that the caller is at."""

    def __init__(self, storage: Storage, instances: Iterable[Stored], in_flight: int, chunk: int) -> None:
        self._storage, self._in_flight = storage, in_flight
        self._small = _SMALL if isinstance(storage, LocalFiles) else 0
        self._slow = 0
        self._ranges: Iterator[_Range] = _ranges(instances, chunk)
        self._reads: deque[tuple[_Range, Callable[[], bytes]]] = deque()
        self._threads: Threads | None = None
        self._current: Stored | None = None
        self._error: Exception | None = None

    def following(self) -> Stored | None:
        """Leave the current instance, and return the next one; None at the end.

        Raises:
            Exception: what the iterator of the instances raised, when all before it have been given.
        """
        left = self._current
        while self._reads and self._reads[0][0].stored is left:
            self._reads.popleft()
        self._fill(left)
        self._current = self._reads[0][0].stored if self._reads else None
        if self._current is None and self._error is not None:
            raise self._error
        return self._current

    def chunks(self, stored: Stored) -> Iterator[bytes]:
        """Iterate over the chunks of the current instance."""
        digest, is_last = hashlib.sha256(), False
        while not is_last:
            if self._current is not stored:
                raise BackendError("The chunks of an instance have to be read before the next one is asked for.")
            part, read = self._reads.popleft()
            data = _read_of(stored, read)
            self._fill(None)
            digest.update(data)
            is_last = part.is_last
            if len(data) != part.length or (is_last and digest.hexdigest() != stored.sha256):
                raise damaged(stored)
            yield data
            del data  # not held beside the next one

    def close(self) -> None:
        """End the threads, after the reads that are under way."""
        self._current = None
        self._reads.clear()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def _fill(self, left: Stored | None) -> None:
        """Begin reads while there is room, but none of an instance that the caller has left."""
        if len(self._reads) >= self._in_flight:
            return
        parts: list[_Range] = []
        while len(self._reads) + len(parts) < self._in_flight and self._error is None:
            try:
                part = next(self._ranges, None)
            except Exception as error:  # noqa: BLE001 - it is raised in its turn
                self._error = error
                break
            if part is None:
                break
            if part.stored is not left:
                parts.append(part)
        if sum(part.length > self._small for part in parts) > 1:
            self._start_threads()
        self._reads.extend((part, self._begun(part)) for part in parts)

    def _begun(self, part: _Range) -> Callable[[], bytes]:
        """Begin a read, unless the caller is to do it, and return what waits for it or does it."""
        if part.length <= self._small:
            return partial(self._read_here, part)
        read = partial(_read, self._storage, part)
        return self._threads.submit(read).result if self._threads else read

    def _read_here(self, part: _Range) -> bytes:
        """Read a small file in the caller's thread; where the files turn out to be slow, threads read the others."""
        begun = perf_counter()
        data = _read(self._storage, part)
        self._slow = self._slow + 1 if perf_counter() - begun > _SLOW else 0
        if self._slow == _SLOW_IN_A_ROW:
            self._small = 0
            self._start_threads()
            self._reads = deque(
                (waiting, self._begun(waiting) if waiting.length <= _SMALL else read) for waiting, read in self._reads
            )
        return data

    def _start_threads(self) -> None:
        if self._threads is None:
            self._threads = Threads(self._in_flight, thread_name_prefix="retrieve")


def _ranges(instances: Iterable[Stored], chunk: int) -> Iterator[_Range]:
    for stored in instances:
        for start in range(0, max(1, stored.size), chunk):
            length = min(chunk, stored.size - start)
            yield _Range(stored, start, length, start + length >= stored.size)


def _read(storage: Storage, part: _Range) -> bytes:
    # Of the last part one byte more than there should be: an object that is longer is damaged, too.
    return b"".join(storage.read(part.stored.key, start=part.start, length=part.length + part.is_last))


def _read_of(stored: Stored, read: Callable[[], bytes]) -> bytes:
    """Return what was read, or raise what went wrong with the name of the instance."""
    try:
        return read()
    except NotFoundError as error:
        raise lost(stored) from error
    except DamagedError as error:
        raise damaged(stored) from error
