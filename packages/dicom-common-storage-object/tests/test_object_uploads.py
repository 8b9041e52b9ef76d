"""Uploads to stores of three kinds: one that is told all at the beginning, one at the end, and one that copies."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
from memory_store import DOWN, LARGE, MIB, CopyingStore, LateStore, MemoryStore, opened

from dicom_common.core import AlreadyExistsError, BackendError, DamagedError, RefusedError, UnavailableError, Upload
from dicom_common.storage.object import ObjectStorage, Part, Upload as StoreUpload

KINDS = (MemoryStore, LateStore, CopyingStore)
EARLY = (LateStore, CopyingStore)
"""Stores that take parts before the commit."""


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest) -> MemoryStore:
    made: MemoryStore = request.param()
    return made


@pytest.fixture
def storage(store: MemoryStore) -> Iterator[ObjectStorage]:
    with closing(opened(store)) as storage:
        yield storage


def written(upload: Upload, data: bytes, piece: int = 700_001) -> Upload:
    for start in range(0, len(data), piece):
        upload.write(data[start : start + piece])
    return upload


def assert_only(store: MemoryStore, **objects: bytes) -> None:
    assert {key: data for key, (_, data) in store.objects.items()} == objects
    assert store.uploads == {}


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * MIB, 22 * MIB])
def test_every_size_is_uploaded_whole_and_nothing_else_is_left(
    store: MemoryStore, storage: ObjectStorage, size: int
) -> None:
    data, digest = LARGE[:size], hashlib.sha256(LARGE[:size]).hexdigest()
    with written(storage.open_upload(), data) as upload:
        info = upload.commit("a", if_absent=True, sha256=digest)
    assert (info.key, info.size, info.sha256) == ("a", size, digest)
    assert_only(store, a=data)
    found = store.objects["a"][0]
    assert (found.sha256, found.size) == (digest, size)


def test_parts_are_sent_while_they_arrive_where_the_store_can_do_that(
    store: MemoryStore, storage: ObjectStorage
) -> None:
    with written(storage.open_upload(), LARGE) as upload:
        sent = store.calls["put_part"]
        assert not [key for key in store.objects if not key.startswith(".dicom-common/")]
        upload.commit("a")
    assert bool(sent) is isinstance(store, EARLY)
    assert store.calls["put_part"] == 5, "each part was sent once"
    assert store.calls["copy_part"] == (1 + 5 if isinstance(store, CopyingStore) else 0), "and a probe"


class Deaf(CopyingStore):
    """A store that takes the copy of a part for a part without bytes."""

    def copy_part(self, upload: StoreUpload, number: int, *, source: str, start: int, length: int) -> Part:
        super().copy_part(upload, number, source=source, start=start, length=0)
        return Part(number=number, size=length, receipt="")


class Refusing(CopyingStore):
    """A store that knows no copy of a part."""

    def copy_part(self, upload: StoreUpload, number: int, *, source: str, start: int, length: int) -> Part:  # noqa: ARG002
        raise RefusedError("NotImplemented")


@pytest.mark.parametrize("kind", [Deaf, Refusing])
def test_a_store_that_only_seems_to_copy_is_found_out(kind: type[CopyingStore]) -> None:
    store = kind()
    with closing(opened(store)) as storage:
        for key in ("a", "b"):
            with written(storage.open_upload(), LARGE) as upload:
                upload.commit(key, if_absent=True)
        assert_only(store, a=LARGE, b=LARGE)
    assert store.calls["start_copy"] == 1, "it is asked once"


def test_no_object_is_made_to_be_copied_where_it_could_not_be_deleted_wholly() -> None:
    store = CopyingStore()
    store.keeps_versions = True
    with closing(opened(store)) as storage, written(storage.open_upload(), LARGE) as upload:
        assert not store.calls
        upload.commit("a", if_absent=True)
    assert_only(store, a=LARGE)
    assert store.calls["copy_part"] == 0


def test_a_small_upload_is_one_request(store: MemoryStore, storage: ObjectStorage) -> None:
    with written(storage.open_upload(), LARGE[:500_000]) as upload:
        upload.commit("a")
    assert dict(store.calls) == {"put": 1}


@pytest.mark.parametrize("how", ["abort", "drop", "close", "damaged"])
def test_what_ends_without_a_commit_leaves_nothing(store: MemoryStore, storage: ObjectStorage, how: str) -> None:
    upload = written(storage.open_upload(), LARGE)
    if how == "abort":
        upload.abort()
    elif how == "drop":
        del upload
        gc.collect()
        storage.open_upload().abort()  # the requests are made when there is time for them
    elif how == "close":
        storage.close()
    else:
        with pytest.raises(DamagedError):
            upload.commit("a", sha256="0" * 64)
    assert_only(store)


def test_where_an_object_is_an_upload_goes_elsewhere(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write("a", b"first")
    storage.write("b", b"second")
    with written(storage.open_upload(), LARGE) as upload:
        for key in ("a", "b"):
            with pytest.raises(AlreadyExistsError):
                upload.commit(key, if_absent=True)
        upload.commit("c", if_absent=True)
    assert_only(store, a=b"first", b=b"second", c=LARGE)
    assert store.calls["put_part"] in ((5,) if isinstance(store, EARLY) else (5, 10, 15))
    with written(storage.open_upload(), LARGE) as upload, pytest.raises(AlreadyExistsError):
        upload.commit("a", if_absent=True)
    assert_only(store, a=b"first", b=b"second", c=LARGE)


def test_a_store_that_ignores_conditions_is_asked_first(store: MemoryStore, storage: ObjectStorage) -> None:
    store.keeps = False
    storage.write("a", b"first")
    with written(storage.open_upload(), LARGE) as upload:
        with pytest.raises(AlreadyExistsError):
            upload.commit("a", if_absent=True)
        upload.commit("b", if_absent=True)
    assert_only(store, a=b"first", b=LARGE)


CALLS = ("start", "put_part", "finish", "start_copy", "copy_part", "delete", "abandon", "head")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_an_upload_survives_a_fault_in_each_of_its_requests(
    store: MemoryStore, storage: ObjectStorage, call: str, moment: str
) -> None:
    storage.write("first", b"", if_absent=True)  # conditions are known now
    storage._sends_early()  # and what the store can do
    setattr(store, moment, {call: [UnavailableError("busy"), UnavailableError("busy")]})
    with written(storage.open_upload(), LARGE) as upload:
        upload.commit("a", if_absent=True)
    assert store.objects["a"][1] == LARGE
    left = set(store.objects) - {"a", "first"}
    assert not left
    assert len(store.uploads) <= (moment == "after" and call in {"start", "start_copy"}) * 2, "begun, and not told of"


@pytest.mark.parametrize("error", [RefusedError("no"), DOWN])
@pytest.mark.parametrize("call", ["start", "put_part", "finish", "start_copy", "copy_part"])
def test_an_upload_that_fails_leaves_nothing_and_has_ended(
    store: MemoryStore, storage: ObjectStorage, call: str, error: BackendError
) -> None:
    storage._sends_early()
    store.before = {call: [error] * 100}
    upload = storage.open_upload()
    try:
        written(upload, LARGE).commit("a")
    except type(error):
        with pytest.raises(BackendError, match="has ended"):
            upload.write(b"more")
        assert_only(store)
    else:
        assert len(store.before[call]) == 100, "this store has no such request"
    store.before = {}
    with written(storage.open_upload(), LARGE) as again:
        again.commit("a")  # all memory was given back
    assert_only(store, a=LARGE)


def test_check_deletes_what_a_killed_upload_left_a_day_ago(store: MemoryStore, storage: ObjectStorage) -> None:
    storage.write("a", b"x")
    for name, age in (("old", timedelta(days=2)), ("young", timedelta(hours=2))):
        key = f".dicom-common/uploads/{name}"
        found = replace(store.objects["a"][0], key=key)
        store.objects[key] = (replace(found, modified=found.modified - age), b"x")
    storage.check()
    assert set(store.objects) == {"a", ".dicom-common/uploads/young"}
    assert [found.key for found in storage.scan()] == ["a"]
