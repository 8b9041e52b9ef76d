"""Frames and bulk data are read by ranges out of every storage, and every index keeps the log of web requests."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from tenant_sites import backends_of, opened, site_of

from dicom_common.core import DicomError, Logs, WebAccess
from dicom_common.dicom import index_frames, read
from dicom_common.host import Services
from dicom_common.pipeline import AccessLog, Ingest, Received, list_bulk_data, open_bulk_data, open_frames
from dicom_common.pipeline._frames import _cache
from dicom_common.testing import make_access

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
FILES = ("CT_small.dcm", "MR_small_bigendian.dcm", "SC_rgb_rle_2frame.dcm", "image_dfl.dcm", "rtdose.dcm")


def check(services: Services) -> None:
    """Take files in, and compare what is read of them by ranges with what is in the files."""
    paths = [FOLDER / name for name in FILES]
    with Ingest(services) as ingest:
        results = ingest.store([Received(source=path, name=path.name) for path in paths], tenant="local")
    _cache.clear()
    for path, result in zip(paths, results, strict=True):
        dataset, reading = pydicom.dcmread(path), read(path)
        uids = (str(result.study_uid), str(result.series_uid), str(result.sop_uid))
        with open_frames(services, "local", *uids) as frames:
            found = list(frames.read_several(range(1, frames.count + 1)))
            if frames.encapsulated:
                content = path.read_bytes()
                index = index_frames(content, reading.instance)
                assert found == [index.read(content, number) for number in range(1, index.count + 1)]
            elif path.name == "MR_small_bigendian.dcm":
                assert found == [pydicom.dcmread(FOLDER / "MR_small.dcm").PixelData]
            else:
                assert b"".join(found) == dataset.PixelData
            for tag in list_bulk_data(services.storage, frames.stored):
                if tag == "7FE00010" and frames.encapsulated:
                    with pytest.raises(DicomError):
                        open_bulk_data(services.storage, frames.stored, tag)
                    continue
                bulk = open_bulk_data(services.storage, frames.stored, tag)
                value = b"".join(bulk.chunks())
                expected = b"".join(found) if tag == "7FE00010" else dataset[int(tag, 16)].value
                assert value == expected
                assert b"".join(bulk.range(7, 100)) == expected[7:107]


@backends_of["storage"]
def test_ranges_of_every_storage(backend: tuple[str, str], request: pytest.FixtureRequest, tmp_path: Path) -> None:
    for services in opened(site_of(backend, request, tmp_path)):
        check(services)


@backends_of["db"]
def test_web_requests_are_logged_in_every_index(
    backend: tuple[str, str], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    for services in opened(site_of(backend, request, tmp_path)):
        records = [make_access(number) for number in range(100)]
        with AccessLog(services, size=30) as log:
            for record in (*records, *records[:5]):
                log.write(record)
        assert log.lost == 0
        assert isinstance(services.db, Logs)
        assert {one.id for one in services.db.read_log(WebAccess, records[0].tenant)} == {one.id for one in records}
        events = services.db.pending(1000, relay="look", lease=0)
        assert {event.id for event in events} == {one.id for one in records}
