"""Trying again: what is tried again, how often, and how long it waits."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from memory_store import DOWN, MemoryStore

from dicom_common.core import RefusedError, UnavailableError
from dicom_common.storage.object import BusyError, DoubtfulError, ObjectStorage


def test_what_may_pass_is_tried_again_and_what_will_not_is_not(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write("warm-up", b"", if_absent=True)
    requests: dict[str, Callable[[], object]] = {
        "put": lambda: storage.write("a", b"x"),
        "get": lambda: b"".join(storage.read("a")),
        "head": lambda: storage.stat("a"),
        "list": lambda: list(storage.scan()),
        "delete": lambda: storage.delete("a"),
    }
    for call, request in requests.items():
        store.calls.clear()
        store.before = {call: [DOWN, BusyError("busy"), DOWN]}
        request()
        assert store.calls[call] == 4
        if call == "delete":
            storage.write("a", b"x")
        store.calls.clear()
        store.before = {call: [DOWN] * 9}
        with pytest.raises(UnavailableError):
            request()
        assert store.calls[call] == 4
        store.calls.clear()
        store.before = {call: [RefusedError("no")]}
        with pytest.raises(RefusedError):
            request()
        assert store.calls[call] == 1
        store.before = {}


def test_a_doubtful_refusal_is_believed_the_third_time(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write("warm-up", b"", if_absent=True)
    store.calls.clear()
    store.before = {"put": [DoubtfulError("no"), DoubtfulError("no")]}
    storage.write("a", b"x", if_absent=True)
    assert store.calls["put"] == 3
    store.calls.clear()
    store.before = {"put": [DoubtfulError("no")] * 9}
    with pytest.raises(DoubtfulError):
        storage.write("b", b"x")
    assert store.calls["put"] == 3


def test_a_doubtful_refusal_of_a_write_that_was_made_after_all_finds_its_own_object(
    store: MemoryStore, storage: ObjectStorage
) -> None:
    storage.write("warm-up", b"", if_absent=True)
    store.after = {"put": [DoubtfulError("no")]}
    storage.write("a", b"x", if_absent=True)
    assert b"".join(storage.read("a")) == b"x"


def test_what_the_store_asks_for_is_waited_for(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write("a", b"x")
    store.before = {"head": [BusyError("busy", 0.3)]}
    began = time.monotonic()
    storage.stat("a")
    assert time.monotonic() - began >= 0.3


def test_a_wait_that_is_longer_than_the_deadline_is_not_begun(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write("a", b"x")
    store.before = {"head": [BusyError("busy", 3600)]}
    with pytest.raises(BusyError):
        storage.stat("a")
