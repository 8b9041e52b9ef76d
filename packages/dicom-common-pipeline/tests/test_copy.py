"""Copying between two storages: what is copied is right, what is right is not copied again, nothing is lost."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dicom_common.core import ObjectInfo, Source, Storage, UnavailableError
from dicom_common.pipeline import CopyJournal, CopyOptions, CopyResult, CopyStatus, copy_objects
from dicom_common.storage.filesystem import FilesystemStorage, Settings

Pair = tuple[FilesystemStorage, FilesystemStorage]


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Pair]:
    storages = [FilesystemStorage(Settings(root=tmp_path / name, fsync=False)) for name in ("source", "target")]
    yield storages[0], storages[1]
    for storage in storages:
        storage.close()


def _fill(storage: Storage, count: int, *, tenant: str = "t") -> dict[str, bytes]:
    objects = {f"{tenant}/{number % 7}/é{number}.dcm": bytes([number % 256]) * (number + 1) for number in range(count)}
    for key, data in objects.items():
        storage.write(key, data)
    return objects


def _contents(storage: Storage) -> dict[str, bytes]:
    return {info.key: b"".join(storage.read(info.key)) for info in storage.scan()}


def _copy(pair: tuple[Storage, Storage], journal: CopyJournal | None = None, **options: object) -> list[CopyResult]:
    return list(copy_objects(*pair, CopyOptions(**options), journal=journal))  # type: ignore[arg-type]  # as written


def _statuses(results: list[CopyResult]) -> dict[str, int]:
    return dict(Counter(result.status for result in results))


def test_everything_is_copied_once_and_the_source_stays(both: Pair) -> None:
    objects = _fill(both[0], 300)
    large = "t/large"
    both[0].write(large, b"x" * (3 << 20))  # more than is held in memory

    assert _statuses(_copy(both)) == {"copied": 301}
    assert _contents(both[1]) == _contents(both[0]) == {**objects, large: b"x" * (3 << 20)}
    assert _statuses(_copy(both)) == {"present": 301}


def test_a_second_run_copies_only_what_is_missing(both: Pair) -> None:
    objects = _fill(both[0], 50)
    _copy(both)
    gone = sorted(objects)[10:20]
    for key in gone:
        both[1].delete(key)

    again = _copy(both)

    assert sorted(result.key for result in again if result.status is CopyStatus.COPIED) == gone
    assert _contents(both[1]) == objects


def test_only_the_prefix_is_looked_at(both: Pair) -> None:
    ours = _fill(both[0], 10, tenant="a")
    _fill(both[0], 10, tenant="ab")
    both[1].write("b/other", b"not of the source")

    assert _statuses(_copy(both, prefix="a/")) == {"copied": 10}
    assert _contents(both[1]) == {**ours, "b/other": b"not of the source"}


def test_a_dry_run_writes_nothing(both: Pair) -> None:
    _fill(both[0], 10)
    both[1].write("t/extra", b"x")

    assert _statuses(_copy(both, dry_run=True, overwrite=True, delete_extra=True)) == {"missing": 10, "extra": 1}
    assert _contents(both[1]) == {"t/extra": b"x"}


def test_other_bytes_in_the_target_are_told_and_kept_until_overwriting_is_asked_for(both: Pair) -> None:
    objects = _fill(both[0], 5)
    key = sorted(objects)[2]
    _copy(both)
    both[1].write(key, bytes(len(objects[key])))

    assert [result.key for result in _copy(both) if result.status is CopyStatus.DIFFERENT] == [key]
    assert b"".join(both[1].read(key)) == bytes(len(objects[key]))
    assert _statuses(_copy(both, overwrite=True)) == {"copied": 1, "present": 4}
    assert _contents(both[1]) == objects


def test_bytes_that_are_not_the_expected_ones_are_not_copied(both: Pair) -> None:
    objects = _fill(both[0], 5)
    damaged = sorted(objects)[1]
    right = {key: hashlib.sha256(data).hexdigest() for key, data in objects.items()}
    both[0].write(damaged, bytes(len(objects[damaged])))

    def copied() -> list[CopyResult]:
        return list(copy_objects(*both, CopyOptions(), expected=lambda keys: {key: right[key] for key in keys}))

    [failed] = [result for result in copied() if not result.is_good]
    assert (failed.key, failed.reason, failed.retry) == (damaged, "source-damaged", False)
    assert damaged not in _contents(both[1])
    both[1].write(damaged, objects[damaged])
    assert [result.reason for result in copied() if result.key == damaged] == ["source-damaged"]
    assert _contents(both[1]) == objects, "a good copy in the target stays"


def test_what_was_removed_from_the_source_is_told_and_deleted_only_when_asked_for(both: Pair) -> None:
    objects = _fill(both[0], 5)
    _copy(both)
    first, second = sorted(objects)[:2]
    both[0].delete(first)
    both[0].delete(second)

    assert _statuses(_copy(both)) == {"present": 3, "extra": 2}
    indexed = {second: "0" * 64}
    results = list(copy_objects(*both, CopyOptions(delete_extra=True), expected=lambda _: indexed))
    assert {result.key: result.status for result in results if result.key in (first, second)} == {
        first: CopyStatus.DELETED,
        second: CopyStatus.EXTRA,  # the index knows it: it may be the last copy that there is
    }
    assert first not in _contents(both[1])
    assert second in _contents(both[1])


class _Asked:
    """A storage, and which of its objects were read."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.reads: list[str] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._storage, name)

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        self.reads.append(key)
        return self._storage.read(key, start=start, length=length)


