"""A folder of objects, a storage over it, and a folder outside that no key may reach."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dicom_common.storage.filesystem import FilesystemStorage, Settings

sys.path.insert(0, str(Path(__file__).parent))  # --import-mode=importlib leaves it out


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def storage(root: Path) -> Iterator[FilesystemStorage]:
    with closing(FilesystemStorage(Settings(root=root))) as storage:
        yield storage


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_bytes(b"not an object")
    return folder
