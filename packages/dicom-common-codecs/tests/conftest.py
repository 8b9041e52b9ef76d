"""One `Codecs` for the tests that do not break theirs, and pydicom's bundled files."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from dicom_common.codecs import Codecs, CodecSettings
from dicom_common.core import DicomError
from dicom_common.dicom import read

sys.path.insert(0, str(Path(__file__).parent))  # --import-mode=importlib leaves it out


@cache
def bundled() -> tuple[Path, ...]:
    """Find pydicom's bundled instances, those that can be read at all."""
    pydicom = importlib.util.find_spec("pydicom")
    assert pydicom is not None
    assert pydicom.origin is not None
    folder = Path(pydicom.origin).parent / "data" / "test_files"
    return tuple(path for path in sorted(folder.rglob("*.dcm")) if _is_readable(path))


def _is_readable(path: Path) -> bool:
    try:
        read(path)
    except DicomError:
        return False
    return True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "instance_file" in metafunc.fixturenames:
        metafunc.parametrize("instance_file", bundled(), ids=lambda path: path.name)


@pytest.fixture(scope="session")
def codecs() -> Iterator[Codecs]:
    with Codecs(CodecSettings(workers=1)) as opened:
        yield opened
