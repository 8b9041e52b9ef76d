"""What a storage must do with digests, conditions and batches."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, cast

import pytest

from dicom_common.core import (
    AlreadyExistsError,
    BackendError,
    BatchWrites,
    DamagedError,
    NotFoundError,
    ObjectInfo,
    Storage,
    Write,
)
from dicom_common.testing._contract import ability, across_processes
from dicom_common.testing._processes import run_children
from dicom_common.testing._storage import _children as children
from dicom_common.testing._storage._fixtures import StorageFixtures, content
from dicom_common.testing._storage._samples import pattern, pattern_digest, pattern_file

__all__ = ["StorageWrites"]


class StorageWrites(StorageFixtures):
    """The part of `StorageContract` about what makes a write fail, alone and in a batch."""

    # Digests and conditions

    def test_a_wrong_digest_writes_nothing(self, storage: Storage) -> None:
        wrong = "0" * 64
        for source in (b"data", pattern_file(1, 9_000_000)):
            with pytest.raises(DamagedError):
                storage.write("new/key", source, sha256=wrong)
        with pytest.raises(NotFoundError):
            storage.stat("new/key")
        storage.write("old/key", b"good")
        with pytest.raises(DamagedError):
            storage.write("old/key", b"bad", sha256=wrong)
        assert content(storage, "old/key") == b"good"
        assert [found.key for found in storage.scan()] == ["old/key"]

    def test_a_right_digest_is_no_hindrance(self, storage: Storage) -> None:
        info = storage.write("a", pattern_file(1, 9_000_000), sha256=pattern_digest(1, 9_000_000))
        assert info.size == 9_000_000
        assert info.sha256 in (None, pattern_digest(1, 9_000_000))
        assert storage.stat("a").sha256 in (None, pattern_digest(1, 9_000_000))

    def test_a_source_that_fails_writes_nothing(self, storage: Storage) -> None:
        class Failing(io.RawIOBase):
            def __init__(self) -> None:
                self.left = 5

            def readable(self) -> bool:
                return True

            def seekable(self) -> bool:
                return True

            def tell(self) -> int:
                return 0

            def seek(self, offset: int, whence: int = 0) -> int:  # noqa: ARG002  # the signature is given
                return 0

            def read(self, size: int = -1) -> bytes:
                self.left -= 1
                if self.left < 0:
                    raise OSError("the source broke")
                return bytes(max(size, 0) or 1000)

        storage.write("old", b"good")
        for key in ("old", "new/key"):
            with pytest.raises((OSError, BackendError)):
                storage.write(key, cast("BinaryIO", Failing()))
        assert content(storage, "old") == b"good"
        assert [found.key for found in storage.scan()] == ["old"]

    def test_if_absent_does_not_replace(self, storage: Storage) -> None:
        storage.write("a/b", b"first", if_absent=True)
        with pytest.raises(AlreadyExistsError):
            storage.write("a/b", b"second", if_absent=True)
        assert content(storage, "a/b") == b"first"

    def test_of_many_threads_that_claim_a_key_one_wins(self, storage: Storage) -> None:
        def claim(number: int) -> bool:
            try:
                storage.write(key, pattern(number, 20_000), if_absent=True)
            except AlreadyExistsError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            for attempt in range(10):
                key = f"race/{attempt}/object"
                won = list(pool.map(claim, range(8)))
                assert won.count(True) == 1
                assert content(storage, key) == pattern(won.index(True), 20_000)

    @across_processes
    def test_of_many_processes_that_claim_a_key_one_wins(
        self, storage: Storage, open_storage: Callable[[], Storage]
    ) -> None:
        won = run_children(children.claim, [(open_storage, "race/object", seed) for seed in range(4)])
        assert won.count(True) == 1
        assert content(storage, "race/object") == pattern(won.index(True), children.CRASH_SIZE)

    # Batches

    def _batches(self, storage: Storage) -> BatchWrites:
        assert isinstance(storage, BatchWrites)
        return storage

    @ability(BatchWrites)
    def test_a_batch_answers_in_order_and_one_failure_stops_no_other(self, storage: Storage) -> None:
        batches = self._batches(storage)
        storage.write("b/there", b"old")
        answers = batches.write_many(
            [
                Write(key="b/0", source=b"0"),
                Write(key="b/there", source=b"new", if_absent=True),
                Write(key="b/1", source=b"1", sha256=hashlib.sha256(b"1").hexdigest()),
                Write(key="b/damaged", source=b"x", sha256="0" * 64),
                Write(key="c/d/2", source=io.BytesIO(b"22"), if_absent=True),
                Write(key="b/closed", source=_closed_file()),
                Write(key="b/3", source=b""),
            ]
        )
        kinds = [type(answer) if isinstance(answer, BackendError) else answer.key for answer in answers]
        assert kinds[:5] == ["b/0", AlreadyExistsError, "b/1", DamagedError, "c/d/2"]
        assert isinstance(answers[5], BackendError)
        assert kinds[6] == "b/3"
        sizes = [answer.size for answer in answers if isinstance(answer, ObjectInfo)]
        assert sizes == [1, 1, 2, 0]
        assert [found.key for found in storage.scan()] == ["b/0", "b/1", "b/3", "b/there", "c/d/2"]
        assert content(storage, "b/there") == b"old"
        assert content(storage, "c/d/2") == b"22"

    @ability(BatchWrites)
    def test_an_empty_batch_is_nothing(self, storage: Storage) -> None:
        assert self._batches(storage).write_many([]) == []

    @ability(BatchWrites)
    def test_a_key_that_is_none_refuses_the_batch_before_anything_is_written(self, storage: Storage) -> None:
        batches = self._batches(storage)
        with pytest.raises(ValueError, match="storage key"):
            batches.write_many([Write(key="a", source=b""), Write(key="../b", source=b"")])
        assert list(storage.scan()) == []

    @ability(BatchWrites)
    def test_a_key_twice_in_a_batch_is_claimed_once(self, storage: Storage) -> None:
        batches = self._batches(storage)
        answers = batches.write_many([Write(key="a", source=b"%d" % n, if_absent=True) for n in range(5)])
        won = [number for number, answer in enumerate(answers) if isinstance(answer, ObjectInfo)]
        assert len(won) == 1
        assert all(isinstance(answer, ObjectInfo | AlreadyExistsError) for answer in answers)
        assert content(storage, "a") == b"%d" % won[0]

    @ability(BatchWrites)
    def test_a_large_batch_is_whole(self, storage: Storage) -> None:
        batches = self._batches(storage)
        keys = [f"study/{number % 3}/{number}" for number in range(500)]
        answers = batches.write_many([Write(key=key, source=key.encode()) for key in keys])
        assert [answer.key if isinstance(answer, ObjectInfo) else answer for answer in answers] == keys
        assert all(content(storage, key) == key.encode() for key in keys)

    @ability(BatchWrites)
    def test_batches_in_several_threads_do_not_disturb_each_other(self, storage: Storage) -> None:
        batches = self._batches(storage)

        def write(thread: int) -> list[ObjectInfo | BackendError]:
            return batches.write_many(
                [Write(key=f"same/{n}", source=pattern(n, 9000), if_absent=True) for n in range(thread, thread + 40)]
            )

        with ThreadPoolExecutor(4) as pool:
            answers = [answer for batch in pool.map(write, range(0, 40, 10)) for answer in batch]
        written = [answer.key for answer in answers if isinstance(answer, ObjectInfo)]
        assert sorted(written) == sorted(f"same/{n}" for n in range(70))
        assert all(isinstance(answer, ObjectInfo | AlreadyExistsError) for answer in answers)
        assert all(content(storage, f"same/{n}") == pattern(n, 9000) for n in range(70))


def _closed_file() -> BinaryIO:
    file = io.BytesIO(b"closed")
    file.close()
    return file
