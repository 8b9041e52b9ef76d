"""A store in memory, and a storage over it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dicom_common.storage.object import ObjectStorage

sys.path.insert(0, str(Path(__file__).parent))  # --import-mode=importlib leaves it out
from memory_store import MemoryStore, opened


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def storage(store: MemoryStore) -> Iterator[ObjectStorage]:
    with closing(opened(store)) as storage:
        yield storage
