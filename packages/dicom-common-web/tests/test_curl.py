"""The commands of the README work as they stand there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from server_process import ServerProcess

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine (Debian: apt-get install curl)")
def test_the_commands_of_the_readme_work(process: ServerProcess, tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8")
    (commands,) = [block for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "curl" in block]
    assert "127.0.0.1:8042" in commands
    original = Path(get_testdata_file("CT_small.dcm", download=False) or "").read_bytes()
    (tmp_path / "CT_small.dcm").write_bytes(original)
    script = 'set -e\ncurl() { command curl --fail --silent --show-error "$@"; }\n'
    script += commands.replace("127.0.0.1:8042", f"127.0.0.1:{process.port}")
    done = subprocess.run(["bash"], input=script, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("CompressedSamples^CT1") == 2
    pixels = pydicom.dcmread(tmp_path / "CT_small.dcm").PixelData
    assert (tmp_path / "frame.raw").read_bytes() == pixels
    assert (tmp_path / "part.raw").read_bytes() == pixels[:100]
    assert (tmp_path / "image.dcm").read_bytes()[128:] == original[128:]
    assert original[132:] in (tmp_path / "study.multipart").read_bytes()
    assert len(json.loads((tmp_path / "study.json").read_bytes())) == 1
    for name, size in (("image.png", (256, 256)), ("thumbnail.jpeg", (128, 128))):
        with Image.open(tmp_path / name) as picture:
            assert picture.size == size
    assert process.request("GET", "/dicom-web/studies?PatientID=1CT1").body == b"[]"
