"""A second opinion: DCMTK's dcm2json, where it is installed.

It is no oracle: it refuses some files, and repeats malformed values as they are. So only what both write is compared,
and for the values of text, numbers and sequences in well-formed files it must be the same.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dicom_common.core import DicomError
from dicom_common.dicom import read

DCM2JSON = shutil.which("dcm2json")
pytestmark = pytest.mark.skipif(DCM2JSON is None, reason="DCMTK's dcm2json is not installed (apt-get install dcmtk)")

LARGEST = 1_500_000
PIXEL_DATA = {"7FE00008", "7FE00009", "7FE00010"}


def their_json(path: Path, folder: Path) -> Mapping[str, Any] | None:
    """Let dcm2json write a file without its pixel data; None where it refuses or what it writes is not JSON."""
    assert DCM2JSON is not None
    with warnings.catch_warnings(action="ignore"):
        data = without_pixel_data(path)
    if data is None:
        return None
    copy = folder / f"{abs(hash(path))}.dcm"
    copy.write_bytes(data)
    done = subprocess.run([DCM2JSON, copy], capture_output=True, check=False, timeout=60)
    try:
        tree = json.loads(done.stdout)
    except ValueError:
        return None
    return tree if done.returncode == 0 and isinstance(tree, dict) else None


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


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Name what both write, differently."""
    for key in sorted(ours.keys() & theirs.keys() - PIXEL_DATA - {"00080005"}):
        mine, other = ours[key], theirs[key]
        if mine["vr"] == "SQ" and other.get("vr") == "SQ":
            for item, another in zip(mine.get("Value", []), other.get("Value", []), strict=False):
                yield from differences(item, another, f"{path}{key}.")
            if len(mine.get("Value", [])) != len(other.get("Value", [])):
                yield f"{path}{key}: items"
        elif other.get("vr") == "UN":
            continue  # dcm2json leaves UN as it is, where the dictionary knows better (PS3.5 6.2.2 note 2)
        elif mine["vr"] != other.get("vr"):
            yield f"{path}{key}: {mine['vr']} / {other.get('vr')}"
        elif "Value" in mine and "Value" in other:
            if list(map(plain, mine["Value"])) != list(map(plain, other["Value"])):
                yield f"{path}{key}: {mine['vr']} values"
        elif "InlineBinary" in mine and "InlineBinary" in other and mine["InlineBinary"] != other["InlineBinary"]:
            yield f"{path}{key}: {mine['vr']} bytes"


def plain(value: Any) -> Any:
    """Make values comparable: numbers that one writes as text, the padding of texts."""
    if isinstance(value, dict):
        # Trailing delimiters of a name mean nothing (PS3.5 6.2.1.1); dcm2json takes them off.
        return {group: text.strip(" ^") for group, text in value.items() if text.strip(" ^")}
    if isinstance(value, str):
        try:
            return single(float(value))
        except ValueError:
            return value.strip() or None
    return single(float(value)) if isinstance(value, (int, float)) else value


def single(number: float) -> float:
    """Round to 32 bits, for FL; enough to tell a wrong value."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        return number


def compared(path: Path, folder: Path) -> list[str] | None:
    theirs = their_json(path, folder)
    return None if theirs is None else list(differences(json.loads(read(path).metadata), theirs))


def test_what_both_write_is_the_same(corpus_files: tuple[Path, ...], tmp_path: Path) -> None:
    files = [path for path in corpus_files if path.stat().st_size < LARGEST and "fuzz" not in str(path)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda path: compared(path, tmp_path), files))
    found = {path.name: result for path, result in zip(files, results, strict=True) if result}
    assert sum(result is not None for result in results) > 30
    assert not found
