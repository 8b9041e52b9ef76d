"""Instances come out of the storage in order, ahead of their reader, whole, and no damaged one to its end."""

from __future__ import annotations

import gc
import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pipeline_site import Make, Site

from dicom_common.core import BackendError, DamagedError, NotFoundError, Stored, UnavailableError
from dicom_common.host import Services
from dicom_common.pipeline import read_ahead, retrieve
from dicom_common.storage.filesystem import FilesystemStorage, Settings

STUDY = "2.25.1.1"


class Counting(FilesystemStorage):
    """A storage that knows how many reads were made, and how many were under way at once.

    Its objects are not files of this machine, as far as it tells.
    """

    local_path = None  # type: ignore[assignment]  # so that it is no `LocalFiles`

    def __init__(self, settings: Settings, meet: int = 1) -> None:
        super().__init__(settings)
        self.reads = self.running = self.most = 0
        self.ranges: list[tuple[str, int]] = []
        self._barrier = threading.Barrier(meet, timeout=30)
        self._lock = threading.Lock()

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        with self._lock:
            self.reads += 1
            self.running += 1
            self.most = max(self.most, self.running)
            self.ranges.append((key, start))
        self._barrier.wait()
        try:
            return iter([b"".join(super().read(key, start=start, length=length))])
        finally:
            with self._lock:
                self.running -= 1


def put(storage: FilesystemStorage, sizes: Sequence[int]) -> list[Stored]:
    """Write objects of these sizes, as the index would know them."""
    found = []
    for number, size in enumerate(sizes):
        data = hashlib.shake_128(b"%d" % number).digest(size)
        storage.write(f"t/{number}", data)
        found.append(
            Stored(
                tenant="t",
                study_uid="1.2",
                series_uid="1.2.3",
                sop_uid=f"1.2.3.{number}",
                sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
                transfer_syntax_uid="1.2.840.10008.1.2.1",
                key=f"t/{number}",
                size=size,
                sha256=hashlib.sha256(data).hexdigest(),
            )
        )
    return found


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Counting]:
    made = Counting(Settings(root=tmp_path / "objects", fsync=False))
    yield made
    made.close()


def threads() -> list[str]:
    gc.collect()
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("retrieve")]


@pytest.mark.parametrize("chunk", [1, 7, 1000, 1 << 20])
@pytest.mark.parametrize("in_flight", [1, 2, 8])
def test_every_size_comes_out_whole_and_in_order(storage: Counting, in_flight: int, chunk: int) -> None:
    sizes = [0, 1, 6, 7, 8, 49, 50] if chunk < 1000 else [0, 1, 999, 1000, 1001, 5000, 20_000]
    stored = put(storage, sizes)
    found = []
    for one in read_ahead(storage, stored, in_flight=in_flight, chunk=chunk):
        chunks = list(one.chunks)
        assert all(len(piece) == chunk for piece in chunks[:-1])
        assert hashlib.sha256(b"".join(chunks)).hexdigest() == one.stored.sha256
        found.append(one.stored)
    assert found == stored
    assert storage.most <= in_flight
    assert not threads()


def test_a_study_a_series_and_an_instance_are_retrieved_in_the_order_of_the_index(site: Site, make: Make) -> None:
    made = {sop: make(sop, series=1 + sop % 2, payload=bytes(sop * 10_000)) for sop in range(1, 9)}
    site.store(*made.values(), make(1, study=2))
    services = site.services()
    for level in ((), (f"{STUDY}.1",), (f"{STUDY}.1", f"{STUDY}.1.4"), (f"{STUDY}.9",)):
        expected = list(services.db.instances("local", STUDY, *level))
        retrieved = retrieve(services, "local", STUDY, *level, chunk=30_000)
        got = [(stored, b"".join(chunks)) for stored, chunks in retrieved]
        assert [stored for stored, _ in got] == expected
        assert all(data == made[int(stored.sop_uid.rpartition(".")[2])] for stored, data in got)
    assert list(retrieve(services, "other", STUDY)) == []


