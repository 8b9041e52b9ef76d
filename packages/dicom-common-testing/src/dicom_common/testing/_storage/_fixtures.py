"""What all parts of the storage contract need: an open storage, and how to open it once more."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest

from dicom_common.core import (
    Storage,
)
from dicom_common.testing._contract import Contract, missing_fixture

__all__ = ["CHUNK_LIMIT", "MEMORY_LIMIT", "StorageFixtures", "content", "few_descriptors"]

CHUNK_LIMIT = 1 << 20
MEMORY_LIMIT = 64 << 20


@contextmanager
def few_descriptors(more: int) -> Iterator[None]:
    """Let this process open only so many files and connections more: one that is not closed shows soon."""
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def content(storage: Storage, key: str) -> bytes:
    """Read an object as a whole."""
    return b"".join(storage.read(key))


class StorageFixtures(Contract):
    """The fixtures and settings of `StorageContract`."""

    large_object_bytes = 256 << 20
    crash_rounds = 4
    clock_tolerance = timedelta(minutes=5)
    """By how much the clock of the server may differ from ours."""
    refused_keys: frozenset[str] = frozenset()
    """Keys that the store cannot hold under their own name, of all that the contract writes: every method must refuse
    them, and no test asks for them elsewhere."""

    def held(self, keys: Sequence[str]) -> list[str]:
        """Return the keys that the storage need not refuse."""
        return [key for key in keys if key not in self.refused_keys]

    @pytest.fixture
    def storage(self, open_storage: Callable[[], Storage]) -> Iterator[Storage]:
        """Open the storage of the test."""
        with closing(open_storage()) as storage:
            yield storage

    @pytest.fixture
    def open_storage(self) -> Callable[[], Storage]:
        """Give the callable that opens the storage."""
        opens: Callable[[], Storage] = missing_fixture("open_storage", "a callable that opens the storage, empty")
        return opens
