"""Issue 15, B.8: what DCMTK's dcm2json says of an instance that came back is what its metadata says.

Over pydicom's files: a third by default, all with DICOM_COMMON_TEST_DCM2JSON_ALL=1. conformance.md 11 has the
traps: compressed Pixel Data is erased from a copy first, and some character sets are refused.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from live_server import LiveServer, TokenIsTenant, live_server

from dicom_common.testing import dcm2json, dcm2json_differences

_FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
_FILES = sorted(path for path in _FOLDER.rglob("*") if path.is_file() and path.suffix in ("", ".dcm"))
_STEP = 1 if os.environ.get("DICOM_COMMON_TEST_DCM2JSON_ALL", "") not in ("", "0") else 3
_POLICY = {f"policy__{action}": {"roles": ["all"]} for action in ("store", "search", "retrieve")}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    """A server in which every file has a tenant of its own: some share their UIDs."""
    with live_server(tmp_path / "data", auth=TokenIsTenant(), **_POLICY) as live:
        yield live


@pytest.mark.slow
def test_dcm2json_agrees_with_the_metadata_of_what_comes_back(server: LiveServer, tmp_path: Path) -> None:
    compared, different = 0, {}
    for number, file in enumerate(_FILES[::_STEP]):
        tenant = f"tenant-{number}"
        (result,) = server.store(file.read_bytes(), tenant=tenant)
        if result.status != "stored":
            continue
        path = f"/studies/{result.study_uid}/series/{result.series_uid}/instances/{result.sop_uid}"
        headers = {"authorization": f"Bearer {tenant}"}
        answer = server.client.get(path, headers={**headers, "accept": "application/dicom; transfer-syntax=*"})
        if answer.status_code == 406:
            continue  # it cannot go out: PS3.18 8.6.2.1
        assert answer.status_code == 200
        copy = tmp_path / f"{number}.dcm"
        copy.write_bytes(answer.content)
        subprocess.run(["dcmodify", "-nb", "-imt", "-ea", "(7fe0,0010)", copy], capture_output=True, check=False)
        theirs = dcm2json(copy)
        if theirs is None:
            continue
        (ours,) = server.client.get(f"{path}/metadata", headers=headers).json()
        compared += 1
        if found := list(dcm2json_differences(ours, theirs)):
            different[file.name] = found
    assert compared > len(_FILES[::_STEP]) * 0.4
    assert different == {}
