"""What a storage must do."""

from __future__ import annotations

import hashlib
import io
import math
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import BinaryIO, cast

import pytest

from dicom_common.core import (
    MAX_KEY_BYTES,
    AlreadyExistsError,
    BackendError,
    BatchWrites,
    DamagedError,
    HealthStatus,
    LocalFiles,
    NotFoundError,
    ObjectInfo,
    RefusedError,
    Storage,
    Write,
)
from dicom_common.testing import _storage_children as children
from dicom_common.testing._processes import child, run_children
from dicom_common.testing._samples import ODD_KEYS, pattern, pattern_digest, pattern_file

__all__ = ["StorageContract"]

CHUNK_LIMIT = 1 << 20
MEMORY_LIMIT = 64 << 20
INVALID_KEYS = (
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "a/./b",
    "../../etc/passwd",
    "a\\b",
    "a\0b",
    "a\nb",
    "a\x7fb",
    "a\x85b",
    "lone\ud800surrogate",
    "x" * 256,
    "é" * 128,
    "/".join(["k" * 200] * 6),
    ".dicom-common",
    ".dicom-common/x",
)


def content(storage: Storage, key: str) -> bytes:
    """Read an object as a whole."""
    return b"".join(storage.read(key))


class StorageContract:
    """Inherit from it in a class whose name starts with `Test`, and give two fixtures.

    `storage` is an open, empty storage. `open_storage` is a callable without arguments that opens the same storage once
    more, also in another process: build it of installed code (`functools.partial(FilesystemStorage, settings)`).
    """

    large_object_bytes = 256 << 20
    crash_rounds = 4
    clock_tolerance = timedelta(minutes=5)
    """By how much the clock of the server may differ from ours."""

    @pytest.fixture
    def storage(self, open_storage: Callable[[], Storage]) -> Iterator[Storage]:
        """Open the storage of the test."""
        with closing(open_storage()) as storage:
            yield storage

    @pytest.fixture
    def open_storage(self) -> Callable[[], Storage]:
        """Give the callable that opens the storage."""
        raise NotImplementedError("give a fixture `open_storage`: a callable, built of installed code")

    # What is written is read.

    @pytest.mark.parametrize("size", [0, 1, 65_535, CHUNK_LIMIT - 1, CHUNK_LIMIT, CHUNK_LIMIT + 1, 5_000_000])
    def test_bytes_come_back_as_they_were_written(self, storage: Storage, size: int) -> None:
        data = pattern(size, size)
        info = storage.write("folder/object.dcm", data)
        chunks = list(storage.read("folder/object.dcm"))
        assert (info.key, info.size) == ("folder/object.dcm", size)
        assert b"".join(chunks) == data
        assert all(0 < len(chunk) <= CHUNK_LIMIT for chunk in chunks)

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, io.BytesIO])
    def test_every_kind_of_source_is_taken(self, storage: Storage, kind: Callable[[bytes], object]) -> None:
        data = pattern(1, 100_000)
        storage.write("a", cast("bytes", kind(data)), sha256=hashlib.sha256(data).hexdigest())
        assert content(storage, "a") == data

    def test_a_memoryview_of_other_items_is_taken_by_its_bytes(self, storage: Storage) -> None:
        data = pattern(2, 80_000)
        storage.write("a", cast("memoryview", memoryview(data).cast("d")))
        assert content(storage, "a") == data

    def test_a_file_is_written_from_where_it_stands(self, storage: Storage) -> None:
        data = pattern(3, 3_000_000)
        source = io.BytesIO(data)
        source.seek(1_000_001)
        info = storage.write("a", source)
        assert info.size == len(data) - 1_000_001
        assert content(storage, "a") == data[1_000_001:]

    def test_a_file_that_gives_less_than_is_asked_for_is_written_whole(self, storage: Storage) -> None:
        class Trickle(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                return super().read(min(size, 777) if size and size > 0 else size)

        data = pattern(4, 50_000)
        storage.write("a", Trickle(data))
        assert content(storage, "a") == data

    def test_a_second_write_replaces(self, storage: Storage) -> None:
        storage.write("a", b"a much longer first content")
        storage.write("a", b"second")
        assert content(storage, "a") == b"second"
        assert storage.stat("a").size == 6

    def test_a_reader_that_began_before_a_replacement_sees_one_of_both_whole(self, storage: Storage) -> None:
        first, second = pattern(1, 3_000_000), pattern(2, 3_000_000)
        storage.write("a", first)
        chunks = storage.read("a")
        head = next(chunks)
        storage.write("a", second)
        try:
            whole = head + b"".join(chunks)
        except BackendError:
            return  # said, not mixed
        assert whole in (first, second)

    # Keys

    @pytest.mark.parametrize("key", ODD_KEYS, ids=ascii)
    def test_an_odd_key_is_a_key_like_any_other(self, storage: Storage, key: str) -> None:
        data = key.encode()
        storage.write(key, data)
        assert content(storage, key) == data
        assert storage.stat(key).key == key
        assert [found.key for found in storage.scan()] == [key]
        storage.delete(key)
        assert list(storage.scan()) == []

    def test_keys_that_look_alike_are_different_objects(self, storage: Storage) -> None:
        for number, key in enumerate(ODD_KEYS):
            storage.write(key, b"%d" % number)
        assert [content(storage, key) for key in ODD_KEYS] == [b"%d" % number for number in range(len(ODD_KEYS))]
        assert [found.key for found in storage.scan()] == sorted(ODD_KEYS, key=str.encode)

    def test_the_longest_key_is_taken(self, storage: Storage) -> None:
        key = "/".join(["k" * 204] * 5)
        assert len(key.encode()) == MAX_KEY_BYTES
        storage.write(key, b"x")
        assert content(storage, key) == b"x"
        assert [found.key for found in storage.scan("k" * 204 + "/")] == [key]

    @pytest.mark.parametrize("key", INVALID_KEYS, ids=ascii)
    def test_what_is_no_key_is_refused_by_every_method(self, storage: Storage, key: str) -> None:
        for call in (
            lambda: storage.write(key, b"x"),
            lambda: storage.write(key, b"x", if_absent=True),
            lambda: storage.read(key),
            lambda: storage.stat(key),
            lambda: storage.delete(key),
        ):
            with pytest.raises(ValueError, match="storage key"):
                call()
        assert list(storage.scan()) == []

    def test_a_key_below_an_object_is_kept_apart_or_refused(self, storage: Storage) -> None:
        storage.write("a/b", b"first")
        try:
            storage.write("a/b/c", b"second")
        except RefusedError:
            with pytest.raises(NotFoundError):
                storage.stat("a/b/c")
        else:
            assert content(storage, "a/b/c") == b"second"
        assert content(storage, "a/b") == b"first"

    @pytest.mark.parametrize("if_absent", [False, True])
    def test_a_key_above_an_object_is_kept_apart_or_refused(self, storage: Storage, if_absent: bool) -> None:
        storage.write("a/b/c", b"first")
        with pytest.raises(NotFoundError):
            storage.stat("a/b")
        try:
            # Not AlreadyExistsError: there is no such object, and who is told so would not write it anywhere.
            storage.write("a/b", b"second", if_absent=if_absent)
        except RefusedError:
            with pytest.raises(NotFoundError):
                storage.stat("a/b")
        else:
            assert content(storage, "a/b") == b"second"
        assert content(storage, "a/b/c") == b"first"

    # Ranges

    @pytest.mark.parametrize(
        ("start", "length"),
        [
            (0, None),
            (0, 0),
            (0, 1),
            (1, None),
            (1, 1),
            (999_999, 3),
            (CHUNK_LIMIT, CHUNK_LIMIT),
            (CHUNK_LIMIT - 1, CHUNK_LIMIT + 2),
            (2_999_999, None),
            (2_999_999, 10),
            (3_000_000, None),
            (3_000_000, 10),
            (10**15, 10),
        ],
    )
    def test_a_range_gives_what_is_there(self, storage: Storage, start: int, length: int | None) -> None:
        data = pattern(5, 3_000_000)
        storage.write("a", data)
        chunks = list(storage.read("a", start=start, length=length))
        assert b"".join(chunks) == data[start : None if length is None else start + length]
        assert all(len(chunk) <= CHUNK_LIMIT for chunk in chunks)

    def test_a_range_of_an_empty_object_is_empty(self, storage: Storage) -> None:
        storage.write("a", b"")
        assert content(storage, "a") == b""
        assert b"".join(storage.read("a", start=0, length=5)) == b""
        assert b"".join(storage.read("a", start=5)) == b""

    @pytest.mark.parametrize(("start", "length"), [(-1, None), (0, -1), (-5, -5)])
    def test_a_negative_range_is_refused_by_the_call(self, storage: Storage, start: int, length: int | None) -> None:
        storage.write("a", b"x")
        with pytest.raises(ValueError, match="negative"):
            storage.read("a", start=start, length=length)

    # What is not there

    def test_a_missing_object_is_reported_by_the_call_itself(self, storage: Storage) -> None:
        storage.write("a/b", b"x")
        for key in ("missing", "a", "a/missing", "missing/b", "a/b/c"):
            with pytest.raises(NotFoundError):
                storage.read(key)
            with pytest.raises(NotFoundError):
                storage.stat(key)

    def test_deleting_is_repeatable(self, storage: Storage) -> None:
        storage.write("a/b/c", b"x")
        storage.write("a/b.d", b"y")
        for _ in range(2):
            storage.delete("a/b/c")
            with pytest.raises(NotFoundError):
                storage.read("a/b/c")
        storage.delete("never/was/there")
        storage.delete("a")  # a prefix of keys is no object
        assert [found.key for found in storage.scan()] == ["a/b.d"]

    def test_a_deleted_key_can_be_written_again(self, storage: Storage) -> None:
        storage.write("a/b/c", b"first", if_absent=True)
        storage.delete("a/b/c")
        storage.write("a/b/c", b"second", if_absent=True)
        assert content(storage, "a/b/c") == b"second"

    def test_a_deleted_key_can_become_a_folder_of_keys(self, storage: Storage) -> None:
        storage.write("a/b", b"first")
        storage.delete("a/b")
        storage.write("a/b/c", b"second")
        storage.delete("a/b/c")
        storage.write("a/b", b"third")
        assert [found.key for found in storage.scan()] == ["a/b"]

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

    def test_of_many_processes_that_claim_a_key_one_wins(
        self, storage: Storage, open_storage: Callable[[], Storage]
    ) -> None:
        won = run_children(children.claim, [(open_storage, "race/object", seed) for seed in range(4)])
        assert won.count(True) == 1
        assert content(storage, "race/object") == pattern(won.index(True), children.CRASH_SIZE)

    # What is known of an object

    def test_size_and_time_are_known(self, storage: Storage) -> None:
        before = datetime.now(UTC)
        written = storage.write("a", b"12345")
        for info in (written, storage.stat("a"), next(storage.scan())):
            assert (info.key, info.size) == ("a", 5)
            assert info.modified.tzinfo is not None
            assert before - self.clock_tolerance <= info.modified <= datetime.now(UTC) + self.clock_tolerance

    # Scan

    def test_a_scan_is_in_the_order_of_the_bytes(self, storage: Storage) -> None:
        keys = ["a/b/c", "a/b.c", "a/b-c", "a.b", "a0", "a/b0", "A", "B/a", "z", "é", "z\u0301", "\uffee", "\U0001f600"]
        keys += [f"many/{number}" for number in range(30)]
        shuffled = random.Random(4).sample(keys, len(keys))
        for key in shuffled:
            storage.write(key, key.encode())
        ordered = sorted(keys, key=str.encode)
        assert [found.key for found in storage.scan()] == ordered
        for after in (*keys, "a", "a/", "a/b", "a/b/", "a/b/d", "many", "many/", "many/2", "zz", "\U0010ffff"):
            expected = [key for key in ordered if key.encode() > after.encode()]
            assert [found.key for found in storage.scan(after=after)] == expected

    def test_a_prefix_is_any_text(self, storage: Storage) -> None:
        keys = ["a/b/c", "a/b.c", "a/bb", "a/c", "ab/c", "b", "患/者"]
        for key in keys:
            storage.write(key, b"")
        ordered = sorted(keys, key=str.encode)
        for prefix in ("", "a", "a/", "a/b", "a/b/", "a/b/c", "a/b/c/", "a/b/cd", "b", "b/", "x", "患", "患/"):
            expected = [key for key in ordered if key.startswith(prefix)]
            assert [found.key for found in storage.scan(prefix)] == expected
            assert [found.key for found in storage.scan(prefix, after="a/b/c")] == [
                key for key in expected if key.encode() > b"a/b/c"
            ]

    @pytest.mark.parametrize(
        "prefix", ["/", "../", "..", "./", "a/../", "//", ".dicom-common", ".dicom-common/", "\0", "\\"]
    )
    def test_a_prefix_that_begins_no_key_finds_nothing(self, storage: Storage, prefix: str) -> None:
        storage.write("a/b", b"")
        storage.check()
        assert list(storage.scan(prefix)) == []

    def test_a_scan_during_writes_sees_all_others_once(self, storage: Storage) -> None:
        fixed = [f"fixed/{number % 5}/{number}" for number in range(60)]
        for key in fixed:
            storage.write(key, b"")
        stop = Event()

        def disturb() -> None:
            number = 0
            while not stop.is_set():
                key = f"fixed/{number % 7}/passing{number}"
                storage.write(key, b"")
                storage.delete(key)
                number += 1

        thread = Thread(target=disturb)
        thread.start()
        try:
            for _ in range(10):
                seen = [found.key for found in storage.scan()]
                assert len(seen) == len(set(seen))
                assert [key for key in seen if "passing" not in key] == sorted(fixed)
        finally:
            stop.set()
            thread.join()

    # Batches

    def _batches(self, storage: Storage) -> BatchWrites:
        if not isinstance(storage, BatchWrites):
            pytest.skip("the storage does not offer BatchWrites")
        return storage

    def test_a_batch_answers_in_order_and_one_failure_stops_nobody(self, storage: Storage) -> None:
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

    def test_an_empty_batch_is_nothing(self, storage: Storage) -> None:
        assert self._batches(storage).write_many([]) == []

    def test_a_key_that_is_none_refuses_the_batch_before_anything_is_written(self, storage: Storage) -> None:
        batches = self._batches(storage)
        with pytest.raises(ValueError, match="storage key"):
            batches.write_many([Write(key="a", source=b""), Write(key="../b", source=b"")])
        assert list(storage.scan()) == []

    def test_a_key_twice_in_a_batch_is_claimed_once(self, storage: Storage) -> None:
        batches = self._batches(storage)
        answers = batches.write_many([Write(key="a", source=b"%d" % n, if_absent=True) for n in range(5)])
        won = [number for number, answer in enumerate(answers) if isinstance(answer, ObjectInfo)]
        assert len(won) == 1
        assert all(isinstance(answer, ObjectInfo | AlreadyExistsError) for answer in answers)
        assert content(storage, "a") == b"%d" % won[0]

    def test_a_large_batch_is_whole(self, storage: Storage) -> None:
        batches = self._batches(storage)
        keys = [f"study/{number % 3}/{number}" for number in range(500)]
        answers = batches.write_many([Write(key=key, source=key.encode()) for key in keys])
        assert [answer.key if isinstance(answer, ObjectInfo) else answer for answer in answers] == keys
        assert all(content(storage, key) == key.encode() for key in keys)

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

    # Several at once

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

    def test_a_killed_writer_leaves_whole_objects_and_all_that_it_acknowledged(
        self, open_storage: Callable[[], Storage]
    ) -> None:
        moments = random.Random(9)
        for attempt in range(self.crash_rounds):
            self._crash(open_storage, children.write_on, f"crash/{attempt}/", moments.random() / 5)

    def test_a_writer_killed_in_a_batch_leaves_whole_objects_and_all_that_it_acknowledged(
        self, storage: Storage, open_storage: Callable[[], Storage]
    ) -> None:
        self._batches(storage)
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

    def test_an_iterator_that_is_given_up_harms_nobody(self, storage: Storage) -> None:
        storage.write("a", pattern(1, 3_000_000))
        for _ in range(2000):  # more than a process may have files open
            storage.read("a")
            next(storage.read("a"))

    def test_check_says_that_it_works_and_leaves_nothing(self, storage: Storage) -> None:
        storage.write("a", b"x")
        health = storage.check()
        assert health.status in (HealthStatus.OK, HealthStatus.DEGRADED)
        assert health.detail
        assert all(not isinstance(fact, float) or math.isfinite(fact) for fact in health.facts.values())
        assert [found.key for found in storage.scan()] == ["a"]

    def test_closing_twice_is_closing_once(self, open_storage: Callable[[], Storage]) -> None:
        storage = open_storage()
        storage.write("a", b"x")
        storage.close()
        storage.close()
        with pytest.raises(BackendError):
            storage.stat("a")
        assert storage.check().status is HealthStatus.FAILED

    def test_local_files_are_where_it_says(self, storage: Storage) -> None:
        if not isinstance(storage, LocalFiles):
            pytest.skip("the storage does not offer LocalFiles")
        storage.write("a/b c/é", b"bytes of the object")
        assert storage.local_path("a/b c/é").read_bytes() == b"bytes of the object"
        with pytest.raises(NotFoundError):
            storage.local_path("a/missing")
        with pytest.raises(ValueError, match="storage key"):
            storage.local_path("../a")


def _closed_file() -> BinaryIO:
    file = io.BytesIO(b"closed")
    file.close()
    return file
