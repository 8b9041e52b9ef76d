"""What a storage must do with one object: write it, read it, tell of it, delete it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

import pytest

from dicom_common.core import (
    BackendError,
    NotFoundError,
    Storage,
)
from dicom_common.testing._storage._fixtures import CHUNK_LIMIT, StorageFixtures, content
from dicom_common.testing._storage._samples import pattern

__all__ = ["StorageObjects"]


class StorageObjects(StorageFixtures):
    """The part of `StorageContract` about single objects."""

    # What is written is read.

    @pytest.mark.parametrize("case_size", [0, 1, 65_535, CHUNK_LIMIT - 1, CHUNK_LIMIT, CHUNK_LIMIT + 1, 5_000_000])
    def test_bytes_come_back_as_they_were_written(self, storage: Storage, case_size: int) -> None:
        data = pattern(case_size, case_size)
        info = storage.write("folder/object.dcm", data)
        chunks = list(storage.read("folder/object.dcm"))
        assert (info.key, info.size) == ("folder/object.dcm", case_size)
        assert b"".join(chunks) == data
        assert all(0 < len(chunk) <= CHUNK_LIMIT for chunk in chunks)

    @pytest.mark.parametrize("case_kind", [bytes, bytearray, memoryview, io.BytesIO])
    def test_every_kind_of_source_is_taken(self, storage: Storage, case_kind: Callable[[bytes], object]) -> None:
        data = pattern(1, 100_000)
        storage.write("a", cast("bytes", case_kind(data)), sha256=hashlib.sha256(data).hexdigest())
        assert content(storage, "a") == data

    def test_a_memoryview_of_other_items_is_taken_by_its_bytes(self, storage: Storage) -> None:
        data = pattern(2, 80_000)
        storage.write("a", cast("memoryview", memoryview(data).cast("d")))
        assert content(storage, "a") == data

    def test_a_file_is_written_from_where_it_stands(self, storage: Storage) -> None:
        data = pattern(3, 3_000_000)
        source = io.BytesIO(data)
        source.seek(1_000_001)
        info = storage.write("a", source)
        assert info.size == len(data) - 1_000_001
        assert content(storage, "a") == data[1_000_001:]

    def test_a_file_that_gives_less_than_is_asked_for_is_written_whole(self, storage: Storage) -> None:
        class Trickle(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                return super().read(min(size, 777) if size and size > 0 else size)

        data = pattern(4, 50_000)
        storage.write("a", Trickle(data))
        assert content(storage, "a") == data

    def test_a_second_write_replaces(self, storage: Storage) -> None:
        storage.write("a", b"a much longer first content")
        storage.write("a", b"second")
        assert content(storage, "a") == b"second"
        assert storage.stat("a").size == 6

    def test_a_reader_that_began_before_a_replacement_sees_one_of_both_whole(self, storage: Storage) -> None:
        first, second = pattern(1, 3_000_000), pattern(2, 3_000_000)
        storage.write("a", first)
        chunks = storage.read("a")
        head = next(chunks)
        storage.write("a", second)
        try:
            whole = head + b"".join(chunks)
        except BackendError:
            return  # said, not mixed
        assert whole in (first, second)

    # Ranges

    @pytest.mark.parametrize(
        ("case_start", "case_length"),
        [
            (0, None),
            (0, 0),
            (0, 1),
            (1, None),
            (1, 1),
            (999_999, 3),
            (CHUNK_LIMIT, CHUNK_LIMIT),
            (CHUNK_LIMIT - 1, CHUNK_LIMIT + 2),
            (2_999_999, None),
            (2_999_999, 10),
            (3_000_000, None),
            (3_000_000, 10),
            (10**15, 10),
        ],
    )
    def test_a_range_gives_what_is_there(self, storage: Storage, case_start: int, case_length: int | None) -> None:
        data = pattern(5, 3_000_000)
        storage.write("a", data)
        chunks = list(storage.read("a", start=case_start, length=case_length))
        assert b"".join(chunks) == data[case_start : None if case_length is None else case_start + case_length]
        assert all(len(chunk) <= CHUNK_LIMIT for chunk in chunks)

    def test_a_range_of_an_empty_object_is_empty(self, storage: Storage) -> None:
        storage.write("a", b"")
        assert content(storage, "a") == b""
        assert b"".join(storage.read("a", start=0, length=5)) == b""
        assert b"".join(storage.read("a", start=5)) == b""

    @pytest.mark.parametrize(("case_start", "case_length"), [(-1, None), (0, -1), (-5, -5)])
    def test_a_negative_range_is_refused_by_the_call(
        self, storage: Storage, case_start: int, case_length: int | None
    ) -> None:
        storage.write("a", b"x")
        with pytest.raises(ValueError, match="negative"):
            storage.read("a", start=case_start, length=case_length)

    # What is not there

    def test_a_missing_object_is_reported_by_the_call_itself(self, storage: Storage) -> None:
        storage.write("a/b", b"x")
        for key in ("missing", "a", "a/missing", "missing/b", "a/b/c"):
            with pytest.raises(NotFoundError):
                storage.read(key)
            with pytest.raises(NotFoundError):
                storage.stat(key)

    def test_deleting_is_repeatable(self, storage: Storage) -> None:
        storage.write("a/b/c", b"x")
        storage.write("a/b.d", b"y")
        for _ in range(2):
            storage.delete("a/b/c")
            with pytest.raises(NotFoundError):
                storage.read("a/b/c")
        storage.delete("never/was/there")
        storage.delete("a")  # a prefix of keys is no object
        assert [found.key for found in storage.scan()] == ["a/b.d"]

    def test_a_deleted_key_can_be_written_again(self, storage: Storage) -> None:
        storage.write("a/b/c", b"first", if_absent=True)
        storage.delete("a/b/c")
        storage.write("a/b/c", b"second", if_absent=True)
        assert content(storage, "a/b/c") == b"second"

    def test_a_deleted_key_can_become_a_folder_of_keys(self, storage: Storage) -> None:
        storage.write("a/b", b"first")
        storage.delete("a/b")
        storage.write("a/b/c", b"second")
        storage.delete("a/b/c")
        storage.write("a/b", b"third")
        assert [found.key for found in storage.scan()] == ["a/b"]

    # What is known of an object

    def test_size_and_time_are_known(self, storage: Storage) -> None:
        before = datetime.now(UTC)
        written = storage.write("a", b"12345")
        for info in (written, storage.stat("a"), next(storage.scan())):
            assert (info.key, info.size) == ("a", 5)
            assert info.modified.tzinfo is not None
            assert before - self.clock_tolerance <= info.modified <= datetime.now(UTC) + self.clock_tolerance
