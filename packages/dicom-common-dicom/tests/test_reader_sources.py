"""Sources of every kind are read alike: paths, files, buffers, mappings, streams and pipes."""

from __future__ import annotations

import io
import mmap
import os
import threading
import zlib
from pathlib import Path

import pytest
from made_elements import DEFLATED, EXPLICIT, IMPLICIT, SEQUENCE_END, UNDEFINED, item
from made_files import GOOD, JPEG, data_set, explicit, implicit, long_file, meta
from made_sources import Dribble

from dicom_common.dicom import read


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(GOOD, id="short"),
        pytest.param(meta(EXPLICIT) + long_file(), id="explicit"),
        pytest.param(meta(IMPLICIT) + long_file(implicit), id="implicit"),
        pytest.param(
            meta(JPEG) + data_set(explicit(0x7FE00010, "OB", item(bytes(1 << 20)) * 6 + SEQUENCE_END, UNDEFINED)),
            id="jpeg",
        ),
        pytest.param(meta(DEFLATED) + zlib.compress(long_file(), 0, wbits=-15), id="deflated"),
    ],
)
def test_every_kind_of_source_gives_the_same(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "instance"
    path.write_bytes(data)
    expected = read(data)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for source in (path, file, mapped, bytearray(data), memoryview(data), io.BytesIO(data), Dribble(data, 1000)):
            result = read(source)  # type: ignore[arg-type]  # a raw stream is a BinaryIO in all but name
            assert result.metadata == expected.metadata, type(source)
            assert result.instance == expected.instance, type(source)


def test_a_file_is_read_from_where_it_stands() -> None:
    file = io.BytesIO(b"before" + GOOD)
    file.seek(6)
    assert read(file).instance == read(GOOD).instance


def test_a_missing_path_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "absent")


def test_a_pipe_is_read_to_its_end() -> None:
    data = meta(EXPLICIT) + long_file()
    reading_end, writing_end = os.pipe()

    def send() -> None:
        with open(writing_end, "wb") as sink:  # noqa: PTH123  # a file descriptor
            sink.write(data)

    sender = threading.Thread(target=send)
    sender.start()
    with open(reading_end, "rb", buffering=0) as source:  # noqa: PTH123  # a file descriptor
        result = read(source)
    sender.join()
    assert result.instance == read(data).instance
