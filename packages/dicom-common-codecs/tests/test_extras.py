"""What is missing is said, with the extra that brings it, and the README names each library and its licence."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest

from dicom_common.codecs import Codecs

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("gdcm", "imagecodecs", "jpeg_ls", "openjpeg", "pylibjpeg"):
            raise ModuleNotFoundError(name=name)
sys.meta_path.insert(0, Absent())
from pathlib import Path
from dicom_common.codecs import Codecs
from dicom_common.core import DicomError
with Codecs() as codecs:
    print(sorted({missing.extra for missing in codecs.missing()}))
    print(codecs.can_decode("1.2.840.10008.1.2.4.90"), codecs.can_encode("1.2.840.10008.1.2.4.90"))
    print(codecs.can_decode("1.2.840.10008.1.2.5"), codecs.can_decode("1.2.840.10008.1.2.4.50"))
    try:
        codecs.render(Path(sys.argv[1]))
    except DicomError as error:
        print(error.reason, error)
"""


def test_without_the_extras_each_is_named() -> None:
    from pydicom import examples  # noqa: PLC0415

    command = [sys.executable, "-c", WITHOUT, str(examples.get_path("jpeg2k"))]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert lines[0] == "['gdcm', 'imagecodecs', 'jpeg2000', 'jpegls']"
    assert lines[1:3] == ["False False", "True True"]
    assert lines[3].startswith("no-decoder ")
    assert "dicom-common-codecs[jpeg2000]" in lines[3]


def test_the_caller_imports_neither_numpy_nor_a_decoder() -> None:
    program = (
        "import sys, dicom_common.codecs\n"
        "print([name for name in ('numpy', 'PIL', 'pydicom', 'gdcm', 'imagecodecs') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert output.strip() == "[]"


@pytest.mark.parametrize("library", ["python-gdcm", "imagecodecs", "pylibjpeg-openjpeg", "pyjpegls", "pillow"])
def test_no_library_is_under_a_licence_that_binds_its_users(library: str) -> None:
    try:
        told = metadata(library)
    except ModuleNotFoundError:
        pytest.skip("it is not installed")
    fields = [told.get_all(name) or [""] for name in ("License-Expression", "License", "Classifier")]
    licence = " ".join([fields[0][0], fields[1][0][:80], *fields[2]])
    assert "GPL" not in licence
    row = next(line for line in README.splitlines() if line.startswith(f"| {library} |"))
    assert re.search(r"BSD|MIT|Apache|HPND", row)


def test_the_default_is_never_gpl() -> None:
    pyproject = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert "pylibjpeg-libjpeg" not in pyproject


def test_what_is_there_is_told(codecs: Codecs) -> None:
    assert codecs.can_encode("1.2.840.10008.1.2.1")
    assert codecs.can_decode("1.2.840.10008.1.2.5")
    assert not codecs.can_decode("1.2.840.10008.1.2.4.100")
    assert not codecs.can_encode("1.2.840.10008.1.2")
