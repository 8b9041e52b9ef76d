"""An encrypted storage over a folder, with keys that a test can change."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests are no package; pytest's importlib mode adds no path
from sealed_folder import SealedFolder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[SealedFolder]:
    """A folder of encrypted objects, and storages over it."""
    made = SealedFolder(tmp_path / "objects")
    yield made
    made.close()


@pytest.fixture
def other_folder(tmp_path: Path) -> Iterator[Callable[[], SealedFolder]]:
    """Another installation with a keyring of its own."""
    made = SealedFolder(tmp_path / "others", seed=9)
    yield lambda: made
    made.close()
