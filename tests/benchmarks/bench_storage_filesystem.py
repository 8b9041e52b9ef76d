"""Durable writes of the filesystem storage against a plain loop of open, write, fsync and rename."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rows import row, show

from dicom_common.core import ObjectInfo, Write
from dicom_common.storage.filesystem import FilesystemStorage, Settings

_COUNT = 200
_ROUNDS = 7


def plainly(folder: Path, data: bytes) -> None:
    """Write one file after the other; as usual, nobody syncs the folder."""
    folder.mkdir(parents=True)
    for number in range(_COUNT):
        target = folder / f"{number}.dcm"
        staged = folder / f"{number}.part"
        with staged.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        staged.rename(target)


def plainly_durable(folder: Path, data: bytes) -> None:
    """The same with the sync of the folder after each file, without which the name may be lost."""
    folder.mkdir(parents=True)
    descriptor = os.open(folder, os.O_RDONLY)
    for number in range(_COUNT):
        staged = folder / f"{number}.part"
        with staged.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        staged.rename(folder / f"{number}.dcm")
        os.fsync(descriptor)
    os.close(descriptor)


def one_by_one(folder: Path, data: bytes) -> None:
    """Write with `write`, each with its digest verified."""
    storage = FilesystemStorage(Settings(root=folder))
    digest = hashlib.sha256(data).hexdigest()
    for number in range(_COUNT):
        storage.write(f"t/20200101/1.2.3/4.5.6/{number}.dcm", data, if_absent=True, sha256=digest)
    storage.close()


def in_a_batch(folder: Path, data: bytes) -> None:
    """Write with `write_many`, each with its digest verified."""
    storage = FilesystemStorage(Settings(root=folder))
    digest = hashlib.sha256(data).hexdigest()
    keys = [f"t/20200101/1.2.3/4.5.6/{number}.dcm" for number in range(_COUNT)]
    answers = storage.write_many([Write(key=key, source=data, if_absent=True, sha256=digest) for key in keys])
    if not all(isinstance(answer, ObjectInfo) for answer in answers):
        raise AssertionError("the benchmark's objects were not all written")
    storage.close()


def _seconds(function: Callable[[Path, bytes], None], base: Path, data: bytes) -> float:
    folder = Path(tempfile.mkdtemp(dir=base)) / "objects"
    os.sync()
    begun = time.perf_counter()
    function(folder, data)
    return time.perf_counter() - begun


def run() -> list[dict[str, Any]]:
    """Measure in turns; the ratio is that of each turn, so that what disturbs the machine disturbs both."""
    base = Path(tempfile.mkdtemp(dir=os.environ.get("DICOM_COMMON_TEST_FOLDER")))
    rows = []
    try:
        for label, size in (("15 KB", 15_000), ("500 KB", 500_000)):
            data = os.urandom(size)
            ratios: dict[str, list[float]] = {
                "batch / plain": [],
                "batch / plain, folder synced": [],
                "write / same": [],
            }
            for _ in range(_ROUNDS):
                plain, durable, one, batch = (
                    _seconds(function, base, data) for function in (plainly, plainly_durable, one_by_one, in_a_batch)
                )
                for name, ratio in zip(ratios, (plain / batch, durable / batch, durable / one), strict=True):
                    ratios[name].append(ratio)
            rows += [
                row(f"filesystem storage, {_COUNT} x {label}: {name}", values, 1.0 if name.startswith("batch") else 0.6)
                for name, values in ratios.items()
            ]
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return rows


if __name__ == "__main__":
    show(run())
