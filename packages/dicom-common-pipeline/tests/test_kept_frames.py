"""The index keeps where the frames of what is taken in lie, however it came, and reconcile finds the rest."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pipeline_site import Make, Site
from reconciled_site import lose_index, reconcile

from dicom_common.core import DicomError, KeptFrames, Stored
from dicom_common.dicom import index_frames, read
from dicom_common.host import Services
from dicom_common.pipeline import Reconciliation
from dicom_common.pipeline._kept_frames import kept_index

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
NATIVE, FRAGMENTS = "MR_small.dcm", "SC_rgb_rle_2frame.dcm"
NAMES = (NATIVE, FRAGMENTS, "JPEG2000.dcm", "rtdose.dcm", "liver_1frame.dcm")


class Pipe(io.RawIOBase):
    """A stream that cannot be read again."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(size)


def present() -> list[Path]:
    return [FOLDER / name for name in NAMES if (FOLDER / name).exists()]


def kept(site: Site) -> dict[str, tuple[Stored, bytes]]:
    with Services(site.config()) as services:
        index = services.db
        assert isinstance(index, KeptFrames)
        found = {}
        for row in index.walk():
            one = index.frames(row.tenant, row.study_uid, row.series_uid, row.sop_uid)
            assert one is not None
            found[row.sop_uid] = one
        return found


def expected(path: Path) -> list[object]:
    data = path.read_bytes()
    index = index_frames(data, read(data).instance)
    return [index.frame(number) for number in range(1, index.count + 1)]


def places(frames: bytes) -> list[object]:
    index = kept_index(frames)
    assert index is not None
    return [index.frame(number) for number in range(1, index.count + 1)]


@pytest.mark.parametrize("how", ["file", "large file", "bytes"])
def test_what_is_at_hand_is_kept_with_its_frames(site: Site, how: str) -> None:
    paths = present()
    assert len(paths) >= 3
    memory: dict[str, Any] = {"ingest__in_memory_bytes": 1024} if how == "large file" else {}
    results = site.store(*[path.read_bytes() if how == "bytes" else path for path in paths], **memory)
    frames = kept(site)
    for path, result in zip(paths, results, strict=True):
        assert result.sop_uid is not None, result
        assert places(frames[result.sop_uid][1]) == expected(path), path.name


def test_of_a_stream_that_is_gone_native_frames_are_kept_and_the_rest_is_found_later(site: Site) -> None:
    paths = [FOLDER / NATIVE, FOLDER / FRAGMENTS]
    results = site.store(*[Pipe(path.read_bytes()) for path in paths], ingest__in_memory_bytes=1024)
    native, fragments = (str(result.sop_uid) for result in results)
    frames = kept(site)
    assert places(frames[native][1]) == expected(paths[0])
    assert frames[fragments][1] == b""
    assert reconcile(site) == []
    assert kept(site)[fragments][1] == b""
    found = []
    for _ in range(2):
        work = Reconciliation(site.config(), frames=True, jobs=1)
        assert list(work.run()) == []
        found.append(work.progress.frames_found)
    assert found == [1, 0]
    assert places(kept(site)[fragments][1]) == expected(paths[1])


def test_that_there_are_no_frames_is_kept_with_the_reason(site: Site, make: Make) -> None:
    site.store(make(1))
    ((stored, frames),) = kept(site).values()
    assert frames == b"\0no-pixel-data"
    with pytest.raises(DicomError, match="no-pixel-data") as caught:
        kept_index(frames)
    assert caught.value.reason == "no-pixel-data"
    assert stored.size > 0


def test_a_rebuilt_index_keeps_the_same_frames(site: Site, make: Make) -> None:
    paths = present()
    site.store(*paths, make(1))
    before = kept(site)
    lose_index(site)
    reconcile(site, rebuild=True)
    assert kept(site) == before


def test_what_cannot_be_read_by_this_version_is_as_if_it_were_not_kept() -> None:
    assert kept_index(b"") is None
    assert kept_index(b"\xff of a later version") is None
    assert kept_index(b"\x01\x01 damaged") is None