def test_as_many_reads_as_are_allowed_are_in_flight(tmp_path: Path) -> None:
    storage = Counting(Settings(root=tmp_path / "objects", fsync=False), meet=8)
    stored = put(storage, [100] * 24 + [1000])
    # Each read waits for seven others: with fewer at once, this would not end.
    got = [b"".join(one.chunks) for one in read_ahead(storage, stored[:24], in_flight=8)]
    assert [len(data) for data in got] == [100] * 24
    assert storage.most == 8
    [large] = [b"".join(one.chunks) for one in read_ahead(storage, stored[24:], in_flight=8, chunk=125)]
    assert len(large) == 1000, "the parts of one instance are read at once, too"
    storage.close()


def test_no_more_is_read_ahead_than_is_allowed(storage: Counting) -> None:
    stored = put(storage, [1000] * 50)
    retrieved = read_ahead(storage, stored, in_flight=3, chunk=100)
    first = next(retrieved)
    assert storage.reads <= 3
    for number in range(1, 6):
        next(first.chunks)
        assert storage.reads <= 3 + number
    retrieved.close()
    assert storage.reads <= 3 + 5


@pytest.mark.parametrize("how", ["close", "break", "raise", "drop", "in the middle of an instance"])
def test_no_thread_is_left_when_the_reader_stops(storage: Counting, how: str) -> None:
    stored = put(storage, [1000] * 30)

    def read_some() -> None:
        retrieved = read_ahead(storage, stored, in_flight=4, chunk=100)
        if how == "close":
            next(retrieved)
            retrieved.close()
        elif how == "drop":
            next(retrieved)
        else:
            for one in retrieved:
                next(one.chunks)
                if how == "raise":
                    raise RuntimeError("the reader broke")
                if how == "break":
                    break
                b"".join(one.chunks)
                if one.stored is stored[3]:
                    return

    if how == "raise":
        with pytest.raises(RuntimeError, match="the reader broke"):
            read_some()
    else:
        read_some()
    assert not threads()


@pytest.mark.parametrize("chunk", [64, 1 << 20])
@pytest.mark.parametrize("damage", ["first byte", "last byte", "cut", "cut to nothing", "one byte more", "much more"])
def test_a_damaged_instance_is_never_given_to_its_end(storage: Counting, chunk: int, damage: str) -> None:
    stored = put(storage, [1000, 1000, 1000])
    data = bytearray(b"".join(storage.read("t/1")))
    match damage:
        case "first byte":
            data[0] ^= 1
        case "last byte":
            data[-1] ^= 1
        case "cut":
            del data[-1:]
        case "cut to nothing":
            data.clear()
        case "one byte more":
            data.append(0)
        case _:
            data += bytes(5000)
    storage.write("t/1", data)
    for one in read_ahead(storage, stored, in_flight=3, chunk=chunk):
        given: list[bytes] = []
        if one.stored is stored[1]:
            with pytest.raises(DamagedError, match=r"instance 1\.2\.3\.1 is damaged"):
                given.extend(one.chunks)
            assert sum(map(len, given)) < 1000
        else:
            assert len(b"".join(one.chunks)) == 1000
    assert not threads()


def test_a_missing_instance_is_named_and_the_others_come(storage: Counting) -> None:
    stored = put(storage, [500, 500, 500, 500])
    for key in ("t/0", "t/2"):
        storage.delete(key)
    for number, one in enumerate(read_ahead(storage, stored, in_flight=3, chunk=100)):
        if number % 2:
            assert len(b"".join(one.chunks)) == 500
        else:
            with pytest.raises(NotFoundError, match=rf"instance 1\.2\.3\.{number}:"):
                next(one.chunks)


def test_a_storage_that_is_away_fails_the_instance_and_not_those_behind_it(tmp_path: Path) -> None:
    class Shaky(FilesystemStorage):
        def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
            if key == "t/1" and start:
                raise UnavailableError("the storage is away")
            return super().read(key, start=start, length=length)

    storage = Shaky(Settings(root=tmp_path / "objects", fsync=False))
    stored = put(storage, [500, 500, 500])
    came = []
    for one in read_ahead(storage, stored, chunk=100):
        if one.stored is stored[1]:
            with pytest.raises(UnavailableError):
                b"".join(one.chunks)
        else:
            came.append(len(b"".join(one.chunks)))
    assert came == [500, 500]
    storage.close()


