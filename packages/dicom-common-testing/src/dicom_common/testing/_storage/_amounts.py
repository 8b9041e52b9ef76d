"""What shows only with many objects, or after many calls: listings of several pages, and what calls leave behind."""

from __future__ import annotations

import gc
import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from dicom_common.core import BatchWrites, DamagedError, NotFoundError, Storage, Write
from dicom_common.testing._storage._fixtures import StorageFixtures, content
from dicom_common.testing._storage._samples import pattern, pattern_file

__all__ = ["StorageAmounts"]

MANY = 1010
"""More than most stores list in one answer, which is 1000."""
LARGE = (2 << 20) + 1
"""More than storages keep in memory of a source."""
FEW = 5


class _Held(NamedTuple):
    """What this process has open."""

    descriptors: int
    threads: int
    temporary_files: int


class StorageAmounts(StorageFixtures):
    """The part of `StorageContract` about many objects and many calls."""

    def test_a_scan_of_more_than_a_page_is_complete(self, storage: Storage) -> None:
        keys = [f"many/{number:04}" for number in range(MANY)]
        _write_all(storage, keys)
        assert [found.key for found in storage.scan()] == keys
        for at in (998, 999, 1000, 1001):
            assert [found.key for found in storage.scan("many/", after=keys[at])] == keys[at + 1 :]

    def test_calls_leave_nothing_open(self, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        temporary = tmp_path / "case-temporary"
        temporary.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        for _ in range(5):  # what is opened once, such as a connection
            _use(storage)
        before = _held(temporary)
        for _ in range(20):
            _use(storage)
        after = _held(temporary)
        grown = {
            name: f"{had} before, {has} after 20 rounds"
            for name, had, has in zip(_Held._fields, before, after, strict=True)
            if has > had + FEW
        }
        assert grown == {}, "each call leaves something behind: close what it opens, also when it fails"


def _write_all(storage: Storage, keys: list[str]) -> None:
    if isinstance(storage, BatchWrites):
        for at in range(0, len(keys), 200):
            answers = storage.write_many([Write(key=key, source=b"x") for key in keys[at : at + 200]])
            assert [answer for answer in answers if isinstance(answer, Exception)] == []
        return
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: storage.write(key, b"x"), keys))


def _use(storage: Storage) -> None:
    """Call every method, also so that it fails."""
    storage.write("small", b"x")
    storage.write("large", pattern_file(1, LARGE))
    with pytest.raises(DamagedError):
        storage.write("large", pattern_file(2, LARGE), sha256="0" * 64)
    assert content(storage, "large") == pattern(1, LARGE)
    next(iter(storage.read("large")))  # and no further
    with pytest.raises(NotFoundError):
        storage.read("missing")
    assert storage.stat("large").size == LARGE
    assert [found.key for found in storage.scan()] == ["large", "small"]
    next(iter(storage.scan()))  # and no further
    storage.delete("small")


def _held(temporary: Path) -> _Held:
    gc.collect()
    descriptors = Path("/proc/self/fd" if Path("/proc/self/fd").is_dir() else "/dev/fd")
    return _Held(len(os.listdir(descriptors)), threading.active_count(), len(list(temporary.iterdir())))  # noqa: PTH208  # the folder of descriptors changes while it is read
