"""A write whose answer was lost knows whether the object is its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing

import pytest
from memory_store import DOWN, LARGE, MemoryStore, opened

from dicom_common.core import AlreadyExistsError, UnavailableError
from dicom_common.storage.object import ObjectStorage, Part, Upload


def test_a_write_whose_answer_was_lost_knows_its_own_object(store: MemoryStore, storage: ObjectStorage) -> None:
    for key, data in (("small", b"data"), ("large", LARGE)):
        store.after = {"put": [DOWN] if key == "small" else [], "finish": [DOWN]}
        info = storage.write(key, data, if_absent=True)
        assert info.sha256 == hashlib.sha256(data).hexdigest()
        assert b"".join(storage.read(key)) == data
    assert store.uploads == {}


def test_a_large_write_whose_answer_was_lost_succeeds_without_a_condition_too(
    store: MemoryStore, storage: ObjectStorage
) -> None:
    store.after = {"finish": [DOWN]}
    storage.write("large", LARGE)
    assert store.objects["large"][1] == LARGE


def test_the_object_of_another_with_the_same_bytes_is_not_taken_for_our_own(
    store: MemoryStore, storage: ObjectStorage
) -> None:
    for key, data in (("small", b"data"), ("large", LARGE)):
        storage.write(key, data)
        before = store.objects[key]
        store.before = {"put": [DOWN], "finish": [DOWN]}
        with pytest.raises(AlreadyExistsError):
            storage.write(key, data, if_absent=True)
        assert store.objects[key] is before
    assert store.uploads == {}


def test_an_upload_that_vanished_is_not_said_to_be_written() -> None:
    class Forgetful(MemoryStore):
        def finish(self, upload: Upload, parts: Sequence[Part], *, if_absent: bool) -> None:
            try:
                super().finish(upload, parts, if_absent=if_absent)
            finally:
                self.uploads.clear()

    forgetful = Forgetful()
    forgetful.before = {"finish": [DOWN]}
    with closing(opened(forgetful)) as storage, pytest.raises(UnavailableError, match="not known"):
        storage.write("large", LARGE)
    assert forgetful.objects == {}
