"""The two engines of the reader: the native one says what the Python one says, of real files and of changed ones.

The session `native` runs it; `python3 tools/dev.py test native` compares 300,000 changed objects. A failure names the
number of its object: `python tests/engine_worker.py NUMBER` compares it again.
"""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from embedded import real_files

from dicom_common.core import Instance

pytest.importorskip("dicom_common.native", reason="the native reader was not built: `dev.py test native` does it")

from engine_worker import difference, object_of, verdict_of  # it needs the native reader

from dicom_common.dicom import Readable, ReaderSettings, read  # likewise
from dicom_common.dicom._native_engine import scan_natively  # likewise

READS = int(os.environ.get("DICOM_COMMON_TEST_ENGINE_READS", "3000"))
SLICE = 5000
WORKER = Path(__file__).with_name("engine_worker.py")
PYTHON, NATIVE = ReaderSettings(engine="python"), ReaderSettings(engine="native")


def test_real_files_are_read_alike() -> None:
    found = {path.name: difference(path.read_bytes()) for path in real_files()}
    assert {name: what for name, what in found.items() if what is not None} == {}


def test_the_native_reader_reads_most_of_the_real_files() -> None:
    accepted = [data for path in real_files() if isinstance(verdict_of(data := path.read_bytes(), PYTHON)[0], Instance)]
    natively = [data for data in accepted if scan_natively(data, len(data), NATIVE) is not None]
    print(f"{len(natively)} of {len(accepted)} real files are read by the native reader")
    assert len(natively) > 0.7 * len(accepted)


def test_changed_objects_are_read_alike_and_no_process_dies() -> None:
    slices = [(first, min(first + SLICE, READS)) for first in range(0, READS, SLICE)]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        told = [line for lines in pool.map(_work, slices) for line in lines]
    done = sum(line.get("done", 0) for line in told)
    assert [line for line in told if "done" not in line] == []
    assert done == READS


def _work(numbers: tuple[int, int]) -> list[dict[str, Any]]:
    command = [sys.executable, str(WORKER), *map(str, numbers)]
    done = subprocess.run(command, cwd=WORKER.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{numbers}: exit code {done.returncode}, {done.stderr[-2000:]}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_other_values_are_mostly_read_by_the_native_reader() -> None:
    numbers = range(1, 401, 2)
    objects = [object_of(number) for number in numbers]
    natively = [data for data in objects if scan_natively(data, len(data), NATIVE) is not None]
    assert len(natively) > len(objects) // 4, "or nothing is compared"


@pytest.mark.parametrize("kind", ["path", "memory map", "memoryview"])
def test_a_long_file_is_read_by_its_beginning(kind: str, tmp_path: Path) -> None:
    data = _long_file()
    path = tmp_path / "long.dcm"
    path.write_bytes(data)
    expected = verdict_of(data, PYTHON)
    assert isinstance(expected[0], Instance)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        sources: dict[str, Readable] = {"path": path, "memory map": mapped, "memoryview": memoryview(data)}
        reading = read(sources[kind], settings=NATIVE)
    assert (reading.instance, reading.metadata) == expected
    assert scan_natively(data[: 4 << 20], len(data), NATIVE) is not None


def _long_file() -> bytes:
    """Make a file whose pixel data is longer than what is read of a file at once."""
    number = next(number for number in range(1, 1000, 2) if _is_plain(object_of(number)))
    data = object_of(number)
    instance = read(data, settings=PYTHON).instance
    pixel = instance.pixel_data
    assert pixel is not None
    pixels = bytes(5 << 20)
    return data[: pixel.offset - 4] + len(pixels).to_bytes(4, "little") + pixels


def _is_plain(data: bytes) -> bool:
    instance = verdict_of(data, PYTHON)[0]
    if not isinstance(instance, Instance) or instance.pixel_data is None or instance.warnings:
        return False
    pixel = instance.pixel_data
    return pixel.length is not None and pixel.offset + pixel.length == len(data)
