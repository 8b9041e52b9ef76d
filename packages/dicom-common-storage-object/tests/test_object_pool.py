"""The storage's threads: as many as the pool has, none after a close, none of a parent's in a forked child."""

from __future__ import annotations

import io
import multiprocessing
import threading
from contextlib import closing

import pytest
from memory_store import MemoryStore, opened

from dicom_common.core import BackendError, HealthStatus, ObjectInfo, Write
from dicom_common.storage.object import ObjectStorage
from dicom_common.testing import health_of


def test_a_batch_keeps_as_many_in_flight_as_the_pool_has(store: MemoryStore) -> None:
    store.slow = 0.02
    with closing(opened(store, pool_size=5)) as storage:
        answers = storage.write_many([Write(key=f"{n}", source=b"x") for n in range(30)])
    assert all(isinstance(answer, ObjectInfo) for answer in answers)
    assert store.most_in_flight == 5


def test_a_single_write_is_made_by_its_own_thread(storage: ObjectStorage) -> None:
    readers = set[int]()

    class Source(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            readers.add(threading.get_ident())
            return super().read(size)

    [answer] = storage.write_many([Write(key="a", source=Source(b"x"))])
    assert isinstance(answer, ObjectInfo)
    assert readers == {threading.get_ident()}


def test_what_is_closed_says_so(store: MemoryStore) -> None:
    storage = opened(store)
    storage.close()
    storage.close()
    assert store.calls["close"] == 1
    for call in (
        lambda: storage.write("a", b""),
        lambda: storage.write_many([Write(key="a", source=b"")]),
        lambda: storage.read("a"),
        lambda: storage.stat("a"),
        lambda: list(storage.scan()),
        lambda: storage.delete("a"),
        lambda: storage.signed_url("a", expires=1),
    ):
        with pytest.raises(BackendError, match="closed"):
            call()
    assert health_of(storage).status is HealthStatus.FAILED


def test_a_forked_child_is_told_to_open_its_own(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write_many([Write(key=f"{n}", source=b"x") for n in range(8)])  # its threads are there now
    receiving, sending = multiprocessing.Pipe(duplex=False)

    def ask() -> None:
        try:
            storage.write_many([Write(key="a", source=b"")])
        except BackendError as error:
            storage.close()
            sending.send((str(error), health_of(storage).status, store.calls["close"]))

    child = multiprocessing.get_context("fork").Process(target=ask)
    child.start()
    assert receiving.poll(60)
    said, status, closed = receiving.recv()
    child.join(60)
    assert "before a fork" in said
    assert (status, closed) == (HealthStatus.FAILED, 0)
    storage.write("a", b"x")
