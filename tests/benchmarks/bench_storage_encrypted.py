"""The encrypted storage over a folder against the same folder without it."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rows import row, show

from dicom_common.core import BatchWrites, ObjectInfo, Secret, Storage, Write
from dicom_common.keyring import local
from dicom_common.storage import encrypted, filesystem

_COUNT = 200
_SIZE = 500_000
_ROUNDS = 7
_KEYS = [f"t/20200101/1.2.3/4.5.6/{number}.dcm" for number in range(_COUNT)]


def _plain(root: Path) -> Storage:
    return filesystem.FilesystemStorage(filesystem.Settings(root=root))


def _encrypted(root: Path) -> Storage:
    key = local.KeyEntry(id="bench", key=Secret(base64.b64encode(os.urandom(32)).decode()), active=True)
    keyring = local.LocalKeyring([key], "the benchmark")
    return encrypted.open_over(lambda: _plain(root), lambda: keyring, encrypted.Settings(storage="inner"))


def _one_by_one(storage: Storage, data: bytes) -> None:
    digest = hashlib.sha256(data).hexdigest()
    for key in _KEYS:
        storage.write(key, data, if_absent=True, sha256=digest)


def _in_a_batch(storage: Storage, data: bytes) -> None:
    assert isinstance(storage, BatchWrites)
    digest = hashlib.sha256(data).hexdigest()
    answers = storage.write_many([Write(key=key, source=data, if_absent=True, sha256=digest) for key in _KEYS])
    if not all(isinstance(answer, ObjectInfo) for answer in answers):
        raise AssertionError("the benchmark's objects were not all written")


def _read_all(storage: Storage, data: bytes) -> None:
    for key in _KEYS:
        if sum(len(chunk) for chunk in storage.read(key)) != len(data):
            raise AssertionError("an object of the benchmark was not read whole")


def _read_ranges(storage: Storage, data: bytes) -> None:
    for key in _KEYS:
        if sum(len(chunk) for chunk in storage.read(key, start=len(data) // 2, length=64_000)) != 64_000:
            raise AssertionError("a range of the benchmark was not read whole")


def _round(open_storage: Callable[[Path], Storage], base: Path, data: bytes) -> dict[str, float]:
    """Write in both ways and read, all from the page cache, which is the harder comparison."""
    seconds = {}
    folder = Path(tempfile.mkdtemp(dir=base))
    for name, write in (("write", _one_by_one), ("write_many", _in_a_batch)):
        storage = open_storage(folder / name)
        os.sync()
        begun = time.perf_counter()
        write(storage, data)
        seconds[name] = time.perf_counter() - begun
        if name == "write":
            _read_all(storage, data)  # into the page cache
            for what, read in (("read", _read_all), ("read of 64 KB", _read_ranges)):
                begun = time.perf_counter()
                read(storage, data)
                seconds[what] = time.perf_counter() - begun
        storage.close()
    shutil.rmtree(folder)
    return seconds


def run() -> list[dict[str, Any]]:
    """Measure in turns; the ratio is that of each turn, so that what disturbs the machine disturbs both."""
    base = Path(tempfile.mkdtemp(dir=os.environ.get("DICOM_COMMON_TEST_FOLDER")))
    data = os.urandom(_SIZE)
    ratios: dict[str, list[float]] = {}
    try:
        for _ in range(_ROUNDS):
            plain, sealed = _round(_plain, base, data), _round(_encrypted, base, data)
            for name, seconds in plain.items():
                ratios.setdefault(name, []).append(seconds / sealed[name])
    finally:
        shutil.rmtree(base, ignore_errors=True)
    targets = {"write": 0.7, "write_many": 0.7, "read": 0.7}
    return [
        row(f"encrypted / plain filesystem storage, {_COUNT} x 500 KB: {name}", values, targets.get(name))
        for name, values in ratios.items()
    ]


if __name__ == "__main__":
    show(run())
