"""Uploads as files without a name: what a full disk, a dead writer and a fork leave of them."""

from __future__ import annotations

import gc
import resource
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest
from forked_child import FORK, in_child
from objects_folder import contents, own_files

from dicom_common.core import AlreadyExistsError, BackendError, RefusedError, UnavailableError
from dicom_common.storage.filesystem import FilesystemStorage, Settings


@pytest.mark.parametrize("anonymous", [True, False])
def test_a_full_disk_ends_an_upload_and_leaves_nothing(root: Path, anonymous: bool) -> None:
    def work() -> str:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
        with closing(FilesystemStorage(Settings(root=root))) as storage:
            storage._staging()._anonymous = anonymous
            upload = storage.open_upload()
            upload.write(bytes(400_000))
            with pytest.raises(UnavailableError) as caught:
                upload.write(bytes(400_000))
            with pytest.raises(BackendError, match="has ended"):
                upload.commit("a")
            assert contents(storage) == {}
            assert not own_files(root)
            return str(caught.value)

    assert in_child(work).startswith(f"The storage folder {root} is full")


def test_a_file_system_without_unnamed_files_keeps_all_promises(storage: FilesystemStorage, root: Path) -> None:
    storage._staging()._anonymous = False
    storage.write("a", b"first")
    with storage.open_upload() as upload:
        upload.write(b"second")
        assert len(own_files(root)) == 1
        with pytest.raises(AlreadyExistsError):
            upload.commit("a", if_absent=True)
        upload.commit("b/c", if_absent=True)
        assert not own_files(root)
    with storage.open_upload() as upload:
        upload.write(b"third")
        upload.commit("a")
    forgotten, aborted = storage.open_upload(), storage.open_upload()
    assert len(own_files(root)) == 2
    aborted.abort()
    del forgotten
    gc.collect()
    assert not own_files(root)
    assert contents(storage) == {"a": b"third", "b/c": b"second"}


@pytest.mark.parametrize("anonymous", [True, False])
def test_a_key_that_goes_through_an_object_ends_an_upload(
    storage: FilesystemStorage, root: Path, anonymous: bool
) -> None:
    storage._staging()._anonymous = anonymous
    storage.write("a/b", b"x")
    for key in ("a", "a/b/c"):
        upload = storage.open_upload()
        upload.write(b"y")
        with pytest.raises(RefusedError):
            upload.commit(key)
        with pytest.raises(BackendError, match="has ended"):
            upload.commit("free")
    assert contents(storage) == {"a/b": b"x"}
    assert not own_files(root)


def test_an_uploaded_file_has_the_mode_and_the_folders_of_a_written_one(root: Path) -> None:
    with (
        closing(FilesystemStorage(Settings(root=root, file_mode=0o640, folder_mode=0o750))) as storage,
        storage.open_upload() as upload,
    ):
        upload.write(b"x")
        upload.commit("a/b/c")
    assert (root / "a/b/c").stat().st_mode & 0o777 == 0o640
    assert (root / "a/b").stat().st_mode & 0o777 == 0o750
    assert (root / "a/b/c").stat().st_nlink == 1


def test_a_forked_child_takes_nothing_from_the_parents_upload(storage: FilesystemStorage, root: Path) -> None:
    storage._staging()._anonymous = False
    held = [storage.open_upload()]
    held[0].write(b"of the parent")

    def work() -> str:
        held.clear()
        gc.collect()
        return "dropped"

    assert in_child(work) == "dropped"
    assert len(own_files(root)) == 1
    held[0].commit("a")
    assert contents(storage) == {"a": b"of the parent"}


def uploader_that_hangs(root: Path, ready: object) -> None:
    """Begin an upload that never ends, on a file system that has no files without a name."""
    storage = FilesystemStorage(Settings(root=root))
    storage._staging()._anonymous = False
    upload = storage.open_upload()
    upload.write(bytes(100_000))
    ready.set()  # type: ignore[attr-defined]  # multiprocessing's Event is a factory for the type checker
    time.sleep(600)


@pytest.mark.kills
def test_what_a_killed_upload_left_goes_when_the_storage_is_opened_next(root: Path) -> None:
    ready = FORK.Event()
    uploader = FORK.Process(target=uploader_that_hangs, args=(root, ready))
    uploader.start()
    try:
        assert ready.wait(60)
        FilesystemStorage(Settings(root=root)).close()
        assert len(own_files(root)) == 1, "the upload of a living process was taken from it"
    finally:
        uploader.kill()
        uploader.join(60)
    FilesystemStorage(Settings(root=root)).close()
    assert not own_files(root)
