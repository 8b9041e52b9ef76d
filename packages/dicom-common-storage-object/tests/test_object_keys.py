"""Keys: under a prefix, too long, of other programs, and signed in URLs."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest
from memory_store import MemoryStore, opened

from dicom_common.core import ConfigError, NotFoundError, RefusedError
from dicom_common.storage.object import ObjectSettings, ObjectStorage


@pytest.mark.parametrize("prefix", ["images", "images/", "a/b/c"])
def test_a_prefix_keeps_several_apart(store: MemoryStore, prefix: str) -> None:
    with closing(opened(store, prefix=prefix)) as storage, closing(opened(store)) as other:
        other.write("imagesx", b"")
        other.write("a/b/cd", b"")
        keys = ["a/b", "a/c", "x", "患者", "z/1", "z/2"]
        for key in keys:
            storage.write(key, key.encode())
        assert sorted(set(store.objects) - {"imagesx", "a/b/cd"}) == sorted(
            f"{prefix.strip('/')}/{key}" for key in keys
        )
        assert [info.key for info in storage.scan()] == sorted(keys, key=str.encode)
        assert [info.key for info in storage.scan("a/", after="a/b")] == ["a/c"]
        assert b"".join(storage.read("患者")) == "患者".encode()
        assert storage.signed_url("x", expires=5) == f"memory:{prefix.strip('/')}/x?5"
        storage.delete("x")
        with pytest.raises(NotFoundError):
            storage.stat("x")


def test_a_key_that_is_too_long_with_its_prefix_is_refused_by_name(store: MemoryStore) -> None:
    key = "/".join(["k" * 204] * 5)
    with closing(opened(store, prefix="p")) as storage, pytest.raises(RefusedError, match="setting prefix"):
        storage.write(key, b"")


def test_what_is_no_key_is_not_listed(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write("a", b"")
    found, data = store.objects["a"]
    for foreign in ("folder/", "a//b", ".dicom-common/probe/x", "back\\slash", "../up"):
        store.objects[foreign] = (replace(found, key=foreign), data)
    assert [info.key for info in storage.scan()] == ["a"]
    store.calls.clear()
    for prefix in ("/", "../", ".dicom-common/", "\ud800"):
        assert list(storage.scan(prefix)) == []
    assert store.calls["list"] == 0


@pytest.mark.parametrize("expires", [0, -1, 604_801])
def test_a_url_for_too_long_is_refused(storage: ObjectStorage, expires: int) -> None:
    with pytest.raises(ValueError, match="seconds"):
        storage.signed_url("a", expires=expires)


@pytest.mark.parametrize("prefix", ["../other", "/images", ".dicom-common"])
def test_a_prefix_that_cannot_work_is_refused_by_name(prefix: str) -> None:
    with pytest.raises(ConfigError, match="setting prefix"):
        ObjectSettings(prefix=prefix)
