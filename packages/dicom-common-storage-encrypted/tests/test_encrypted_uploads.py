"""What arrives as a stream is on no disk in clear, and is what was sealed in the end."""

from __future__ import annotations

import io
import random

import pytest
from sealed_folder import SealedFolder, content, pattern

from dicom_common.core import BackendError, DamagedError, RefusedError
from dicom_common.storage.encrypted._spool import SealedSpool
from dicom_common.toolkit import SPOOL_MEMORY


def written(data: bytes, seed: int) -> SealedSpool:
    """Write a spool in pieces of random lengths."""
    spool, lengths, position = SealedSpool(), random.Random(seed), 0
    while position < len(data):
        length = lengths.choice((1, 15, 16, 17, 4096, 1_000_003))
        spool.write(data[position : position + length])
        position += length
    return spool


@pytest.mark.parametrize("size", [0, 1, 16, 100_000, SPOOL_MEMORY, SPOOL_MEMORY + 1, 3_000_017])
def test_a_spool_gives_back_what_was_written_from_any_place(size: int) -> None:
    data = pattern(size, size)
    spool = written(data, size)
    assert spool.seek(0, io.SEEK_END) == size
    places = random.Random(size)
    for start in (0, size, *(places.randint(0, size) for _ in range(20))):
        assert spool.seek(start) == start
        assert spool.read(5000) == data[start : start + 5000]
        assert spool.read(33) == data[start + 5000 : start + 5033]
    spool.seek(0)
    assert spool.read() == data
    spool.close()
    spool.close()


@pytest.mark.parametrize("size", [1000, 3 * SPOOL_MEMORY])
def test_a_spool_holds_nothing_in_clear(size: int) -> None:
    spool = written(b"Doe^Jane" * (size // 8), size)
    spool._file.seek(0)
    kept = spool._file.read()
    assert len(kept) == size
    assert b"Doe^Jane" not in kept
    assert len({kept[place : place + 16] for place in range(0, size - 16, 16)}) == (size - 1) // 16, "no block repeats"
    spool.close()


def test_an_upload_is_sealed_like_a_write(folder: SealedFolder) -> None:
    data = pattern(5, 200_001)
    folder.storage.write("t/written", data)
    with folder.storage.open_upload() as upload:
        for start in range(0, len(data), 70_000):
            upload.write(data[start : start + 70_000])
        assert upload.commit("t/uploaded").size == len(data)
    assert folder.path("t/uploaded").stat().st_size == folder.path("t/written").stat().st_size
    assert data[:1000] not in folder.path("t/uploaded").read_bytes()
    assert content(folder.storage, "t/uploaded") == data
    folder.put("t/written", folder.path("t/uploaded").read_bytes())
    with pytest.raises(DamagedError):  # its chunks are those of another key
        content(folder.storage, "t/written")


@pytest.mark.parametrize("place", [0, 100_000, 2_999_999])
def test_a_spool_that_was_changed_becomes_no_object(folder: SealedFolder, place: int) -> None:
    upload = folder.storage.open_upload()
    upload.write(pattern(6, 3_000_000))
    spool = upload._sink._file._file  # type: ignore[attr-defined]  # the temporary file itself
    spool.seek(place)
    changed = bytes([spool.read(1)[0] ^ 1])
    spool.seek(place)
    spool.write(changed)
    with pytest.raises(DamagedError):
        upload.commit("t/a")
    assert list(folder.storage.scan()) == []
    with pytest.raises(BackendError):
        upload.commit("t/a")


def test_an_upload_to_a_hidden_key_is_refused(folder: SealedFolder) -> None:
    with folder.storage.open_upload() as upload:
        upload.write(b"x")
        with pytest.raises(RefusedError):
            upload.commit(".dicom-common-keys/t/1")
