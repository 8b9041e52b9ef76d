"""How much of the inner storage a read costs, and what happens when the object or its source changes meanwhile."""

from __future__ import annotations

import gc
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from sealed_folder import SETTINGS, ByRanges, SealedFolder, content, entry, pattern, ring

from dicom_common.core import BackendError, DamagedError, ObjectInfo, OpenObject, Source
from dicom_common.storage import filesystem
from dicom_common.storage.encrypted import open_storage

CHUNK = 65_536
LARGE = int(os.environ.get("DICOM_COMMON_TEST_LARGE_MIB", "64")) << 20


class Watched(ByRanges):
    """The real storage, which also counts the bytes that it gives, and calls what a test wants between two reads."""

    given = 0
    between: object = None

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        if callable(self.between):
            self.between()
        for chunk in super().read(key, start=start, length=length):
            self.given += len(chunk)
            yield chunk


class WatchedInPlace(filesystem.FilesystemStorage):
    """The real storage, which also counts the bytes that are read from the objects that it holds open."""

    given = 0

    def open_object(self, key: str) -> OpenObject:
        return _WatchedObject(self, super().open_object(key))


class _WatchedObject:
    def __init__(self, storage: WatchedInPlace, held: OpenObject) -> None:
        self._storage, self._held = storage, held

    def read_into(self, buffer: bytearray | memoryview, position: int) -> int:
        done = self._held.read_into(buffer, position)
        self._storage.given += done
        return done

    def close(self) -> None:
        self._held.close()


class Twice(filesystem.FilesystemStorage):
    """The real storage, which reads a source once before it writes it, as those do that send a digest first."""

    seen = ""

    def write(self, key: str, source: Source, *, if_absent: bool = False, sha256: str | None = None) -> ObjectInfo:
        if isinstance(source, bytes | bytearray | memoryview):  # the key of a tenant
            return super().write(key, source, if_absent=if_absent, sha256=sha256)
        digest = hashlib.sha256()
        size = source.seek(0, io.SEEK_END)
        source.seek(0)
        while piece := source.read(100_000):
            digest.update(piece)
            size -= len(piece)
        assert size == 0
        source.seek(0)
        self.seen = digest.hexdigest()
        return super().write(key, source, if_absent=if_absent, sha256=sha256 or self.seen)


class Zeros(io.RawIOBase):
    """A large source that takes no memory; each of its MiB is different."""

    def __init__(self, size: int) -> None:
        self.size, self.position = size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.position = offset + (self.size if whence == io.SEEK_END else 0)
        return self.position

    def read(self, size: int = -1) -> bytes:
        count = min(size, self.size - self.position, (1 << 20) - self.position % (1 << 20))
        data = bytes([self.position >> 20 & 255]) * count
        self.position += count
        return data


