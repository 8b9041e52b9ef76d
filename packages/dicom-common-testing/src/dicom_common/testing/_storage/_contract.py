"""What a storage must do."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event, Thread
from typing import Any, ClassVar

import pytest

from dicom_common.core import (
    BackendError,
    BatchWrites,
    EncryptionKeys,
    HealthStatus,
    LocalFiles,
    NotFoundError,
    OpenObjects,
    SignedUrls,
    Storage,
    Uploads,
)
from dicom_common.testing._contract import ServedContract, ability, across_processes
from dicom_common.testing._health import health_of
from dicom_common.testing._processes import child, run_children
from dicom_common.testing._storage import _children as children
from dicom_common.testing._storage._amounts import StorageAmounts
from dicom_common.testing._storage._fixtures import MEMORY_LIMIT, content, few_descriptors
from dicom_common.testing._storage._keys import StorageKeys
from dicom_common.testing._storage._objects import StorageObjects
from dicom_common.testing._storage._samples import pattern, pattern_digest
from dicom_common.testing._storage._uploads import StorageUploads
from dicom_common.testing._storage._writes import StorageWrites

__all__ = ["StorageContract"]


class StorageContract(StorageObjects, StorageKeys, StorageWrites, StorageUploads, StorageAmounts, ServedContract):
    """Inherit from it in a class whose name starts with `Test`, and give two fixtures.

    `storage` is an open, empty storage. `open_storage` is a callable without arguments that opens the same storage once
    more, also in another process: build it of installed code (`functools.partial(FilesystemStorage, settings)`).
    """

    calls: ClassVar[Mapping[str, Callable[[Any], object]]] = {
        "write": lambda storage: storage.write("a", b"x"),
        "claim": lambda storage: storage.write("a", b"x", if_absent=True),
        "read": lambda storage: list(storage.read("a")),
        "stat": lambda storage: storage.stat("a"),
        "scan": lambda storage: list(storage.scan()),
        "delete": lambda storage: storage.delete("a"),
    }

    def test_it_offers_the_abilities_that_are_declared(self, storage: Storage) -> None:
        self.assert_declared(storage, (BatchWrites, EncryptionKeys, LocalFiles, OpenObjects, SignedUrls, Uploads))

    # Several at once

    @across_processes
    def test_readers_see_whole_objects_while_processes_replace_them(
        self, storage: Storage, open_storage: Callable[[], Storage]
    ) -> None:
        storage.write("hot", pattern(0, children.CRASH_SIZE))
        possible = {pattern(seed, children.CRASH_SIZE) for seed in range(60)}
        seen: list[bytes] = []
        stop = Event()

        def read_on() -> None:
            while not stop.is_set():
                seen.append(content(storage, "hot"))

        thread = Thread(target=read_on)
        thread.start()
        try:
            run_children(children.overwrite, [(open_storage, "hot", range(30)), (open_storage, "hot", range(30, 60))])
        finally:
            stop.set()
            thread.join()
        assert seen
        assert set(seen) <= possible

    def test_writers_and_deleters_of_neighbours_do_not_disturb_each_other(self, storage: Storage) -> None:
        # Deleting the last object of a "folder" must not take the folder from under a writer.
        def churn(thread: int) -> int:
            lost = 0
            for number in range(60):
                key = f"shared/folder/{thread}-{number}"
                storage.write(key, b"x", if_absent=number % 2 == 0)
                lost += content(storage, key) != b"x"
                storage.delete(key)
            return lost

        with ThreadPoolExecutor(6) as pool:
            assert sum(pool.map(churn, range(6))) == 0
        assert list(storage.scan()) == []

    # Crash

    def _crash(self, open_storage: Callable[[], Storage], work: Callable[..., None], prefix: str, delay: float) -> None:
        with child(work, open_storage, prefix) as running:
            acknowledged = [running.report()]
            time.sleep(delay)
            acknowledged += running.kill()
        with closing(open_storage()) as storage:
            for kind, number in acknowledged:
                if kind == "new":
                    assert content(storage, f"{prefix}{number}") == pattern(number, children.CRASH_SIZE)
            last = max((number for kind, number in acknowledged if kind == "same"), default=-1)
            for found in storage.scan(prefix):
                whole = content(storage, found.key)
                assert found.size == len(whole) == children.CRASH_SIZE, "half an object is visible"
                name = found.key.removeprefix(prefix)
                numbers = range(max(last, 0), last + 3) if name == "same" else [int(name)]
                assert whole in [pattern(number, children.CRASH_SIZE) for number in numbers]

    @across_processes
    def test_a_killed_writer_leaves_whole_objects_and_all_that_it_acknowledged(
        self, open_storage: Callable[[], Storage]
    ) -> None:
        moments = random.Random(9)
        for attempt in range(self.crash_rounds):
            self._crash(open_storage, children.write_on, f"crash/{attempt}/", moments.random() / 5)

    @across_processes
    @ability(BatchWrites)
    def test_a_writer_killed_in_a_batch_leaves_whole_objects_and_all_that_it_acknowledged(
        self, open_storage: Callable[[], Storage]
    ) -> None:
        moments = random.Random(10)
        for attempt in range(self.crash_rounds):
            self._crash(open_storage, children.write_batches, f"crash/{attempt}/", moments.random() / 5)

    def test_a_large_object_passes_through_little_memory(self, open_storage: Callable[[], Storage]) -> None:
        size = self.large_object_bytes
        [(digest, read, growth)] = run_children(children.stream_large, [(open_storage, "large/object", size)])
        assert read == size
        assert digest == pattern_digest(7, size)
        assert growth < MEMORY_LIMIT

    # Life

    def test_what_was_written_is_there_for_the_next_who_opens(
        self, storage: Storage, open_storage: Callable[[], Storage]
    ) -> None:
        storage.write("a/b", b"x")
        with closing(open_storage()) as other:
            assert content(other, "a/b") == b"x"
            other.write("a/c", b"y")
        assert content(storage, "a/c") == b"y"

    def test_what_another_one_replaces_and_deletes_is_seen_at_once(
        self, storage: Storage, open_storage: Callable[[], Storage]
    ) -> None:
        storage.write("a", b"first")
        assert [storage.stat("a").size, *(found.size for found in storage.scan())] == [5, 5]
        with closing(open_storage()) as other:
            other.write("a", b"the second")
            assert [storage.stat("a").size, *(found.size for found in storage.scan())] == [10, 10]
            assert content(storage, "a") == b"the second"
            other.delete("a")
        for call in (storage.stat, storage.read):
            with pytest.raises(NotFoundError):
                call("a")
        assert list(storage.scan()) == []

    def test_an_iterator_that_is_given_up_does_no_harm(self, storage: Storage) -> None:
        storage.write("a", pattern(1, 3_000_000))
        next(storage.read("a"))  # what is opened once for all readers is open now
        with few_descriptors(100):
            for _ in range(200):
                storage.read("a")
                next(storage.read("a"))

    def test_check_says_that_it_works_and_leaves_nothing(self, storage: Storage) -> None:
        storage.write("a", b"x")
        health = health_of(storage)
        assert health.status in (HealthStatus.OK, HealthStatus.DEGRADED)
        assert health.detail
        assert all(not isinstance(fact, float) or math.isfinite(fact) for fact in health.facts.values())
        assert [found.key for found in storage.scan()] == ["a"]

    def test_closing_twice_is_closing_once(self, open_storage: Callable[[], Storage]) -> None:
        storage = open_storage()
        storage.write("a", b"x")
        assert health_of(storage).status is not HealthStatus.FAILED
        storage.close()
        storage.close()
        with pytest.raises(BackendError):
            storage.stat("a")
        assert health_of(storage).status is HealthStatus.FAILED

    @ability(OpenObjects)
    def test_an_object_that_is_held_open_stays_what_it_was(self, storage: Storage) -> None:
        assert isinstance(storage, OpenObjects)
        data = pattern(1, 3_000_000)
        storage.write("a/b", data)
        held = storage.open_object("a/b")
        storage.write("a/b", pattern(2, 100))
        storage.delete("a/b")
        for start, length in ((0, 10), (0, len(data)), (1_500_000, 65_000), (len(data) - 5, 100), (len(data), 10)):
            buffer = bytearray(length)
            number = held.read_into(memoryview(buffer), start)
            assert bytes(buffer[:number]) == data[start : start + length]
        assert held.read_into(bytearray(), 0) == held.read_into(bytearray(1), 10**12) == 0
        with pytest.raises(ValueError, match="negative"):
            held.read_into(bytearray(1), -1)
        held.close()
        held.close()
        with pytest.raises(BackendError):
            held.read_into(bytearray(1), 0)

    @ability(OpenObjects)
    def test_only_an_object_can_be_held_open(self, storage: Storage) -> None:
        assert isinstance(storage, OpenObjects)
        storage.write("a/b", b"x")
        for key in ("a", "a/c"):
            with pytest.raises(NotFoundError):
                storage.open_object(key)
        with pytest.raises(ValueError, match="storage key"):
            storage.open_object("../a")

    @ability(LocalFiles)
    def test_a_local_file_is_synced_before_its_write_returns(
        self, storage: Storage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert isinstance(storage, LocalFiles)
        synced: list[tuple[int, int]] = []
        _note_syncs(monkeypatch, synced)
        for key in ("a/b", "a/c"):
            synced.clear()
            storage.write(key, b"x")
            file = storage.local_path(key)
            for what, path in (("the file", file), ("the folder that has its name", file.parent)):
                assert _identity(path.stat()) in synced, (
                    f"no os.fsync of {what} was seen: a power failure loses what was acknowledged. A storage that syncs"
                    " by other means says so in `overridden`"
                )

    @ability(LocalFiles)
    def test_local_files_are_where_it_says(self, storage: Storage) -> None:
        assert isinstance(storage, LocalFiles)
        for key in self.held(["a/b", "a/b c/é"]):
            storage.write(key, key.encode())
            assert storage.local_path(key).read_bytes() == key.encode()
        with pytest.raises(NotFoundError):
            storage.local_path("a/missing")
        with pytest.raises(ValueError, match="storage key"):
            storage.local_path("../a")


def _note_syncs(monkeypatch: pytest.MonkeyPatch, synced: list[tuple[int, int]]) -> None:
    """Write down which file or folder is synced."""

    def noting(sync: Callable[[int], None]) -> Callable[[int], None]:
        def sync_and_note(descriptor: int) -> None:
            sync(descriptor)
            synced.append(_identity(os.fstat(descriptor)))

        return sync_and_note

    for name in {"fsync", "fdatasync"} & vars(os).keys():
        monkeypatch.setattr(os, name, noting(getattr(os, name)))


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
