"""Comparison of DICOM JSON with that of DCMTK's dcm2json.

It is no oracle: it refuses compressed pixel data and some character sets, and some of what it writes is not JSON. So
only what both write is compared; of well-formed data sets that must be the same.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

__all__ = ["dcm2json", "dcm2json_differences", "dcmtk_program"]

_PIXEL_DATA = {"7FE00008", "7FE00009", "7FE00010"}
_SECONDS = 60


def dcmtk_program(name: str) -> str:
    """Return the path of a program of DCMTK or Orthanc; skip the test if it is not installed.

    The programs of this Python are passed over: pynetdicom installs some of the same names.
    """
    own = Path(sys.executable).parent
    folders = [folder for folder in (*os.get_exec_path(), "/usr/sbin") if Path(folder) != own]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        pytest.skip(f"{name} is not installed (apt-get install dcmtk orthanc)")
    return found


def dcm2json(file: Path) -> Mapping[str, Any] | None:
    """Return the output of dcm2json for a DICOM file without pixel data; skip the test if dcm2json is not installed.

    Returns:
        None where it refuses the file, or what it writes is not JSON.
    """
    program = dcmtk_program("dcm2json")
    done = subprocess.run([program, file], capture_output=True, check=False, timeout=_SECONDS)  # noqa: S603 - a program of DCMTK
    try:
        tree = json.loads(done.stdout)
    except ValueError:
        return None
    return tree if done.returncode == 0 and isinstance(tree, dict) else None


def dcm2json_differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Return the differences between two documents: the tags, never the values."""
    for key in sorted(ours.keys() & theirs.keys() - _PIXEL_DATA - {"00080005"}):
        mine, other = ours[key], theirs[key]
        if mine["vr"] == "SQ" and other.get("vr") == "SQ":
            for item, another in zip(mine.get("Value", []), other.get("Value", []), strict=False):
                yield from dcm2json_differences(item, another, f"{path}{key}.")
            if len(mine.get("Value", [])) != len(other.get("Value", [])):
                yield f"{path}{key}: items"
        elif other.get("vr") == "UN":
            continue  # dcm2json leaves UN as it is, where the dictionary knows better (PS3.5 6.2.2 note 2)
        elif mine["vr"] != other.get("vr"):
            yield f"{path}{key}: {mine['vr']} / {other.get('vr')}"
        elif "Value" in mine and "Value" in other:
            if list(map(_plain, mine["Value"])) != list(map(_plain, other["Value"])):
                yield f"{path}{key}: {mine['vr']} values"
        elif "InlineBinary" in mine and "InlineBinary" in other and mine["InlineBinary"] != other["InlineBinary"]:
            yield f"{path}{key}: {mine['vr']} bytes"


def _plain(value: Any) -> Any:
    """Make values comparable: numbers that one writes as text, the padding of texts."""
    if isinstance(value, dict):
        # Trailing delimiters of a name mean nothing (PS3.5 6.2.1.1); dcm2json takes them off.
        return {group: text.strip(" ^") for group, text in value.items() if text.strip(" ^")}
    if isinstance(value, str):
        try:
            return _single(float(value))
        except ValueError:
            return value.strip() or None
    return _single(float(value)) if isinstance(value, (int, float)) else value


def _single(number: float) -> float:
    """Round to 32 bits, for FL; enough to tell a wrong value."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        return number
