"""What `check` tells of a store, and what it deletes of killed checks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from memory_store import DOWN, MemoryStore

from dicom_common.core import HealthStatus, RefusedError
from dicom_common.storage.object import BusyError, Kept, ObjectStorage
from dicom_common.testing import health_of


def test_check_tells_what_does_not_work(store: MemoryStore, storage: ObjectStorage) -> None:
    assert health_of(storage).status is HealthStatus.OK
    assert health_of(storage).facts["rooms"] == 1
    store.before = {"probe": [RefusedError("No such bucket: check the setting bucket.")]}
    health = health_of(storage)
    assert (health.status, health.detail) == (HealthStatus.FAILED, "No such bucket: check the setting bucket.")
    store.before = {"probe": [DOWN], "put": [BusyError("busy")], "get": [DOWN], "delete": [DOWN]}
    assert health_of(storage).status is HealthStatus.OK
    store.before = {"put": [DOWN] * 9}
    assert health_of(storage).status is HealthStatus.FAILED
    store.before = {"put": [RefusedError("no")]}
    assert health_of(storage).status is HealthStatus.FAILED
    store.uploads = {"old": {}, "older": {}}
    health = health_of(storage)
    assert health.facts["old_unfinished_uploads"] == 2
    assert "2 unfinished uploads" in health.detail
    assert [key for key in store.objects if not key.startswith(".dicom-common/probe/")] == []


def test_check_deletes_the_probes_that_a_killed_check_left_long_ago(store: MemoryStore, storage: ObjectStorage) -> None:
    for name, age in (("old", timedelta(days=2)), ("new", timedelta(hours=1))):
        found = store.put(f".dicom-common/probe/{name}", b"", Kept(sha256="", attempt=name), if_absent=False)
        store.objects[found.key] = (replace(found, modified=found.modified - age), b"")
    storage.write("probe/old", b"x")
    assert health_of(storage).status is HealthStatus.OK
    assert sorted(store.objects) == [".dicom-common/probe/new", "probe/old"]
