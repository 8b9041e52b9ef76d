"""What the shared part promises, on a small store in memory that can be told to fail."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import BinaryIO, cast

import pytest

from dicom_common.core import (
    AlreadyExistsError,
    BackendError,
    ConfigError,
    DamagedError,
    HealthStatus,
    NotFoundError,
    ObjectInfo,
    RefusedError,
    UnavailableError,
    Write,
)
from dicom_common.storage.object import (
    Body,
    BusyError,
    Client,
    DoubtfulError,
    Kept,
    ObjectSettings,
    ObjectStorage,
    Page,
    Part,
    Probed,
    RemoteObject,
    Unfinished,
    Upload,
)
from dicom_common.testing import health_of

MIB = 1 << 20


class MemoryStore(Client):
    """A whole store: objects, uploads, conditions. `before` and `after` fail a call before or after it has worked."""

    name = "the store in memory"

    def __init__(self) -> None:
        self.objects: dict[str, tuple[RemoteObject, bytes]] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.before: dict[str, list[Exception]] = {}
        self.after: dict[str, list[Exception]] = {}
        self.calls: Counter[str] = Counter()
        self.keeps = True
        self.slow = 0.0
        self.cut_after: list[int] = []
        self.on_cut: Callable[[], None] = lambda: None
        self.in_flight = 0
        self.most_in_flight = 0
        self.sent: list[int] = []
        self._versions = count()
        self._lock = threading.RLock()

    def _enter(self, call: str) -> None:
        with self._lock:
            self.calls[call] += 1
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            time.sleep(self.slow)
            if self.before.get(call):
                raise self.before[call].pop(0)
        finally:
            with self._lock:
                self.in_flight -= 1

    def _leave(self, call: str) -> None:
        if self.after.get(call):
            raise self.after[call].pop(0)

    def _keep(self, key: str, data: bytes, kept: Kept, *, if_absent: bool) -> RemoteObject:
        with self._lock:
            if if_absent and self.keeps and key in self.objects:
                raise AlreadyExistsError("it is there")
            found = RemoteObject(
                key=key,
                size=len(data),
                modified=datetime.now(UTC),
                version=str(next(self._versions)),
                sha256=kept.sha256,
                attempt=kept.attempt,
            )
            self.objects[key] = (found, data)
        return found

    def put(self, key: str, body: bytes | memoryview, kept: Kept, *, if_absent: bool) -> RemoteObject:
        self._enter("put")
        found = self._keep(key, bytes(body), kept, if_absent=if_absent)
        self._leave("put")
        return found

    def start(self, key: str, kept: Kept, *, if_absent: bool) -> Upload:  # noqa: ARG002  # the signature is given
        self._enter("start")
        upload = Upload(key=key, kept=kept, id=str(next(self._versions)))
        self.uploads[upload.id] = {}
        return upload

    def put_part(self, upload: Upload, number: int, offset: int, body: bytes | memoryview, *, last: bool) -> Part:  # noqa: ARG002
        self._enter("put_part")
        if upload.id not in self.uploads:
            raise NotFoundError("no such upload")
        self.uploads[upload.id][number] = bytes(body)
        self.sent.append(number)
        self._leave("put_part")
        return Part(number=number, size=len(body), receipt=str(number))

    def finish(self, upload: Upload, parts: Sequence[Part], *, if_absent: bool) -> None:
        self._enter("finish")
        if upload.id not in self.uploads:
            raise NotFoundError("no such upload")
        given = self.uploads[upload.id]
        data = b"".join(given[part.number] for part in parts)
        self._keep(upload.key, data, upload.kept, if_absent=if_absent)
        del self.uploads[upload.id]
        self._leave("finish")

    def abandon(self, upload: Upload) -> None:
        self._enter("abandon")
        self.uploads.pop(upload.id, None)

    def unfinished(self, prefix: str) -> Sequence[Unfinished]:  # noqa: ARG002
        started = datetime.now(UTC) - timedelta(days=3)
        return [Unfinished(key="a", started=started) for _ in self.uploads]

    def get(self, key: str, *, start: int, length: int | None, version: str | None) -> Body:
        self._enter("get")
        if key not in self.objects or version not in (None, self.objects[key][0].version):
            raise NotFoundError("no such object")
        found, data = self.objects[key]
        end = None if length is None else start + length
        cut = self.cut_after.pop(0) if self.cut_after else None
        return MemoryBody(found, data[start:end], cut, self.on_cut)

    def head(self, key: str) -> RemoteObject:
        self._enter("head")
        if key not in self.objects:
            raise NotFoundError("no such object")
        return self.objects[key][0]

    def list(self, prefix: str, *, after: str, cursor: str | None, limit: int) -> Page:
        self._enter("list")
        limit = min(limit, 3)  # many pages
        keys = sorted((key for key in self.objects if key.startswith(prefix)), key=str.encode)
        keys = [key for key in keys if key.encode() > (cursor or after).encode()]
        page = [self.objects[key][0] for key in keys[:limit]]
        return Page(found=page, following=keys[limit - 1] if len(keys) > limit else None)

    def delete(self, key: str) -> None:
        self._enter("delete")
        if self.objects.pop(key, None) is None:
            raise NotFoundError("a store may say so")

    def sign(self, key: str, *, expires: int) -> str:
        return f"memory:{key}?{expires}"

    def probe(self) -> Probed:
        self._enter("probe")
        return Probed(facts={"rooms": 1})

    def close(self) -> None:
        self.calls["close"] += 1


class MemoryBody(Body):
    def __init__(self, found: RemoteObject, data: bytes, cut: int | None, on_cut: Callable[[], None]) -> None:
        self.found = found
        self._data = io.BytesIO(data)
        self._cut = cut
        self._on_cut = on_cut

    def read(self, size: int) -> bytes:
        if self._cut is not None:
            size = min(size, self._cut - self._data.tell())
            if size <= 0:
                self._on_cut()
                raise UnavailableError("the connection broke")
        return self._data.read(size)

    def close(self) -> None:
        self._data.close()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def opened(store: Client, **changed: object) -> ObjectStorage:
    given: dict[str, object] = {"part_size": 5 * MIB, "multipart_threshold": 6 * MIB, "attempts": 4}
    return ObjectStorage(store, ObjectSettings(**{**given, **changed}))  # type: ignore[arg-type]  # made-up values


@pytest.fixture
def storage(store: MemoryStore) -> Iterator[ObjectStorage]:
    with closing(opened(store)) as storage:
        yield storage


def random_bytes(size: int) -> bytes:
    return hashlib.shake_128(b"%d" % size).digest(size)


LARGE = random_bytes(22 * MIB)
DOWN = UnavailableError("down")


# A lost answer


def test_a_write_whose_answer_was_lost_knows_its_own_object(store: MemoryStore, storage: ObjectStorage) -> None:
    for key, data in (("small", b"data"), ("large", LARGE)):
        store.after = {"put": [DOWN] if key == "small" else [], "finish": [DOWN]}
        info = storage.write(key, data, if_absent=True)
        assert info.sha256 == hashlib.sha256(data).hexdigest()
        assert b"".join(storage.read(key)) == data
    assert store.uploads == {}


def test_a_large_write_whose_answer_was_lost_succeeds_without_a_condition_too(
    store: MemoryStore, storage: ObjectStorage
) -> None:
    store.after = {"finish": [DOWN]}
    storage.write("large", LARGE)
    assert store.objects["large"][1] == LARGE


def test_the_object_of_another_with_the_same_bytes_is_not_taken_for_our_own(
    store: MemoryStore, storage: ObjectStorage
) -> None:
    for key, data in (("small", b"data"), ("large", LARGE)):
        storage.write(key, data)
        before = store.objects[key]
        store.before = {"put": [DOWN], "finish": [DOWN]}
        with pytest.raises(AlreadyExistsError):
            storage.write(key, data, if_absent=True)
        assert store.objects[key] is before
    assert store.uploads == {}


def test_an_upload_that_vanished_is_not_said_to_be_written() -> None:
    class Forgetful(MemoryStore):
        def finish(self, upload: Upload, parts: Sequence[Part], *, if_absent: bool) -> None:
            try:
                super().finish(upload, parts, if_absent=if_absent)
            finally:
                self.uploads.clear()

    forgetful = Forgetful()
    forgetful.before = {"finish": [DOWN]}
    with closing(opened(forgetful)) as storage, pytest.raises(UnavailableError, match="not known"):
        storage.write("large", LARGE)
    assert forgetful.objects == {}


# Trying again


def test_what_may_pass_is_tried_again_and_what_will_not_is_not(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write("warm-up", b"", if_absent=True)
    requests: dict[str, Callable[[], object]] = {
        "put": lambda: storage.write("a", b"x"),
        "get": lambda: b"".join(storage.read("a")),
        "head": lambda: storage.stat("a"),
        "list": lambda: list(storage.scan()),
        "delete": lambda: storage.delete("a"),
    }
    for call, request in requests.items():
        store.calls.clear()
        store.before = {call: [DOWN, BusyError("busy"), DOWN]}
        request()
        assert store.calls[call] == 4
        if call == "delete":
            storage.write("a", b"x")
        store.calls.clear()
        store.before = {call: [DOWN] * 9}
        with pytest.raises(UnavailableError):
            request()
        assert store.calls[call] == 4
        store.calls.clear()
        store.before = {call: [RefusedError("no")]}
        with pytest.raises(RefusedError):
            request()
        assert store.calls[call] == 1
        store.before = {}


def test_a_doubtful_refusal_is_believed_the_third_time(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write("warm-up", b"", if_absent=True)
    store.calls.clear()
    store.before = {"put": [DoubtfulError("no"), DoubtfulError("no")]}
    storage.write("a", b"x", if_absent=True)
    assert store.calls["put"] == 3
    store.calls.clear()
    store.before = {"put": [DoubtfulError("no")] * 9}
    with pytest.raises(DoubtfulError):
        storage.write("b", b"x")
    assert store.calls["put"] == 3


def test_a_doubtful_refusal_of_a_write_that_was_made_after_all_finds_its_own_object(
    store: MemoryStore, storage: ObjectStorage
) -> None:
    storage.write("warm-up", b"", if_absent=True)
    store.after = {"put": [DoubtfulError("no")]}
    storage.write("a", b"x", if_absent=True)
    assert b"".join(storage.read("a")) == b"x"


def test_what_the_store_asks_for_is_waited_for(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write("a", b"x")
    store.before = {"head": [BusyError("busy", 0.3)]}
    began = time.monotonic()
    storage.stat("a")
    assert time.monotonic() - began >= 0.3


def test_a_wait_that_is_longer_than_the_deadline_is_not_begun(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write("a", b"x")
    store.before = {"head": [BusyError("busy", 3600)]}
    with pytest.raises(BusyError):
        storage.stat("a")


# Reading


def test_a_reader_goes_on_where_the_connection_broke(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write("large", LARGE)
    store.cut_after = [3 * MIB + 17, 1, 0, 7 * MIB]
    assert b"".join(storage.read("large")) == LARGE
    store.cut_after = [100]
    assert b"".join(storage.read("large", start=5, length=4 * MIB)) == LARGE[5 : 5 + 4 * MIB]


def test_a_reader_never_mixes_two_objects(store: MemoryStore, storage: ObjectStorage) -> None:
    for change in (lambda: storage.write("a", LARGE[::-1]), lambda: storage.delete("a")):
        storage.write("a", LARGE)
        store.cut_after, store.on_cut = [2 * MIB], lambda change=change: change() and None  # type: ignore[misc]
        with pytest.raises(UnavailableError, match="replaced or deleted"):
            b"".join(storage.read("a"))


def test_a_reader_is_told_of_damage(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write("a", LARGE)
    found, data = store.objects["a"]
    store.objects["a"] = (found, data[:-1] + b"?")
    with pytest.raises(DamagedError):
        b"".join(storage.read("a"))
    assert len(b"".join(storage.read("a", start=1))) == len(LARGE) - 1  # a part cannot be compared


def test_a_store_whose_connections_always_break_is_given_up(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write("a", b"x" * 100)
    store.cut_after = [0] * 100
    with pytest.raises(UnavailableError):
        b"".join(storage.read("a"))
    assert store.calls["get"] == 4


# Large objects


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


# Conditions


def test_a_store_that_ignores_conditions_is_found_out(store: MemoryStore, storage: ObjectStorage) -> None:
    store.keeps = False
    storage.write("a", b"first", if_absent=True)
    with pytest.raises(AlreadyExistsError):
        storage.write("a", b"second", if_absent=True)
    assert store.objects["a"][1] == b"first"
    health = health_of(storage)
    assert health.status is HealthStatus.DEGRADED
    assert health.facts["preconditions"] is False
    assert "only the index" in health.detail
    assert list(store.objects) == ["a"]


def test_a_store_that_refuses_conditions_is_found_out(store: MemoryStore, storage: ObjectStorage) -> None:
    store.before = {"put": [RefusedError("NotImplemented")]}
    storage.write("a", b"first", if_absent=True)
    with pytest.raises(AlreadyExistsError):
        storage.write("a", b"second", if_absent=True)


def test_whether_conditions_are_kept_is_asked_once(store: MemoryStore, storage: ObjectStorage) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: storage.write(f"{n}", b"", if_absent=True), range(20)))
    assert store.calls["put"] == 20 + 2
    store.calls.clear()
    store.preconditions = True
    with closing(opened(store)) as knowing:
        knowing.write("another", b"", if_absent=True)
    assert store.calls["put"] == 1


# Keys


@pytest.mark.parametrize("prefix", ["images", "images/", "a/b/c"])
def test_a_prefix_keeps_several_apart(store: MemoryStore, prefix: str) -> None:
    with closing(opened(store, prefix=prefix)) as storage, closing(opened(store)) as other:
        other.write("imagesx", b"")
        other.write("a/b/cd", b"")
        keys = ["a/b", "a/c", "x", "患者", "z/1", "z/2"]
        for key in keys:
            storage.write(key, key.encode())
        assert sorted(set(store.objects) - {"imagesx", "a/b/cd"}) == sorted(
            f"{prefix.strip('/')}/{key}" for key in keys
        )
        assert [info.key for info in storage.scan()] == sorted(keys, key=str.encode)
        assert [info.key for info in storage.scan("a/", after="a/b")] == ["a/c"]
        assert b"".join(storage.read("患者")) == "患者".encode()
        assert storage.signed_url("x", expires=5) == f"memory:{prefix.strip('/')}/x?5"
        storage.delete("x")
        with pytest.raises(NotFoundError):
            storage.stat("x")


def test_a_key_that_is_too_long_with_its_prefix_is_refused_by_name(store: MemoryStore) -> None:
    key = "/".join(["k" * 204] * 5)
    with closing(opened(store, prefix="p")) as storage, pytest.raises(RefusedError, match="setting prefix"):
        storage.write(key, b"")


def test_what_is_no_key_is_not_listed(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write("a", b"")
    found, data = store.objects["a"]
    for foreign in ("folder/", "a//b", ".dicom-common/probe/x", "back\\slash", "../up"):
        store.objects[foreign] = (replace(found, key=foreign), data)
    assert [info.key for info in storage.scan()] == ["a"]
    store.calls.clear()
    for prefix in ("/", "../", ".dicom-common/", "\ud800"):
        assert list(storage.scan(prefix)) == []
    assert store.calls["list"] == 0


# Batches, health, life


def test_a_batch_keeps_as_many_in_flight_as_the_pool_has(store: MemoryStore) -> None:
    store.slow = 0.02
    with closing(opened(store, pool_size=5)) as storage:
        answers = storage.write_many([Write(key=f"{n}", source=b"x") for n in range(30)])
    assert all(isinstance(answer, ObjectInfo) for answer in answers)
    assert store.most_in_flight == 5


def test_check_tells_what_does_not_work(store: MemoryStore, storage: ObjectStorage) -> None:
    assert health_of(storage).status is HealthStatus.OK
    assert health_of(storage).facts["rooms"] == 1
    store.before = {"probe": [RefusedError("No such bucket: check the setting bucket.")]}
    health = health_of(storage)
    assert (health.status, health.detail) == (HealthStatus.FAILED, "No such bucket: check the setting bucket.")
    store.before = {"probe": [DOWN], "put": [BusyError("busy")], "get": [DOWN], "delete": [DOWN]}
    assert health_of(storage).status is HealthStatus.OK
    store.before = {"put": [DOWN] * 9}
    assert health_of(storage).status is HealthStatus.FAILED
    store.before = {"put": [RefusedError("no")]}
    assert health_of(storage).status is HealthStatus.FAILED
    store.uploads = {"old": {}, "older": {}}
    health = health_of(storage)
    assert health.facts["old_unfinished_uploads"] == 2
    assert "2 unfinished uploads" in health.detail
    assert [key for key in store.objects if not key.startswith(".dicom-common/probe/")] == []


def test_check_deletes_the_probes_that_a_killed_check_left_long_ago(store: MemoryStore, storage: ObjectStorage) -> None:
    for name, age in (("old", timedelta(days=2)), ("new", timedelta(hours=1))):
        found = store.put(f".dicom-common/probe/{name}", b"", Kept(sha256="", attempt=name), if_absent=False)
        store.objects[found.key] = (replace(found, modified=found.modified - age), b"")
    storage.write("probe/old", b"x")
    assert health_of(storage).status is HealthStatus.OK
    assert sorted(store.objects) == [".dicom-common/probe/new", "probe/old"]


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


@pytest.mark.parametrize("expires", [0, -1, 604_801])
def test_a_url_for_too_long_is_refused(storage: ObjectStorage, expires: int) -> None:
    with pytest.raises(ValueError, match="seconds"):
        storage.signed_url("a", expires=expires)


@pytest.mark.parametrize("prefix", ["../other", "/images", ".dicom-common"])
def test_a_prefix_that_cannot_work_is_refused_by_name(prefix: str) -> None:
    with pytest.raises(ConfigError, match="setting prefix"):
        ObjectSettings(prefix=prefix)
