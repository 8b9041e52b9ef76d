"""A second opinion on the DICOM JSON of the reader: DCMTK's dcm2json, where it is installed."""

from __future__ import annotations

import json
import shutil
import struct
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dicom_common.core import DicomError
from dicom_common.dicom import read
from dicom_common.testing import dcm2json, dcm2json_differences

pytestmark = pytest.mark.skipif(
    shutil.which("dcm2json") is None, reason="DCMTK's dcm2json is not installed (apt-get install dcmtk)"
)

LARGEST = 1_500_000


def their_json(path: Path, folder: Path) -> Mapping[str, Any] | None:
    """Let dcm2json write a file without its pixel data; None where it refuses or what it writes is not JSON."""
    with warnings.catch_warnings(action="ignore"):
        data = without_pixel_data(path)
    if data is None:
        return None
    copy = folder / f"{abs(hash(path))}.dcm"
    copy.write_bytes(data)
    return dcm2json(copy)


def without_pixel_data(path: Path) -> bytes | None:
    """Cut a file before its pixel data: every element before it stays as it is."""
    try:
        place = read(path).instance.pixel_data
    except DicomError:
        return None
    data = path.read_bytes()
    if place is None:
        return data
    for header in (8, 12):  # bytes, with implicit and with explicit VR
        start = place.offset - header
        little, big = struct.pack("<HH", 0x7FE0, 0x0010), struct.pack(">HH", 0x7FE0, 0x0010)
        if data[start : start + 4] in (little, big):
            return data[:start]
    return None


def compared(path: Path, folder: Path) -> list[str] | None:
    theirs = their_json(path, folder)
    return None if theirs is None else list(dcm2json_differences(json.loads(read(path).metadata), theirs))


def test_what_both_write_is_the_same(corpus_files: tuple[Path, ...], tmp_path: Path) -> None:
    files = [path for path in corpus_files if path.stat().st_size < LARGEST and "fuzz" not in str(path)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda path: compared(path, tmp_path), files))
    found = {path.name: result for path, result in zip(files, results, strict=True) if result}
    assert sum(result is not None for result in results) > 30
    assert not found
