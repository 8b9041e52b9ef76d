"""What the child processes of the storage contract do. They find it by import, so it stands in a module of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from multiprocessing.connection import Connection

from dicom_common.core import AlreadyExistsError, BackendError, BatchWrites, Storage, Uploads, Write
from dicom_common.testing._processes import memory_peak
from dicom_common.testing._storage._samples import pattern, pattern_file

__all__ = [
    "CRASH_SIZE",
    "claim",
    "overwrite",
    "stream_large",
    "upload_large",
    "upload_on",
    "write_batches",
    "write_on",
]

OpenStorage = Callable[[], Storage]
CRASH_SIZE = 300_000
"""Large enough that a write has a middle in which it can be killed."""


def claim(open_storage: OpenStorage, key: str, seed: int) -> bool:
    """Write with `if_absent`; tell whether this process won."""
    with closing(open_storage()) as storage:
        try:
            storage.write(key, pattern(seed, CRASH_SIZE), if_absent=True)
        except AlreadyExistsError:
            return False
        return True


def overwrite(open_storage: OpenStorage, key: str, seeds: range) -> int:
    """Write the key again and again."""
    with closing(open_storage()) as storage:
        for seed in seeds:
            storage.write(key, pattern(seed, CRASH_SIZE))
    return len(seeds)


def write_on(reports: Connection, open_storage: OpenStorage, prefix: str) -> None:
    """Write objects of increasing number, and one key over and over, until killed; report what was acknowledged."""
    storage = open_storage()
    number = 0
    while True:
        storage.write(f"{prefix}{number}", pattern(number, CRASH_SIZE), if_absent=number % 2 == 0)
        reports.send(("new", number))
        storage.write(f"{prefix}same", pattern(number, CRASH_SIZE))
        reports.send(("same", number))
        number += 1


def write_batches(reports: Connection, open_storage: OpenStorage, prefix: str) -> None:
    """Write batches until killed; report what was acknowledged."""
    storage = open_storage()
    assert isinstance(storage, BatchWrites)
    number = 0
    while True:
        numbers = range(number, number + 10)
        answers = storage.write_many([Write(key=f"{prefix}{n}", source=pattern(n, CRASH_SIZE)) for n in numbers])
        for n, answer in zip(numbers, answers, strict=True):
            assert not isinstance(answer, BackendError), answer
            reports.send(("new", n))
        number += 10


def stream_large(open_storage: OpenStorage, key: str, size: int) -> tuple[str, int, int]:
    """Write and read a large object; tell the digest of what was read, its size, and by how much the memory grew."""
    with closing(open_storage()) as storage:
        storage.write(f"{key}.small", pattern_file(1, 3 << 20))  # whatever is needed once is not growth
        for _ in storage.read(f"{key}.small"):
            pass
        before = memory_peak()
        storage.write(key, pattern_file(7, size))
        digest, read = hashlib.sha256(), 0
        for chunk in storage.read(key):
            digest.update(chunk)
            read += len(chunk)
        return digest.hexdigest(), read, memory_peak() - before


def upload_on(reports: Connection, open_storage: OpenStorage, prefix: str) -> None:
    """Upload objects of increasing number until killed, beside an upload that never ends; report what was committed."""
    storage = open_storage()
    assert isinstance(storage, Uploads)
    endless = storage.open_upload()
    number = 0
    while True:
        data = pattern(number, CRASH_SIZE)
        endless.write(data)
        with storage.open_upload() as upload:
            for start in range(0, CRASH_SIZE, 50_000):
                upload.write(data[start : start + 50_000])
            upload.commit(f"{prefix}{number}", if_absent=True)
        reports.send(number)
        number += 1


def upload_large(open_storage: OpenStorage, key: str, size: int) -> tuple[str, int]:
    """Upload a large object; tell the digest of what is there, and by how much the memory grew."""
    with closing(open_storage()) as storage:
        assert isinstance(storage, Uploads)
        for name, seed, length in ((f"{key}.small", 1, 3 << 20), (key, 7, size)):
            before = memory_peak()  # whatever is needed once is not growth
            source = pattern_file(seed, length)
            with storage.open_upload() as upload:
                while piece := source.read(1 << 20):
                    upload.write(piece)
                upload.commit(name)
            digest = hashlib.sha256()
            for chunk in storage.read(name):
                digest.update(chunk)
        return digest.hexdigest(), memory_peak() - before
