"""What a storage that offers `Uploads` must do with objects that arrive as streams."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import cast

import pytest

from dicom_common.core import (
    AlreadyExistsError,
    BackendError,
    DamagedError,
    NotFoundError,
    Storage,
    Upload,
    Uploads,
)
from dicom_common.testing._contract import ability, across_processes
from dicom_common.testing._processes import child, run_children
from dicom_common.testing._storage import _children as children
from dicom_common.testing._storage._fixtures import MEMORY_LIMIT, StorageFixtures, content, few_descriptors
from dicom_common.testing._storage._samples import pattern, pattern_digest

__all__ = ["StorageUploads"]


class StorageUploads(StorageFixtures):
    """The part of `StorageContract` about uploads; it is skipped where the storage does not offer them."""

    @pytest.fixture
    def uploads(self, storage: Storage) -> Uploads:
        """Give the storage of the test, which offers uploads."""
        assert isinstance(storage, Uploads)
        return storage

    # What arrives is what is there.

    @ability(Uploads)
    @pytest.mark.parametrize("case_size", [0, 1, 65_536, 3_000_001])
    @pytest.mark.parametrize("case_piece", [1 << 30, 65_537])
    def test_an_upload_appears_whole_with_its_commit(
        self, storage: Storage, uploads: Uploads, case_size: int, case_piece: int
    ) -> None:
        data = pattern(case_size, case_size)
        with uploads.open_upload() as upload:
            for start in range(0, case_size, case_piece):
                upload.write(data[start : start + case_piece])
            assert list(storage.scan()) == []
            with pytest.raises(NotFoundError):
                storage.stat("folder/object.dcm")
            info = upload.commit("folder/object.dcm", sha256=hashlib.sha256(data).hexdigest())
        assert (info.key, info.size) == ("folder/object.dcm", case_size)
        assert info.sha256 in (None, hashlib.sha256(data).hexdigest())
        assert content(storage, "folder/object.dcm") == data
        assert [(found.key, found.size) for found in storage.scan()] == [("folder/object.dcm", case_size)]

    @ability(Uploads)
    def test_every_kind_of_bytes_is_taken_and_is_the_callers_again(self, storage: Storage, uploads: Uploads) -> None:
        data = pattern(1, 80_000)
        with uploads.open_upload() as upload:
            buffer = bytearray(data)
            upload.write(buffer)
            buffer[:] = bytes(len(buffer))
            upload.write(cast("memoryview", memoryview(data).cast("d")))
            upload.write(b"")
            upload.write(memoryview(data)[::1])
            upload.commit("a")
        assert content(storage, "a") == data * 3

    @ability(Uploads)
    def test_uploads_that_arrive_at_the_same_time_are_kept_apart(self, storage: Storage, uploads: Uploads) -> None:
        opened = [uploads.open_upload() for _ in range(12)]
        for _ in range(5):
            for number, upload in enumerate(opened):
                upload.write(b"%02d" % number * 1000)
        for number, upload in reversed(list(enumerate(opened))):
            upload.commit(f"a/{number}")
        assert all(content(storage, f"a/{number}") == b"%02d" % number * 5000 for number in range(12))

    @ability(Uploads)
    def test_an_upload_replaces_an_object_unless_it_must_not(self, storage: Storage, uploads: Uploads) -> None:
        storage.write("a/b", b"first")
        with uploads.open_upload() as upload:
            upload.write(b"second")
            with pytest.raises(AlreadyExistsError):
                upload.commit("a/b", if_absent=True)
            assert content(storage, "a/b") == b"first"
            upload.commit("a/b")
        assert content(storage, "a/b") == b"second"

    # What makes a commit fail

    @ability(Uploads)
    def test_where_another_object_is_an_upload_can_be_committed_elsewhere(
        self, storage: Storage, uploads: Uploads
    ) -> None:
        data = pattern(2, 100_000)
        for taken in ("taken/1", "taken/2"):
            storage.write(taken, b"there")
        with uploads.open_upload() as upload:
            upload.write(data)
            for taken in ("taken/1", "taken/2"):
                with pytest.raises(AlreadyExistsError):
                    upload.commit(taken, if_absent=True)
            with pytest.raises(BackendError):
                upload.write(b"more")
            assert upload.commit("free", if_absent=True).size == len(data)
        assert content(storage, "free") == data
        assert content(storage, "taken/1") == content(storage, "taken/2") == b"there"

    @ability(Uploads)
    def test_a_key_that_is_not_valid_is_refused_and_another_one_taken(self, storage: Storage, uploads: Uploads) -> None:
        with uploads.open_upload() as upload:
            upload.write(b"data")
            for key in ("", "../a", "a//b", ".dicom-common/a"):
                with pytest.raises(ValueError, match="storage key"):
                    upload.commit(key)
            upload.commit("a")
        assert [found.key for found in storage.scan()] == ["a"]

    @ability(Uploads)
    def test_an_upload_of_another_digest_writes_nothing_and_has_ended(self, storage: Storage, uploads: Uploads) -> None:
        storage.write("old", b"good")
        for key in ("old", "new/key"):
            upload = uploads.open_upload()
            upload.write(b"bad")
            with pytest.raises(DamagedError):
                upload.commit(key, sha256="0" * 64)
            _assert_ended(upload)
        assert content(storage, "old") == b"good"
        assert [found.key for found in storage.scan()] == ["old"]

    @ability(Uploads)
    def test_of_many_threads_that_commit_to_a_key_one_wins(self, storage: Storage, uploads: Uploads) -> None:
        def claim(number: int) -> bool:
            with uploads.open_upload() as upload:
                upload.write(pattern(number, 20_000))
                try:
                    upload.commit(key, if_absent=True, sha256=pattern_digest(number, 20_000))
                except AlreadyExistsError:
                    return False
            return True

        with ThreadPoolExecutor(8) as pool:
            for attempt in range(3):
                key = f"race/{attempt}/object"
                won = list(pool.map(claim, range(8)))
                assert won.count(True) == 1
                assert content(storage, key) == pattern(won.index(True), 20_000)

    # The end

    @ability(Uploads)
    def test_an_upload_ends_with_its_commit(self, storage: Storage, uploads: Uploads) -> None:
        with uploads.open_upload() as upload:
            upload.write(b"data")
            upload.commit("a")
            _assert_ended(upload)
        upload.abort()
        assert content(storage, "a") == b"data"

    @ability(Uploads)
    @pytest.mark.parametrize("case_size", [0, 10, 3_000_000])
    def test_of_an_aborted_upload_nothing_is_left(self, storage: Storage, uploads: Uploads, case_size: int) -> None:
        upload = uploads.open_upload()
        upload.write(bytes(case_size))
        upload.abort()
        _assert_ended(upload)
        upload.abort()
        assert list(storage.scan()) == []

    @ability(Uploads)
    def test_an_error_on_the_way_aborts_the_upload(self, storage: Storage, uploads: Uploads) -> None:
        def arriving() -> Iterator[bytes]:
            yield bytes(1_000_000)
            raise OSError("the sender went away")

        def receive() -> None:
            with upload:
                for piece in arriving():
                    upload.write(piece)
                upload.commit("a")

        upload = uploads.open_upload()
        with pytest.raises(OSError, match="went away"):
            receive()
        _assert_ended(upload)
        assert list(storage.scan()) == []

    @ability(Uploads)
    def test_uploads_that_are_given_up_hold_nothing(self, storage: Storage, uploads: Uploads) -> None:
        with uploads.open_upload() as first:  # what is opened once for all uploads is open now
            first.write(bytes(2_000_000))
        with few_descriptors(100):
            for number in range(200):
                upload = uploads.open_upload()
                upload.write(bytes(2_000_000 if number % 20 == 0 else 10))
                if number % 2:
                    upload.abort()
                del upload
                gc.collect(0)
        assert list(storage.scan()) == []

    @ability(Uploads)
    def test_an_upload_ends_with_its_storage(self, open_storage: Callable[[], Storage]) -> None:
        storage = open_storage()
        assert isinstance(storage, Uploads)
        upload = storage.open_upload()
        upload.write(b"data")
        storage.close()
        _assert_ended(upload)
        upload.abort()
        with pytest.raises(BackendError):
            storage.open_upload()
        with closing(open_storage()) as again:
            assert list(again.scan()) == []

    # Processes

    @across_processes
    @ability(Uploads)
    def test_a_killed_process_leaves_the_uploads_that_it_committed(
        self, storage: Storage, open_storage: Callable[[], Storage]
    ) -> None:
        with child(children.upload_on, open_storage, "crash/") as running:
            acknowledged = [running.report() for _ in range(3)] + running.kill()
        found = {info.key: info.size for info in storage.scan()}
        assert {f"crash/{number}" for number in acknowledged} <= found.keys()
        assert set(found.values()) == {children.CRASH_SIZE}
        for key in found:
            number = int(key.removeprefix("crash/"))
            assert number <= max(acknowledged) + 1
            assert content(storage, key) == pattern(number, children.CRASH_SIZE)

    @ability(Uploads)
    def test_a_large_upload_passes_through_little_memory(self, open_storage: Callable[[], Storage]) -> None:
        size = self.large_object_bytes
        [(digest, growth)] = run_children(children.upload_large, [(open_storage, "large/object", size)])
        assert digest == pattern_digest(7, size)
        assert growth < MEMORY_LIMIT


def _assert_ended(upload: Upload) -> None:
    with pytest.raises(BackendError):
        upload.write(b"more")
    with pytest.raises(BackendError):
        upload.commit("other/key")
