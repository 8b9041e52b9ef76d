"""The client of DICOMweb that viewers in browsers have does each of its operations against the server."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from web_instances import made
from web_site import serving

from dicom_common.testing.servers import DICOMWEB_CLIENT

pytestmark = [pytest.mark.kills, pytest.mark.slow]
SCRIPT = Path(__file__).with_name("dicomweb_client.mjs")


def test_dicomweb_client_of_npm_does_each_of_its_operations(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if not DICOMWEB_CLIENT.is_there():
        reason = "dicomweb-client is not installed: run `python3 tools/services.py install dicomweb-client`"
        (pytest.fail if request.config.getoption("--require-services") else pytest.skip)(reason)
    image: dict[str, Any] = {
        "Rows": 4,
        "Columns": 8,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
    }
    image |= {"SamplesPerPixel": 1, "NumberOfFrames": 2, "PixelData": bytes(range(64))}
    files = [tmp_path / "1.dcm", tmp_path / "2.dcm"]
    for number, file in enumerate(files, 1):
        more = image | {"PhotometricInterpretation": "MONOCHROME2"} if number == 1 else {}
        file.write_bytes(made(1, 1, number, PatientName="Müller^Jörg", PatientID="P1", InstanceNumber=number, **more))
    with serving(tmp_path / "data") as address:
        done = subprocess.run(
            ["node", SCRIPT, DICOMWEB_CLIENT.path, f"{address}/dicom-web", *files],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