@pytest.mark.parametrize("kind", [Watched, WatchedInPlace])
def test_a_range_of_64_kb_of_a_large_object_reads_less_than_256_kb(
    tmp_path: Path, kind: type[Watched | WatchedInPlace]
) -> None:
    inner = kind(filesystem.Settings(root=tmp_path / "objects", fsync=False))
    storage = open_storage(SETTINGS, inner, ring(entry("first", active=True)))
    source: BinaryIO = Zeros(LARGE)  # type: ignore[assignment]  # it has all that is used of one
    assert storage.write("a/large", source).size == LARGE
    for start in (0, 1, CHUNK - 1, LARGE // 2 + 777, LARGE - CHUNK, LARGE - 5):
        inner.given = 0
        data = b"".join(storage.read("a/large", start=start, length=64_000))
        expected = bytes(at >> 20 & 255 for at in range(start, min(start + 64_000, LARGE), 1))
        assert data == expected
        assert len(data) < inner.given < 256_000
    inner.given = 0
    assert sum(found.size for found in storage.scan()) == LARGE
    assert inner.given == 0, "a scan decrypts nothing"
    inner.close()


@pytest.mark.parametrize("length", [10, None])
def test_a_range_of_an_object_that_is_replaced_meanwhile_is_of_the_new_one(tmp_path: Path, length: int | None) -> None:
    inner = Watched(filesystem.Settings(root=tmp_path / "objects"))
    storage = open_storage(SETTINGS, inner, ring(entry("first", active=True)))
    writer = SealedFolder(tmp_path / "objects", seed=sum(b"first"))
    first, second = pattern(1, 300_000), pattern(2, 200_000)
    start = 150_000
    storage.write("a/1", first)
    reads = 0

    def replace() -> None:
        nonlocal reads
        reads += 1
        if reads == 3:  # header, the tenant's key, and then the chunks
            writer.storage.write("a/1", second)

    inner.between = replace
    stop = None if length is None else start + length
    assert b"".join(storage.read("a/1", start=start, length=length)) == second[start:stop]
    assert reads > 3, "header and chunks were read once more"
    writer.close()
    inner.close()


def test_an_object_that_is_replaced_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    folder = SealedFolder(tmp_path / "objects")
    first = pattern(1, 300_000)
    folder.storage.write("a/1", first)
    pieces = folder.storage.read("a/1", start=100_000)
    got = next(pieces)
    folder.storage.write("a/1", pattern(2, 200_000))
    assert got + b"".join(pieces) == first[100_000:]
    folder.close()


def test_a_held_object_is_closed_however_its_read_ends(tmp_path: Path) -> None:
    folder = SealedFolder(tmp_path / "objects")
    folder.storage.write("a/1", pattern(1, 300_000))
    (tmp_path / "objects" / "a" / "2").write_bytes(b"no encrypted object")

    def descriptors_after(rounds: int) -> int:
        for _ in range(rounds):
            folder.storage.read("a/1")
            next(folder.storage.read("a/1"))
            content(folder.storage, "a/1")
            with pytest.raises(DamagedError):
                folder.storage.read("a/2")
        gc.collect()
        return len(list(Path("/dev/fd").iterdir()))

    assert descriptors_after(50) == descriptors_after(1)
    folder.close()


def test_an_inner_storage_may_read_the_source_twice(tmp_path: Path) -> None:
    inner = Twice(filesystem.Settings(root=tmp_path / "objects"))
    storage = open_storage(SETTINGS, inner, ring(entry("first", active=True)))
    data = pattern(1, 300_000)
    for key, source in (("a/bytes", data), ("a/file", io.BytesIO(data))):
        storage.write(key, source, sha256=hashlib.sha256(data).hexdigest())
        assert content(storage, key) == data
        assert hashlib.sha256((tmp_path / "objects" / key).read_bytes()).hexdigest() == inner.seen
    inner.close()


def test_a_source_that_changes_between_two_readings_ends_the_write(tmp_path: Path) -> None:
    # Other plain bytes under the same key and nonce would betray both.
    class Changing(io.BytesIO):
        passes = 0

        def read(self, size: int | None = -1) -> bytes:
            self.passes += self.tell() == 0
            data = super().read(size)
            return data if self.passes < 2 else bytes(len(data))

    inner = Twice(filesystem.Settings(root=tmp_path / "objects"))
    storage = open_storage(SETTINGS, inner, ring(entry("first", active=True)))
    with pytest.raises(BackendError, match="changed"):
        storage.write("a/1", Changing(pattern(1, 300_000)))
    assert list(storage.scan()) == []
    inner.close()


@pytest.mark.parametrize("told", [99_999, 100_001])
def test_a_source_of_another_size_than_it_told_ends_the_write(folder: SealedFolder, told: int) -> None:
    class Lying(io.BytesIO):
        def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
            super().seek(offset, whence)
            return told if whence == io.SEEK_END else self.tell()

    with pytest.raises(BackendError, match="size"):
        folder.storage.write("a/1", Lying(pattern(1, 100_000)))
    assert list(folder.storage.scan()) == []


def test_a_wrong_digest_is_found_before_the_last_chunk_is_given_out(tmp_path: Path) -> None:
    inner = Twice(filesystem.Settings(root=tmp_path / "objects"))
    storage = open_storage(SETTINGS, inner, ring(entry("first", active=True)))
    with pytest.raises(DamagedError):
        storage.write("a/1", pattern(1, 300_000), sha256="0" * 64)
    inner.close()


@pytest.mark.parametrize("kind", [bytes, bytearray, io.BytesIO])
def test_every_byte_of_a_long_source_is_in_its_digest(folder: SealedFolder, kind: Callable[[bytes], Source]) -> None:
    data = pattern(1, (5 << 20) + 1)
    digest = hashlib.sha256(data).hexdigest()
    folder.storage.write("a/1", kind(data), sha256=digest)
    assert content(folder.storage, "a/1") == data
    for place in (0, 1 << 20, (3 << 20) - 1, 5 << 20):
        other = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(DamagedError, match="SHA-256"):
            folder.storage.write("a/2", kind(other), sha256=digest)
    assert [found.key for found in folder.storage.scan()] == ["a/1"]


def test_an_encrypted_file_gives_the_same_bytes_in_whatever_way_it_is_read(folder: SealedFolder) -> None:
    data = pattern(1, 200_000)
    sealed, _ = folder.storage._sealed("a/1", data, None)
    backwards, whole = [], sealed.read()
    for start in range(0, len(whole), 70_001)[::-1]:
        sealed.seek(start)
        backwards.append(sealed.read(70_001))
    assert b"".join(reversed(backwards)) == whole
    sealed.seek(-10, io.SEEK_END)
    assert sealed.read(100) == whole[-10:]
    assert sealed.read(100) == b""
    sealed.seek(0)
    assert io.BufferedReader(sealed).read() == whole
