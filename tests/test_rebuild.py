"""The index can be made anew from the storage alone."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from embedded import contents, real_files


def test_an_index_that_is_rebuilt_from_the_storage_equals_the_old_one(
    data: Path,
    tmp_path: Path,
    small_files: Callable[[int], list[Path]],
    dicom_common: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    small_files(500)
    dicom_common("ingest", "--jobs", "1", *real_files(), tmp_path / "files", ok=(0, 1))
    before = contents(data)
    assert len(before["stored"]) > 550

    for file in data.glob("index.sqlite*"):
        file.unlink()
    dicom_common("reconcile", "--rebuild", ok=(0, 1))

    assert contents(data) == before
    assert dicom_common("reconcile").returncode == 0
