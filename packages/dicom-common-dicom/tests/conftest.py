"""The files that the tests of the reader run over: pydicom's bundled ones, and the data folder where it is there."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # --import-mode=importlib leaves it out
_DATA_FOLDER = "DICOM_COMMON_TEST_DATA"


@cache
def corpus() -> tuple[Path, ...]:
    """Find all files, each content once."""
    pydicom = importlib.util.find_spec("pydicom")
    assert pydicom is not None
    assert pydicom.origin is not None
    folders = [Path(pydicom.origin).parent / "data" / "test_files"]
    # The repository's root, when the tests lie in it.
    beside = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "dicom"
    folders.append(Path(os.environ.get(_DATA_FOLDER, beside)))
    seen: set[bytes] = set()
    return tuple(path for folder in folders for path in _files(folder) if _is_new(path, seen))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "MANIFEST.csv")


def _is_new(path: Path, seen: set[bytes]) -> bool:
    digest = hashlib.sha256(path.read_bytes()).digest()
    is_new = digest not in seen
    seen.add(digest)
    return is_new


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "corpus_file" in metafunc.fixturenames:
        files = corpus()
        metafunc.parametrize("corpus_file", files, ids=["/".join(path.parts[-2:]) for path in files])


@pytest.fixture(scope="session")
def corpus_files() -> tuple[Path, ...]:
    """All files at once, for tests that run over them in a child process."""
    return corpus()


@pytest.fixture(scope="session")
def heavy() -> int:
    """How many times more examples than by default the fuzzing tests try: `DICOM_COMMON_TEST_HEAVY`."""
    return int(os.environ.get("DICOM_COMMON_TEST_HEAVY", "1"))
