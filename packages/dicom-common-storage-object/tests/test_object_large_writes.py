"""Large objects in parts: what a failure leaves, the memory they share, and every size."""

from __future__ import annotations

import hashlib
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import BinaryIO, cast

import pytest
from memory_store import DOWN, LARGE, MIB, MemoryStore, opened

from dicom_common.core import DamagedError, RefusedError, UnavailableError
from dicom_common.storage.object import ObjectStorage, Part, Upload


def test_a_large_write_that_fails_leaves_nothing(store: MemoryStore, storage: ObjectStorage) -> None:
    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 12 * MIB and self.broken:
                raise OSError("the source broke")
            return super().read(size)

        broken = False

    source = Breaking(LARGE)
    sha256 = hashlib.sha256(LARGE).hexdigest()
    store.before = {"put_part": [RefusedError("no")]}
    with pytest.raises(RefusedError):
        storage.write("a", LARGE)
    store.before = {"put_part": [DOWN] * 50}
    with pytest.raises(UnavailableError):
        storage.write("a", LARGE)
    store.before = {"finish": [RefusedError("no")]}
    with pytest.raises(RefusedError):
        storage.write("a", LARGE)
    with pytest.raises(DamagedError):
        storage.write("a", LARGE, sha256="0" * 64)
    source.broken = True
    with pytest.raises(OSError, match="the source broke"):
        storage.write("a", source, sha256=sha256)
    assert store.uploads == {}
    assert store.objects == {}
    source.broken = False
    source.seek(0)
    storage.write("a", source)  # all memory was given back
    assert store.objects["a"][1] == LARGE


def test_an_upload_is_abandoned_after_its_last_part_has_arrived() -> None:
    class Late(MemoryStore):
        """One part is refused at once; the others arrive when that is known."""

        too_late = 0

        def put_part(self, upload: Upload, number: int, offset: int, body: bytes | memoryview, *, last: bool) -> Part:
            if number == 2:
                raise RefusedError("no")
            time.sleep(0.1)
            self.too_late += upload.id not in self.uploads
            return super().put_part(upload, number, offset, body, last=last)

    late = Late()
    with closing(opened(late)) as storage, pytest.raises(RefusedError):
        storage.write("a", LARGE)
    time.sleep(0.3)
    assert late.sent
    assert late.too_late == 0
    assert late.uploads == {}


def test_all_large_writes_share_one_memory() -> None:
    held, most, lock = 0, 0, threading.Lock()

    class Counting(io.BytesIO):
        """Counts the bytes that were read and not sent."""

        def read(self, size: int | None = -1) -> bytes:
            nonlocal held, most
            data = super().read(size)
            with lock:
                held += len(data)
                most = max(most, held)
            return data

    class Slow(MemoryStore):
        def put_part(self, upload: Upload, number: int, offset: int, body: bytes | memoryview, *, last: bool) -> Part:
            nonlocal held
            time.sleep(0.01)
            with lock:
                held -= len(body)
            return super().put_part(upload, number, offset, body, last=last)

    slow = Slow()
    data = LARGE[: 20 * MIB]
    sha256 = hashlib.sha256(data).hexdigest()
    with closing(opened(slow, parallel_parts=3)) as storage, ThreadPoolExecutor(6) as pool:
        writes = [pool.submit(storage.write, f"{n}", Counting(data), sha256=sha256) for n in range(6)]
        assert all(write.result().size == len(data) for write in writes)
    assert all(stored == data for _, stored in slow.objects.values())
    assert held == 0
    assert 2 * 5 * MIB < most <= (3 + 1) * 5 * MIB + 6  # and one byte ahead of each


def test_parts_grow_where_there_would_be_too_many(store: MemoryStore, storage: ObjectStorage) -> None:
    store.max_parts = 3
    storage.write("a", LARGE)
    storage.write("b", io.BytesIO(LARGE))
    assert store.objects["a"][1] == store.objects["b"][1] == LARGE
    assert max(store.sent) == 3


def test_a_store_that_wants_parts_in_order_gets_the_last_one_after_the_digest_was_compared(
    store: MemoryStore, storage: ObjectStorage
) -> None:
    store.in_order = True
    storage.write("a", io.BytesIO(LARGE))
    assert store.sent == [1, 2, 3, 4, 5]
    store.sent.clear()
    with pytest.raises(DamagedError):
        storage.write("b", io.BytesIO(LARGE), sha256="0" * 64)
    assert store.sent == [1, 2, 3, 4]


@pytest.mark.parametrize("size", [0, 1, 6 * MIB - 1, 6 * MIB, 6 * MIB + 1, 10 * MIB, 10 * MIB + 1, 15 * MIB - 1])
def test_every_size_is_written_whole(store: MemoryStore, storage: ObjectStorage, size: int) -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size, 700_001) if size and size > 0 else size)

    data = LARGE[:size]
    for source in (data, memoryview(data), io.BytesIO(data), Trickle(data)):
        assert storage.write("a", source).size == size
        assert store.objects["a"][1] == data


def test_a_file_that_grew_is_written_to_its_end(store: MemoryStore, storage: ObjectStorage) -> None:
    class Grown(io.BytesIO):
        def seek(self, offset: int, whence: int = 0) -> int:
            return super().seek(offset, whence) if whence == 0 else 10  # the size of a moment ago

    storage.write("a", cast("BinaryIO", Grown(LARGE)))
    assert store.objects["a"][1] == LARGE
