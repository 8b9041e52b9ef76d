"""`check` says which decoders are missing, and nothing where none is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("dicom_common.codecs")

PROGRAM = """
import sys
absent = sys.argv.pop(1).split()
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(name=name)
sys.meta_path.insert(0, Absent())
from dicom_common.cli import main
sys.exit(main())
"""


def rows(folder: Path, absent: str) -> dict[str, dict[str, object]]:
    command = [sys.executable, "-c", PROGRAM, absent, "check", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {row["kind"]: row for row in map(json.loads, done.stdout.splitlines())}


def test_a_missing_decoder_is_said_with_its_extra(tmp_path: Path) -> None:
    row = rows(tmp_path, "jpeg_ls gdcm")["codecs"]
    assert row["status"] == "degraded"
    assert row["facts"] == {"not_decoded": 4}  # JPEG-LS twice, JPEG Lossless twice
    assert "dicom-common-codecs[gdcm,jpegls]" in str(row["detail"])


def test_where_all_is_there_nothing_is_said(tmp_path: Path) -> None:
    for name in ("gdcm", "imagecodecs", "jpeg_ls", "openjpeg"):
        pytest.importorskip(name)
    assert "codecs" not in rows(tmp_path, "")
