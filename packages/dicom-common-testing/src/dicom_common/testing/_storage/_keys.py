"""Which keys a storage must take, which it must refuse, and in which order it must list them."""

from __future__ import annotations

import random
from threading import Event, Thread

import pytest

from dicom_common.core import (
    MAX_KEY_BYTES,
    NotFoundError,
    RefusedError,
    Storage,
)
from dicom_common.testing._health import health_of
from dicom_common.testing._storage._fixtures import StorageFixtures, content
from dicom_common.testing._storage._samples import ODD_KEYS

__all__ = ["StorageKeys"]

LONGEST_KEY = "/".join(["k" * 204] * 5)
MIXED_KEYS = (
    *("a/b/c", "a/b.c", "a/b-c", "a.b", "a0", "a/b0", "A", "B/a", "z", "é", "z\u0301", "\uffee", "\U0001f600"),
)
INVALID_KEYS = (
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "a/./b",
    "../../etc/passwd",
    "a\\b",
    "a\0b",
    "a\nb",
    "a\x7fb",
    "a\x85b",
    "lone\ud800surrogate",
    "x" * 256,
    "é" * 128,
    "/".join(["k" * 200] * 6),
    ".dicom-common",
    ".dicom-common/x",
)


class StorageKeys(StorageFixtures):
    """The part of `StorageContract` about keys."""

    # Keys

    @pytest.mark.parametrize("case_key", [*ODD_KEYS, *MIXED_KEYS, "患/者", "a/b c/é"], ids=ascii)
    def test_an_odd_key_is_a_key_like_any_other(self, storage: Storage, case_key: str) -> None:
        data = case_key.encode()
        if case_key in self.refused_keys:
            for call in (storage.write, storage.read, storage.stat, storage.delete):
                with pytest.raises(RefusedError):
                    call(*((case_key, data) if call == storage.write else (case_key,)))
            assert list(storage.scan()) == []
            return
        refusal = None
        try:
            storage.write(case_key, data)
        except RefusedError as error:
            refusal = error
        if refusal is not None:
            pytest.fail(f"the key {case_key!r} is refused, and not one of `refused_keys`: {refusal}", pytrace=False)
        assert content(storage, case_key) == data
        assert storage.stat(case_key).key == case_key
        assert [found.key for found in storage.scan()] == [case_key]
        storage.delete(case_key)
        assert list(storage.scan()) == []

    def test_keys_that_look_alike_are_different_objects(self, storage: Storage) -> None:
        keys = self.held(ODD_KEYS)
        for number, key in enumerate(keys):
            storage.write(key, b"%d" % number)
        assert [content(storage, key) for key in keys] == [b"%d" % number for number in range(len(keys))]
        assert [found.key for found in storage.scan()] == sorted(keys, key=str.encode)

    def test_the_longest_key_is_taken(self, storage: Storage) -> None:
        key = LONGEST_KEY
        assert len(key.encode()) == MAX_KEY_BYTES
        if not self.held([key]):
            with pytest.raises(RefusedError):
                storage.write(key, b"x")
            return
        storage.write(key, b"x")
        assert content(storage, key) == b"x"
        assert [found.key for found in storage.scan("k" * 204 + "/")] == [key]

    @pytest.mark.parametrize("case_key", INVALID_KEYS, ids=ascii)
    def test_what_is_no_key_is_refused_by_every_method(self, storage: Storage, case_key: str) -> None:
        for call in (
            lambda: storage.write(case_key, b"x"),
            lambda: storage.write(case_key, b"x", if_absent=True),
            lambda: storage.read(case_key),
            lambda: storage.stat(case_key),
            lambda: storage.delete(case_key),
        ):
            with pytest.raises(ValueError, match="storage key"):
                call()
        assert list(storage.scan()) == []

    def test_a_key_below_an_object_is_kept_apart_or_refused(self, storage: Storage) -> None:
        storage.write("a/b", b"first")
        try:
            storage.write("a/b/c", b"second")
        except RefusedError:
            with pytest.raises(NotFoundError):
                storage.stat("a/b/c")
        else:
            assert content(storage, "a/b/c") == b"second"
        assert content(storage, "a/b") == b"first"

    @pytest.mark.parametrize("case_if_absent", [False, True])
    def test_a_key_above_an_object_is_kept_apart_or_refused(self, storage: Storage, case_if_absent: bool) -> None:
        storage.write("a/b/c", b"first")
        with pytest.raises(NotFoundError):
            storage.stat("a/b")
        try:
            # Not AlreadyExistsError: there is no such object, and a caller who reads that would not write it anywhere.
            storage.write("a/b", b"second", if_absent=case_if_absent)
        except RefusedError:
            with pytest.raises(NotFoundError):
                storage.stat("a/b")
        else:
            assert content(storage, "a/b") == b"second"
        assert content(storage, "a/b/c") == b"first"

    # Scan

    def test_a_scan_is_in_the_order_of_the_bytes(self, storage: Storage) -> None:
        keys = self.held([*MIXED_KEYS, *(f"many/{number}" for number in range(30))])
        shuffled = random.Random(4).sample(keys, len(keys))
        for key in shuffled:
            storage.write(key, key.encode())
        ordered = sorted(keys, key=str.encode)
        assert [found.key for found in storage.scan()] == ordered
        for after in (*keys, "a", "a/", "a/b", "a/b/", "a/b/d", "many", "many/", "many/2", "zz", "\U0010ffff"):
            expected = [key for key in ordered if key.encode() > after.encode()]
            assert [found.key for found in storage.scan(after=after)] == expected

    def test_a_prefix_is_any_text(self, storage: Storage) -> None:
        keys = self.held(["a/b/c", "a/b.c", "a/bb", "a/c", "ab/c", "b", "患/者"])
        for key in keys:
            storage.write(key, b"")
        ordered = sorted(keys, key=str.encode)
        for prefix in ("", "a", "a/", "a/b", "a/b/", "a/b/c", "a/b/c/", "a/b/cd", "b", "b/", "x", "患", "患/"):
            expected = [key for key in ordered if key.startswith(prefix)]
            assert [found.key for found in storage.scan(prefix)] == expected
            assert [found.key for found in storage.scan(prefix, after="a/b/c")] == [
                key for key in expected if key.encode() > b"a/b/c"
            ]

    @pytest.mark.parametrize(
        "case_prefix", ["/", "../", "..", "./", "a/../", "//", ".dicom-common", ".dicom-common/", "\0", "\\"]
    )
    def test_a_prefix_that_begins_no_key_finds_nothing(self, storage: Storage, case_prefix: str) -> None:
        storage.write("a/b", b"")
        health_of(storage)
        assert list(storage.scan(case_prefix)) == []

    def test_a_scan_during_writes_sees_all_others_once(self, storage: Storage) -> None:
        fixed = [f"fixed/{number % 5}/{number}" for number in range(60)]
        for key in fixed:
            storage.write(key, b"")
        stop = Event()

        def disturb() -> None:
            number = 0
            while not stop.is_set():
                key = f"fixed/{number % 7}/passing{number}"
                storage.write(key, b"")
                storage.delete(key)
                number += 1

        thread = Thread(target=disturb)
        thread.start()
        try:
            for _ in range(10):
                seen = [found.key for found in storage.scan()]
                assert len(seen) == len(set(seen))
                assert [key for key in seen if "passing" not in key] == sorted(fixed)
        finally:
            stop.set()
            thread.join()