def test_with_a_journal_nothing_is_read_again_but_what_has_changed(both: Pair, tmp_path: Path) -> None:
    objects = _fill(both[0], 30)
    file = tmp_path / "journal"
    with closing(CopyJournal(file)) as journal:
        _copy(both, journal)
    changed = sorted(objects)[3]
    info = both[1].stat(changed)
    both[1].write(changed, bytes(info.size))
    path = both[1].local_path(changed)
    later = info.modified.timestamp() + 60
    os.utime(path, (later, later))
    source, target = _Asked(both[0]), _Asked(both[1])

    with closing(CopyJournal(file)) as journal:
        again = _copy((source, target), journal)  # type: ignore[arg-type]  # it hands on all but `read`

    assert _statuses(again) == {"present": 29, "different": 1}
    assert set(source.reads) == set(target.reads) == {changed}


def test_verify_reads_everything_in_spite_of_the_journal(both: Pair, tmp_path: Path) -> None:
    objects = _fill(both[0], 5)
    key = sorted(objects)[2]
    with closing(CopyJournal(tmp_path / "journal")) as journal:
        _copy(both, journal)
        path = both[1].local_path(key)
        stat = path.stat()
        path.chmod(0o600)
        path.write_bytes(bytes(stat.st_size))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # damage that no listing shows
        assert _statuses(_copy(both, journal)) == {"present": 5}
        assert _statuses(_copy(both, journal, verify=True)) == {"present": 4, "different": 1}


def test_a_journal_has_one_user_at_a_time(tmp_path: Path) -> None:
    with closing(CopyJournal(tmp_path / "journal")), pytest.raises(UnavailableError, match="Another copy"):
        CopyJournal(tmp_path / "journal")


class _Slow:
    """A target that tells how many writes it has at once, and refuses some."""

    def __init__(self, barrier: threading.Barrier | None = None) -> None:
        self._barrier = barrier
        self._lock = threading.Lock()
        self.now = self.most = 0

    def scan(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectInfo]:
        del prefix, after
        return iter(())

    def write(self, key: str, source: Source, *, if_absent: bool = False, sha256: str | None = None) -> ObjectInfo:
        del source, if_absent
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        if self._barrier is not None:
            self._barrier.wait(30)
        with self._lock:
            self.now -= 1
        if key.endswith("3.dcm"):
            raise UnavailableError("The store is busy.")
        return ObjectInfo(key=key, size=1, modified=datetime.now(UTC), sha256=sha256)


def test_as_many_as_asked_for_are_in_flight_and_no_more(both: Pair) -> None:
    _fill(both[0], 64)
    target = _Slow(threading.Barrier(8))  # lets none pass before eight are there

    results = _copy((both[0], target), in_flight=8)  # type: ignore[arg-type]  # what a copy calls of it

    assert len(results) == 64
    assert target.most == 8


def test_an_object_that_fails_does_not_stop_the_others(both: Pair) -> None:
    objects = _fill(both[0], 40)

    results = _copy((both[0], _Slow()), in_flight=4)  # type: ignore[arg-type]  # what a copy calls of it

    failed = [result for result in results if result.status is CopyStatus.FAILED]
    assert {result.key for result in failed} == {key for key in objects if key.endswith("3.dcm")}
    assert {(result.reason, result.retry) for result in failed} == {("unavailable", True)}


def test_closing_the_copy_begins_no_more_and_another_run_goes_on(both: Pair) -> None:
    objects = _fill(both[0], 200)
    copying = copy_objects(*both, CopyOptions(in_flight=4))
    next(copying)
    copying.close()
    assert 1 <= len(_contents(both[1])) < 200

    statuses = _statuses(_copy(both))
    assert statuses.keys() == {"copied", "present"}
    assert _contents(both[1]) == objects
