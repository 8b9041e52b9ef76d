"""Retrieving a study of 250 objects against reading one object after another: from far away, and from this machine."""

from __future__ import annotations

import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from rows import row, show

from dicom_common.core import Storage, Stored
from dicom_common.pipeline import read_ahead, read_verified
from dicom_common.storage.filesystem import FilesystemStorage, Settings

_LATENCY = 0.02


class Distant(FilesystemStorage):
    """A storage that is 20 ms away."""

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Wait, then read."""
        time.sleep(_LATENCY)
        return super().read(key, start=start, length=length)


def filled(storage: Storage, count: int, size: int) -> list[Stored]:
    """Write objects, and say what an index would know of them."""
    stored = []
    for number in range(count):
        data = number.to_bytes(8, "big") + bytes(size - 8)
        storage.write(f"t/{number}", data)
        stored.append(
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
    return stored


def one_after_another(storage: Storage, stored: list[Stored]) -> int:
    """Read as a plain loop does, each digest verified."""
    return sum(len(chunk) for one in stored for chunk in read_verified(storage, one))


def ahead(storage: Storage, stored: list[Stored]) -> int:
    """Read with the defaults of `retrieve`."""
    return sum(len(chunk) for one in read_ahead(storage, stored) for chunk in one.chunks)


def _seconds(work: Callable[[Storage, list[Stored]], int], storage: Storage, stored: list[Stored]) -> float:
    begun = time.perf_counter()
    total = work(storage, stored)
    taken = time.perf_counter() - begun
    if total != sum(one.size for one in stored):
        raise AssertionError("the benchmark's objects were not all read")
    return taken


def run(count: int = 250, rounds: int = 5) -> list[dict[str, Any]]:
    """Measure in turns; the ratio is that of each turn."""
    rows = []
    for kind, size, target, name in (
        (Distant, 15_000, 6.0, "250 objects of 15 KB, 20 ms away"),
        (Distant, 500_000, 6.0, "250 objects of 500 KB, 20 ms away"),
        (FilesystemStorage, 15_000, None, "250 objects of 15 KB on this machine"),
        (FilesystemStorage, 500_000, None, "250 objects of 500 KB on this machine"),
    ):
        with (
            tempfile.TemporaryDirectory() as folder,
            closing(kind(Settings(root=Path(folder) / "objects", fsync=False))) as storage,
        ):
            stored = filled(storage, count, size)
            taken = [[_seconds(work, storage, stored) for work in (one_after_another, ahead)] for _ in range(rounds)]
        ratios = [plain / ours for plain, ours in taken]
        rate = statistics.median(count / ours for _, ours in taken)
        unit = f"times as fast ({rate:.0f} objects/s)"
        rows.append(row(f"retrieve: {name}, against one after another", ratios, target, unit=unit))
    return rows


if __name__ == "__main__":
    show(run(*map(int, sys.argv[1:])))
