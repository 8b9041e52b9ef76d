"""The web over each backend: what a client does, what is read by ranges, the log of requests, and who is ready."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from starlette.testclient import TestClient
from tenant_sites import SITES, backends_of, opened, site_of
from web_exchange import multipart

from dicom_common.core import DicomError, Logs, WebAccess
from dicom_common.dicom import index_frames, read
from dicom_common.host import Services
from dicom_common.pipeline import AccessLog, Ingest, Received, list_bulk_data, open_bulk_data, open_frames
from dicom_common.pipeline._frames import _cache
from dicom_common.testing import Endpoint, make_access
from dicom_common.testing._services import find_options
from dicom_common.testing.servers import AbsentError, private_server
from dicom_common.web import create_app

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


def use(client: TestClient) -> None:
    """Store, search, retrieve and delete, as a client does."""
    body, headers = multipart((FOLDER / name).read_bytes() for name in FILES)
    stored = client.post("/dicom-web/studies", content=body, headers=headers)
    assert stored.status_code in (200, 202), stored.text
    assert "00081198" not in stored.json()
    dataset = pydicom.dcmread(FOLDER / "CT_small.dcm")
    query = {"PatientID": "1CT1", "StudyDate": "20040101-20041231", "PatientName": "comp*", "includefield": "StudyTime"}
    (study,) = client.get("/dicom-web/studies", params=query).json()
    assert study["0020000D"]["Value"] == [dataset.StudyInstanceUID]
    fuzzy = {"PatientName": "ct1 compressed", "fuzzymatching": "true"}
    assert len(client.get("/dicom-web/studies", params=fuzzy).json()) == 1
    assert len(client.get("/dicom-web/instances", params={"limit": 3, "offset": 1}).json()) == 3
    path = f"/dicom-web/studies/{dataset.StudyInstanceUID}"
    for _ in range(2):  # of which the second one is kept by the cache
        (metadata,) = client.get(f"{path}/metadata").json()
        assert metadata["00080018"]["Value"] == [dataset.SOPInstanceUID]
    instance = f"{path}/series/{dataset.SeriesInstanceUID}/instances/{dataset.SOPInstanceUID}"
    octets = {"accept": "application/octet-stream"}
    assert client.get(f"{instance}/frames/1", headers=octets).content == dataset.PixelData
    assert client.get(f"{instance}/bulkdata/7FE00010", headers=octets).content == dataset.PixelData
    whole = client.get(instance, headers={"accept": "application/dicom; transfer-syntax=*"})
    assert whole.content[128:] == (FOLDER / "CT_small.dcm").read_bytes()[128:]
    assert client.get(f"{instance}/rendered").headers["content-type"] == "image/jpeg"
    assert client.delete(instance).status_code == 204
    assert client.get(f"{path}/metadata").status_code == 404
    assert client.get("/dicom-web/studies", params={"PatientID": "1CT1"}).json() == []


@backends_of["storage"]
def test_a_client_over_every_storage(backend: tuple[str, str], request: pytest.FixtureRequest, tmp_path: Path) -> None:
    used(backend, request, tmp_path)


@backends_of["db"]
def test_a_client_over_every_index(backend: tuple[str, str], request: pytest.FixtureRequest, tmp_path: Path) -> None:
    used(backend, request, tmp_path)


@backends_of["cache"]
def test_a_client_over_every_cache(backend: tuple[str, str], request: pytest.FixtureRequest, tmp_path: Path) -> None:
    used(backend, request, tmp_path)


@backends_of["broker"]
def test_a_client_over_every_broker(backend: tuple[str, str], request: pytest.FixtureRequest, tmp_path: Path) -> None:
    used(backend, request, tmp_path)


def used(backend: tuple[str, str], request: pytest.FixtureRequest, data: Path) -> None:
    for services in opened(site_of(backend, request, data)):
        with TestClient(create_app(services), base_url="http://localhost") as client:
            use(client)


@pytest.mark.service("s3")
@pytest.mark.service("redis")
@pytest.mark.service("kafka")
@pytest.mark.parametrize(
    "index", [pytest.param(name, marks=pytest.mark.service(name)) for name in ("postgres", "mysql")]
)
def test_a_client_over_servers_of_every_kind(
    index: str, service_finder: Callable[[str], Endpoint], pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    site = {"data": str(tmp_path)}
    for kind, name in (("db", index), ("storage", "s3"), ("cache", "redis"), ("broker", "kafka")):
        server, prepare = SITES[kind, name]
        assert server is not None
        options = find_options(server, pytestconfig.rootpath)
        site |= {f"{kind}.backend": name, **prepare(service_finder(server), options)}
    for services in opened(site):
        with TestClient(create_app(services), base_url="http://localhost") as client:
            use(client)


@pytest.mark.kills
def test_a_server_whose_cache_is_down_is_not_ready_and_goes_on(tmp_path: Path) -> None:
    try:
        with private_server("redis") as redis:
            site = {
                "data": str(tmp_path),
                "cache.backend": "redis",
                "cache.url": f"redis://{redis.host}:{redis.port}/0",
            }
            for services in opened(site):
                with TestClient(create_app(services), base_url="http://localhost") as client:
                    assert client.get("/readyz").status_code == 200
                    redis.kill()
                    time.sleep(1.1)  # an answer holds for a second
                    down = client.get("/readyz")
                    assert (down.status_code, down.json()["backends"]["cache"]) == (503, "failed")
                    assert str(redis.port) not in down.text
                    assert client.get("/healthz").status_code == 200
                    use(client)
                    redis.start()
                    time.sleep(1.1)
                    assert client.get("/readyz").json()["ready"] is True
    except AbsentError as error:
        pytest.skip(str(error))