def test_an_instance_that_is_passed_over_costs_no_more_than_what_was_read_ahead(storage: Counting) -> None:
    stored = put(storage, [100_000, 10, 100_000, 10])
    came = [
        b"".join(one.chunks) for one in read_ahead(storage, stored, in_flight=4, chunk=100) if one.stored.size == 10
    ]
    assert [len(data) for data in came] == [10, 10]
    assert len([1 for key, _ in storage.ranges if key == "t/0"]) == 4
    assert storage.reads <= 4 + 1 + 4 + 1


def test_small_files_of_this_machine_are_read_by_the_caller_and_large_ones_ahead(tmp_path: Path) -> None:
    storage = FilesystemStorage(Settings(root=tmp_path / "objects", fsync=False))
    seen: list[bool] = []
    for one in read_ahead(storage, put(storage, [1000, 200_000, 1000, 400_000, 400_000, 1000])):
        assert hashlib.sha256(b"".join(one.chunks)).hexdigest() == one.stored.sha256
        seen.append(bool(threads()))
    assert not threads()
    assert any(seen)
    for one in read_ahead(storage, put(storage, [1000, 200_000, 1000, 1000])):
        assert hashlib.sha256(b"".join(one.chunks)).hexdigest() == one.stored.sha256
        assert not threads()
    storage.close()


def test_small_files_of_a_slow_file_system_are_read_ahead(tmp_path: Path) -> None:
    class Slow(FilesystemStorage):
        running = most = 0
        lock = threading.Lock()

        def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
            with self.lock:
                self.running += 1
                self.most = max(self.most, self.running)
            time.sleep(0.02)
            with self.lock:
                self.running -= 1
            return super().read(key, start=start, length=length)

    storage = Slow(Settings(root=tmp_path / "objects", fsync=False))
    stored = put(storage, [1000] * 8 + [0] + [1000] * 15)
    for one in read_ahead(storage, stored):
        assert hashlib.sha256(b"".join(one.chunks)).hexdigest() == one.stored.sha256
    assert storage.most >= 4
    assert not threads()
    storage.close()


def test_chunks_of_an_instance_that_was_left_say_so(storage: Counting) -> None:
    stored = put(storage, [1000, 1000])
    retrieved = read_ahead(storage, stored, chunk=100)
    first, second = next(retrieved), next(retrieved)
    with pytest.raises(BackendError, match="before the next one"):
        next(first.chunks)
    assert len(b"".join(second.chunks)) == 1000
    assert next(retrieved, None) is None
    for one in (held := read_ahead(storage, stored, chunk=100)):
        held.close()
        with pytest.raises(BackendError, match="before the next one"):
            next(one.chunks)


def test_an_index_that_fails_on_the_way_is_reported_after_what_it_gave(storage: Counting) -> None:
    stored = put(storage, [10, 10])

    def failing() -> Iterator[Stored]:
        yield from stored
        raise UnavailableError("the index is away")

    retrieved = read_ahead(storage, failing())
    assert [len(b"".join(next(retrieved).chunks)) for _ in stored] == [10, 10]
    with pytest.raises(UnavailableError, match="index is away"):
        next(retrieved)
    assert not threads()


def test_one_small_instance_needs_no_thread(site: Site, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    site.store(make(1))
    services: Services = site.services()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", lambda _: pytest.fail("a thread was started"))
        [data] = [b"".join(one.chunks) for one in retrieve(services, "local", STUDY)]
    assert data == make(1)


@pytest.mark.parametrize("limits", [{"in_flight": 0}, {"chunk": 0}, {"in_flight": -1}])
def test_limits_that_read_nothing_are_refused(storage: Counting, limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        read_ahead(storage, [], **limits)
