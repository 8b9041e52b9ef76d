"""What is no regular file is not waited for, and what is too large is not read: whatever the source."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pipeline_site import Make, Site, extension_source

from dicom_common.core import DicomCommonError
from dicom_common.pipeline import Result

Write = Callable[[Sequence[bytes]], list[Path]]


class Counting(io.BytesIO):
    """A stream that knows how much of it was read."""

    read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.read_bytes += len(data)
        return data


class Endless(io.RawIOBase):
    """A stream with an instance at its beginning, and no end."""

    def __init__(self, start: bytes) -> None:
        self._start, self._position = start, 0

    def read(self, size: int = -1, /) -> bytes:
        assert size >= 0, "the whole of it does not fit into memory"
        data = self._start[self._position : self._position + size].ljust(size, b"\0")
        self._position += size
        return data

    def tell(self) -> int:
        return self._position


def outcome(result: Result) -> tuple[str, str]:
    return str(result.status), result.reason


@pytest.mark.parametrize("in_memory", [1, 1 << 20])
@pytest.mark.parametrize("kind", ["bytes", "path", "stream", "stream that is not at its beginning"])
def test_an_object_of_the_largest_size_is_taken_and_one_byte_more_is_not(
    site: Site, make: Make, write: Write, kind: str, in_memory: int
) -> None:
    data = make(1)

    def source() -> Any:
        match kind:
            case "bytes":
                return data
            case "path":
                return write([data])[0]
            case "stream":
                return io.BytesIO(data)
        stream = io.BytesIO(b"before" + data)
        stream.seek(6)
        return stream

    limits: dict[str, Any] = {"ingest__in_memory_bytes": in_memory, "ingest__max_object_bytes": len(data) - 1}
    [refused] = site.store(source(), **limits)
    assert outcome(refused) == ("rejected", "object-too-large")
    assert "ingest.max_object_bytes" in refused.message
    assert not refused.retry
    assert not site.objects
    [stored] = site.store(source(), **limits | {"ingest__max_object_bytes": len(data)})
    assert outcome(stored) == ("stored", "")
    assert list(site.objects.values()) == [data]


def test_a_stream_is_read_no_further_than_the_limit(site: Site, make: Make) -> None:
    stream = Counting(make(1) + bytes(10_000_000))
    [result] = site.store(stream, ingest__max_object_bytes=5_000_000)
    assert outcome(result) == ("rejected", "object-too-large")
    assert stream.read_bytes == 5_000_001


def test_a_stream_without_an_end_is_refused(site: Site, make: Make) -> None:
    [result] = site.store(Endless(make(1)), ingest__max_object_bytes=20_000_000)
    assert outcome(result) == ("rejected", "object-too-large")


def test_a_sparse_file_that_is_too_large_is_not_read(site: Site, make: Make, write: Write) -> None:
    [path] = write([make(1)])
    os.truncate(path, 1 << 40)
    [result] = site.store(path)
    assert outcome(result) == ("rejected", "object-too-large")


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_takes_nothing_is_refused(site: Site, limit: int) -> None:
    with pytest.raises(DicomCommonError, match="max_object_bytes has to be at least 1"):
        site.ingest(ingest__max_object_bytes=limit)


class Swapped(type(Path())):  # type: ignore[misc]  # the class of paths of this system
    """A path that was a file when it was looked at, and is a named pipe when it is opened."""

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        del follow_symlinks
        return Path(__file__).stat()


@pytest.mark.parametrize("kind", [Path, Swapped])
def test_a_named_pipe_is_not_waited_for(site: Site, make: Make, tmp_path: Path, kind: type[Path]) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused, stored = site.store(kind(tmp_path / "pipe"), make(1))
    assert outcome(refused) == ("rejected", "unreadable")
    assert "not a regular file" in refused.message
    assert outcome(stored) == ("stored", "")


_SWAPS = """
@hookimpl
def dicom_common_accept(self, tenant, instance, origin):
    os.remove({path!r})
    os.mkfifo({path!r})
"""


def test_a_file_that_becomes_a_named_pipe_between_reading_and_writing_is_not_waited_for(
    site: Site, make: Make, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, neighbour = write([make(1), make(2)])
    metadata = tmp_path / "site" / "made_swapping-1.dist-info"
    metadata.mkdir(parents=True)
    (tmp_path / "site" / "made_swapping.py").write_text(extension_source("swapping", _SWAPS.format(path=str(path))))
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: made_swapping\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[dicom_common.extension]\nswapping = made_swapping\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    [swapped] = site.store(path, extensions=["swapping"], ingest__in_memory_bytes=1)
    assert outcome(swapped) == ("rejected", "changed")
    [stored] = site.store(neighbour)
    assert outcome(stored) == ("stored", "")
