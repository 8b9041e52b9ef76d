"""An encrypted storage over a folder, with keys that a test can change."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests are no package; pytest's importlib mode adds no path
from sealed_folder import ByRanges, SealedFolder

from dicom_common.storage.filesystem import FilesystemStorage


@pytest.fixture(params=[FilesystemStorage, ByRanges], ids=["held-open", "by-ranges"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[SealedFolder]:
    """A folder of encrypted objects, and storages over it, for both ways to read an inner storage."""
    made = SealedFolder(tmp_path / "objects", inner=request.param)
    yield made
    made.close()


@pytest.fixture
def other_folder(tmp_path: Path) -> Iterator[Callable[[], SealedFolder]]:
    """Another installation with a keyring of its own."""
    made = SealedFolder(tmp_path / "others", seed=9)
    yield lambda: made
    made.close()
