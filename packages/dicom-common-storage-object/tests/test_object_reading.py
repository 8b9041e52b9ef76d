"""Readers go on over broken connections, and give no bytes but those of one whole object."""

from __future__ import annotations

import pytest
from memory_store import LARGE, MIB, MemoryStore

from dicom_common.core import DamagedError, UnavailableError
from dicom_common.storage.object import ObjectStorage


def test_a_reader_goes_on_where_the_connection_broke(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write("large", LARGE)
    store.cut_after = [3 * MIB + 17, 1, 0, 7 * MIB]
    assert b"".join(storage.read("large")) == LARGE
    store.cut_after = [100]
    assert b"".join(storage.read("large", start=5, length=4 * MIB)) == LARGE[5 : 5 + 4 * MIB]


def test_a_reader_never_mixes_two_objects(store: MemoryStore, storage: ObjectStorage) -> None:
    for change in (lambda: storage.write("a", LARGE[::-1]), lambda: storage.delete("a")):
        storage.write("a", LARGE)
        store.cut_after, store.on_cut = [2 * MIB], lambda change=change: change() and None  # type: ignore[misc]
        with pytest.raises(UnavailableError, match="replaced or deleted"):
            b"".join(storage.read("a"))


def test_a_reader_is_told_of_damage(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write("a", LARGE)
    found, data = store.objects["a"]
    store.objects["a"] = (found, data[:-1] + b"?")
    with pytest.raises(DamagedError):
        b"".join(storage.read("a"))
    assert len(b"".join(storage.read("a", start=1))) == len(LARGE) - 1  # a part cannot be compared


def test_a_store_whose_connections_always_break_is_given_up(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write("a", b"x" * 100)
    store.cut_after = [0] * 100
    with pytest.raises(UnavailableError):
        b"".join(storage.read("a"))
    assert store.calls["get"] == 4
