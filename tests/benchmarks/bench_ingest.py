"""Ingest against the same written plainly with pydicom, both durable, and against what the disk can do at most."""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pydicom
from corpus import ct_template, write_files
from rows import row, show

from dicom_common.core import ATTRIBUTES
from dicom_common.host import Config
from dicom_common.pipeline import Status, ingest_files

_THREADS = 16
_KEYWORDS = [attribute.keyword for attribute in ATTRIBUTES][:60]


def plainly(files: Sequence[Path], folder: Path) -> None:
    """What one writes first: dcmread, sixty attributes, the JSON, the file, a row; each file and row made durable."""
    database = sqlite3.connect(folder / "index.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    columns = ", ".join(_KEYWORDS)
    database.execute(f"CREATE TABLE instance ({columns}, json, UNIQUE (SOPInstanceUID))")
    marks = ", ".join("?" * (len(_KEYWORDS) + 1))
    for file in files:
        dataset = pydicom.dcmread(file)
        values = [str(dataset.get(keyword, "")) for keyword in _KEYWORDS]
        # Without a handler, pydicom would put the whole pixel data into the JSON.
        text = json.dumps(dataset.to_json_dict(bulk_data_threshold=1024, bulk_data_element_handler=lambda _: "bulk"))
        target = folder / dataset.StudyInstanceUID / dataset.SeriesInstanceUID / f"{dataset.SOPInstanceUID}.dcm"
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as stream:
            stream.write(file.read_bytes())
            stream.flush()
            os.fsync(stream.fileno())
        database.execute(f"INSERT OR REPLACE INTO instance VALUES ({marks})", [*values, text])
    database.close()


def disk_only(files: Sequence[Path], folder: Path) -> None:
    """What the disk takes at most: sixteen threads that write, sync and rename the same bytes."""
    contents = [file.read_bytes() for file in files]

    def work(number: int) -> None:
        for at in range(number, len(contents), _THREADS):
            staged = folder / f"{at}.part"
            with staged.open("wb") as stream:
                stream.write(contents[at])
                stream.flush()
                os.fsync(stream.fileno())
            staged.rename(folder / f"{at}.dcm")

    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(work, range(_THREADS)))


def ours(files: Sequence[Path], folder: Path) -> None:
    """The same with this library, start of the worker processes included."""
    config = Config.load(overrides={"data": str(folder)}, variables={})
    statuses = [result.status for result in ingest_files(config, files, tenant="local")]
    if statuses != [Status.STORED] * len(files):
        raise AssertionError("the benchmark's files were not all stored")


def _seconds(function: Callable[[Sequence[Path], Path], None], files: Sequence[Path], base: Path) -> float:
    folder = Path(tempfile.mkdtemp(dir=base))
    os.sync()
    begin = time.perf_counter()
    function(files, folder)
    # What was written stays until the end: a file system that discards deleted blocks would do so during the next run.
    return time.perf_counter() - begin


def run() -> list[dict[str, Any]]:
    """Measure both sizes; the ratios are those of the times of one round, taken one after the other.

    Needs 12 GB of disk. So many files, because starting the worker processes takes 0.7 s, whatever there is to do.
    """
    rows = []
    for name, pixels, count, rounds, of_plain, of_disk in (
        ("15 KB", 64, 3000, 5, 12.0, 0.35),
        ("500 KB", 512, 2000, 3, 5.0, 0.5),
    ):
        with tempfile.TemporaryDirectory(dir=os.environ.get("DICOM_COMMON_TEST_FOLDER")) as folder:
            base = Path(folder)
            files = write_files(base / "files", ct_template(pixels), count)
            ratios, shares, rates = [], [], []
            for _ in range(rounds):
                slow = _seconds(plainly, files, base)
                fast = _seconds(ours, files, base)
                disk = _seconds(disk_only, files, base)
                ratios.append(slow / fast)
                shares.append(disk / fast)
                rates.append(count / fast)
        unit = f"times as fast ({statistics.median(rates):.0f} files/s)"
        rows.append(row(f"ingest of {name} files, against plain pydicom", ratios, of_plain, unit=unit))
        rows.append(row(f"ingest of {name} files, against the disk's limit", shares, of_disk))
    return rows


if __name__ == "__main__":
    show(run())
