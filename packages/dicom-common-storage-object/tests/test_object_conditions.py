"""Whether the store keeps conditions is found out, and `if_absent` holds all the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from memory_store import MemoryStore, opened

from dicom_common.core import AlreadyExistsError, HealthStatus, RefusedError
from dicom_common.storage.object import ObjectStorage
from dicom_common.testing import health_of


def test_a_store_that_ignores_conditions_is_found_out(store: MemoryStore, storage: ObjectStorage) -> None:
    store.keeps = False
    storage.write("a", b"first", if_absent=True)
    with pytest.raises(AlreadyExistsError):
        storage.write("a", b"second", if_absent=True)
    assert store.objects["a"][1] == b"first"
    health = health_of(storage)
    assert health.status is HealthStatus.DEGRADED
    assert health.facts["preconditions"] is False
    assert "only the index" in health.detail
    assert list(store.objects) == ["a"]


def test_a_store_that_refuses_conditions_is_found_out(store: MemoryStore, storage: ObjectStorage) -> None:
    store.before = {"put": [RefusedError("NotImplemented")]}
    storage.write("a", b"first", if_absent=True)
    with pytest.raises(AlreadyExistsError):
        storage.write("a", b"second", if_absent=True)


def test_whether_conditions_are_kept_is_asked_once(store: MemoryStore, storage: ObjectStorage) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: storage.write(f"{n}", b"", if_absent=True), range(20)))
    assert store.calls["put"] == 20 + 2
    store.calls.clear()
    store.preconditions = True
    with closing(opened(store)) as knowing:
        knowing.write("another", b"", if_absent=True)
    assert store.calls["put"] == 1
