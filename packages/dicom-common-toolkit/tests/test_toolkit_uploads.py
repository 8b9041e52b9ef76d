"""A spooled upload to a storage that can only write what is whole, and to one without room for it."""

from __future__ import annotations

import gc
import hashlib
import subprocess
import sys
import weakref
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from dicom_common.core import AlreadyExistsError, BackendError, DamagedError, ObjectInfo, Storage, UnavailableError
from dicom_common.toolkit import SPOOL_MEMORY, OpenUploads, SpoolSink, spooled_upload


class Shelf:
    """A third party's storage, as small as it can be: it takes whole files."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.failures: list[Exception] = []

    def write(self, key: str, source: Any, *, if_absent: bool = False, sha256: str | None = None) -> ObjectInfo:
        if if_absent and key in self.objects:
            raise AlreadyExistsError("it is there")
        data = source.read()
        if self.failures:
            raise self.failures.pop()
        assert hashlib.sha256(data).hexdigest() == sha256
        self.objects[key] = data
        return ObjectInfo(key=key, size=len(data), modified=datetime.now(UTC))


def storage_of(shelf: Shelf) -> Storage:
    return cast("Storage", shelf)


@pytest.mark.parametrize("size", [0, 1, SPOOL_MEMORY, SPOOL_MEMORY * 3 + 1])
def test_a_spooled_upload_is_written_as_a_whole(size: int) -> None:
    shelf = Shelf()
    data = bytes(number % 251 for number in range(1000)) * (size // 1000 + 1)
    with spooled_upload(storage_of(shelf)) as upload:
        upload.write(data[: size // 2])
        upload.write(memoryview(data)[size // 2 : size])
        assert not shelf.objects
        assert upload.commit("a").size == size
    assert shelf.objects == {"a": data[:size]}


def test_a_spooled_upload_goes_elsewhere_where_an_object_is() -> None:
    size = 2_000_000
    shelf = Shelf()
    shelf.objects["a"] = b"there"
    with spooled_upload(storage_of(shelf)) as upload:
        upload.write(bytes(size))
        for _ in range(2):
            with pytest.raises(AlreadyExistsError):
                upload.commit("a", if_absent=True)
        upload.commit("b", if_absent=True)
    assert shelf.objects == {"a": b"there", "b": bytes(size)}


@pytest.mark.parametrize("failure", [UnavailableError("down"), ValueError("unforeseen"), OSError(5, "broken")])
def test_a_commit_that_fails_ends_the_upload(failure: Exception) -> None:
    shelf = Shelf()
    upload = spooled_upload(storage_of(shelf))
    upload.write(b"x")
    shelf.failures = [failure]
    with pytest.raises(UnavailableError if isinstance(failure, OSError) else type(failure)):
        upload.commit("a")
    for call in (lambda: upload.commit("a"), lambda: upload.write(b"y")):
        with pytest.raises(BackendError, match="has ended"):
            call()
    assert not shelf.objects


def test_a_digest_is_compared_in_any_spelling() -> None:
    shelf, digest = Shelf(), hashlib.sha256(b"x").hexdigest()
    with spooled_upload(storage_of(shelf)) as upload:
        upload.write(b"x")
        upload.commit("a", sha256=digest.upper())
    upload = spooled_upload(storage_of(shelf))
    upload.write(b"y")
    with pytest.raises(DamagedError):
        upload.commit("b", sha256=digest)
    assert shelf.objects == {"a": b"x"}


def test_what_is_open_ends_with_its_storage_and_what_is_forgotten_before() -> None:
    shelf, ended = Shelf(), []
    uploads = OpenUploads(lambda: ended.append(1))
    kept, forgotten = (uploads.open(SpoolSink(storage_of(shelf))) for _ in range(2))
    gone = weakref.ref(forgotten)
    del forgotten
    gc.collect()
    assert gone() is None
    before = len(ended)
    uploads.close()
    uploads.close()
    assert len(ended) == before + 1
    with pytest.raises(BackendError, match="has ended"):
        kept.write(b"x")
    with pytest.raises(BackendError, match="closed"):
        uploads.open(SpoolSink(storage_of(shelf)))


def test_a_full_temporary_folder_is_reported_and_ends_the_upload() -> None:
    program = """
import resource, signal
from dicom_common.core import BackendError, UnavailableError
from dicom_common.toolkit import spooled_upload
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, resource.RLIM_INFINITY))
upload = spooled_upload(None)
try:
    for _ in range(10):
        upload.write(bytes(1_000_000))
except UnavailableError as error:
    print(error)
try:
    upload.write(b"")
except BackendError:
    print("ended")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("The temporary folder ")
    assert "TMPDIR" in done.stdout
    assert done.stdout.endswith("ended\n")
