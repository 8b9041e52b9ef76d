"""WADO-RS against a server: each test carries the number of the requirement that it proves."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

import pydicom
import pytest
from live_server import LiveServer, live_server
from made_instances import grey, instance_uid, make_instance, series_uid, study_uid
from parts import parts_of
from pydicom.dataset import Dataset

EXPLICIT = "1.2.840.10008.1.2.1"
ANY = {"accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
STUDY = f"/studies/{study_uid()}"
SERIES = f"{STUDY}/series/{series_uid()}"
INSTANCE = f"{SERIES}/instances/{instance_uid()}"


def nested() -> Dataset:
    item = Dataset()
    item.add_new(0x00091001, "OB", bytes(range(256)) * 8)
    item.add_new(0x00090010, "LO", "TESTS")
    return item


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with a study of three instances, one of which has three frames, and bulk data; nothing changes it."""
    pixels = grey(2, 4, NumberOfFrames=3, PixelData=bytes(range(24)), AcquisitionContextSequence=[nested()])
    with live_server(tmp_path_factory.mktemp("retrieve")) as server:
        results = server.store(*instances(pixels))
        assert {one.status for one in results} == {"stored"}
        yield server


def instances(pixels: dict[str, Any]) -> tuple[bytes, ...]:
    return (make_instance(1, 1, 1, **pixels), make_instance(1, 1, 2), make_instance(1, 2, 1))


def test_3_1_study_series_and_instance(filled: LiveServer) -> None:
    for path, count in ((STUDY, 3), (SERIES, 2), (INSTANCE, 1)):
        parts = parts_of(filled.client.get(path))
        assert len(parts) == count
        assert {one.transfer_syntax for one in parts} == {EXPLICIT}
    (one,) = parts
    assert one.headers["content-location"] == f"{filled.url}{INSTANCE}"
    assert pydicom.dcmread(io.BytesIO(one.data)).PixelData == bytes(range(24))


def test_4_2_the_preamble_is_zeroed_and_the_rest_is_as_received(tmp_path: Path) -> None:
    data = b"#!/bin/sh\n" + make_instance()[10:]
    for keep in (False, True):
        with live_server(tmp_path / str(keep), web__keep_preamble=keep) as server:
            server.store(data)
            (one,) = parts_of(server.client.get(INSTANCE))
            assert one.data == (data if keep else bytes(128) + data[128:])


def test_4_1_what_came_without_file_meta_information_gets_it(server: LiveServer) -> None:
    data = make_instance()
    server.store(data[132:])
    (one,) = parts_of(server.client.get(INSTANCE))
    assert one.data == data
    file = pydicom.dcmread(io.BytesIO(data))
    raw = io.BytesIO()
    file.save_as(raw, implicit_vr=False, little_endian=True, enforce_file_format=False)
    with live_server(Path(str(server.services.config.general.data)).parent / "other") as other:
        other.store(data[data.index(b"\x08\x00\x16\x00UI") :])
        (one,) = parts_of(other.client.get(INSTANCE))
        found = pydicom.dcmread(io.BytesIO(one.data))
        assert found == file
        assert found.file_meta.MediaStorageSOPInstanceUID == instance_uid()
        assert found.file_meta.TransferSyntaxUID == EXPLICIT


@pytest.mark.parametrize("suffix", ["", "/metadata", "/frames/1", "/bulkdata", "/pixeldata", "/bulkdata/7FE00010"])
def test_3_2_unknown_is_404_and_no_uid_is_400(filled: LiveServer, suffix: str) -> None:
    unknown = INSTANCE.replace(instance_uid(), "1.2.3")
    assert filled.client.get(unknown + suffix).status_code == 404
    assert filled.client.get(INSTANCE.replace(series_uid(), series_uid(1, 2), 1) + suffix).status_code == 404
    assert filled.client.get(INSTANCE.replace(instance_uid(), "x") + suffix).status_code == 400


def test_3_3_an_unsupported_transfer_syntax_is_a_406(filled: LiveServer) -> None:
    for uid in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.50", "1.2.3"):
        accept = f'multipart/related; type="application/dicom"; transfer-syntax={uid}'
        assert filled.client.get(INSTANCE, headers={"accept": accept}).status_code == 406


def test_3_3_of_a_study_what_cannot_go_out_so_is_left_out_with_a_206(server: LiveServer) -> None:
    private = "1.2.826.0.1.3680043.9.9999.1"
    server.store(make_instance(1, 1, 1), make_instance(1, 1, 2, transfer_syntax=private))
    accept = {"accept": f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}'}
    response = server.client.get(STUDY, headers=accept)
    assert response.status_code == 206
    (one,) = parts_of(response)
    assert one.headers["content-location"] == f"{server.url}{INSTANCE}"
    assert [one.transfer_syntax for one in parts_of(server.client.get(STUDY, headers=ANY))] == [EXPLICIT, private]
    assert server.client.get(INSTANCE.replace(instance_uid(), instance_uid(1, 1, 2)), headers=accept).status_code == 406


def test_3_3_an_instance_that_cannot_be_converted_does_not_hold_back_a_study(server: LiveServer) -> None:
    rle = "1.2.840.10008.1.2.5"
    pixels = grey(2, 2)
    data_set = pydicom.dcmread(io.BytesIO(make_instance(1, 1, 2, **pixels)))
    data_set.file_meta.TransferSyntaxUID = pydicom.uid.RLELossless
    data_set.PixelData = pydicom.encaps.encapsulate([b"no image"])
    data_set["PixelData"].VR = "OB"
    out = io.BytesIO()
    data_set.save_as(out)
    results = server.store(make_instance(1, 1, 1), out.getvalue(), make_instance(1, 1, 3))
    assert {one.status for one in results} == {"stored"}
    response = server.client.get(STUDY)
    assert [one.transfer_syntax for one in parts_of(response)] == [EXPLICIT, rle, EXPLICIT]
    damaged = INSTANCE.replace(instance_uid(), instance_uid(1, 1, 2))
    assert server.client.get(damaged).status_code == 406
    octets = {"accept": "multipart/related; type=application/octet-stream"}
    for suffix in ("/frames/1", "/bulkdata/7FE00010", "/pixeldata", "/bulkdata"):
        (part,) = parts_of(server.client.get(damaged + suffix))
        assert part.headers["content-type"] == f"image/dicom-rle; transfer-syntax={rle}"
        assert part.data == b"no image"
        assert server.client.get(damaged + suffix, headers=octets).status_code == 406
    assert [one.transfer_syntax for one in parts_of(server.client.get(damaged, headers=ANY))] == [rle]


def test_3_13_a_single_part_is_for_one_instance_only(filled: LiveServer) -> None:
    response = filled.client.get(INSTANCE, headers={"accept": "application/dicom"})
    assert response.headers["content-type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
    assert response.headers["content-location"] == f"{filled.url}{INSTANCE}"
    assert pydicom.dcmread(io.BytesIO(response.content)).SOPInstanceUID == instance_uid()
    for path in (STUDY, SERIES):
        assert filled.client.get(path, headers={"accept": "application/dicom"}).status_code == 406


def test_3_13_the_instance_as_octets_is_its_bulk_data(filled: LiveServer) -> None:
    response = filled.client.get(INSTANCE, headers={"accept": "multipart/related; type=application/octet-stream"})
    assert [one.data for one in parts_of(response)] == [bytes(range(256)) * 8, bytes(range(24))]


def test_3_5_a_boundary_is_another_one_each_time(filled: LiveServer) -> None:
    assert len({filled.client.get(INSTANCE).headers["content-type"] for _ in range(3)}) == 3


@pytest.mark.parametrize("numbers", [[1], [3, 1], [2, 2], [1, 2, 3]])
def test_3_6_frames_come_in_the_order_of_the_request(filled: LiveServer, numbers: list[int]) -> None:
    parts = parts_of(filled.client.get(f"{INSTANCE}/frames/{','.join(map(str, numbers))}"))
    assert [list(one.data) for one in parts] == [list(range(8 * n - 8, 8 * n)) for n in numbers]
    assert [one.headers["content-location"] for one in parts] == [f"{filled.url}{INSTANCE}/frames/{n}" for n in numbers]
    assert {one.headers["content-type"] for one in parts} == {"application/octet-stream"}


@pytest.mark.parametrize(
    ("text", "status"),
    [("0", 400), ("-1", 400), ("abc", 400), ("1,", 400), ("01", 400), ("4", 404), ("9" * 40, 404), ("1,4", 404)],
)
def test_3_6_bad_frame_numbers(filled: LiveServer, text: str, status: int) -> None:
    assert filled.client.get(f"{INSTANCE}/frames/{text}").status_code == status


def test_3_6_no_pixel_data_is_a_404(filled: LiveServer) -> None:
    assert filled.client.get(f"{SERIES}/instances/{instance_uid(1, 1, 2)}/frames/1").status_code == 404


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200),
        ("multipart/related; type=application/octet-stream; transfer-syntax=*", 200),
        (f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT}', 200),
        ('multipart/related; type="image/jpeg"', 406),
        ('multipart/related; type="application/dicom"', 406),
        ("application/octet-stream", 200),
    ],
)
def test_3_4_media_types_of_frames(filled: LiveServer, accept: str, status: int) -> None:
    assert filled.client.get(f"{INSTANCE}/frames/1", headers={"accept": accept}).status_code == status


def bulk_uris(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        if "BulkDataURI" in tree:
            yield tree["BulkDataURI"]
        for value in tree.values():
            yield from bulk_uris(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from bulk_uris(value)


@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE])
def test_3_7_every_bulk_data_uri_resolves_against_the_root_and_the_resource(filled: LiveServer, path: str) -> None:
    resource = f"{filled.url}{path}/metadata"
    uris = list(bulk_uris(filled.client.get(resource).json()))
    assert len(uris) == 2
    for uri, expected in zip(uris, (bytes(range(256)) * 8, bytes(range(24))), strict=True):
        for base in (f"{filled.url}/", resource):
            response = filled.client.get(urljoin(base, uri))
            (one,) = parts_of(response)
            assert one.data == expected
            assert one.headers["content-location"] == f"{filled.url}/{uri}"


def test_3_7_a_path_of_two_studies_is_a_404(filled: LiveServer) -> None:
    assert filled.client.get(f"/studies/1.2.3{INSTANCE}/bulkdata/7FE00010").status_code == 404
    assert filled.client.get(f"/studies/x{INSTANCE}/bulkdata/7FE00010").status_code == 400


def test_1_13_with_a_public_url_bulk_data_uris_are_absolute(tmp_path: Path) -> None:
    with live_server(tmp_path, public_url="https://pacs.example/dicom-web") as server:
        server.store(*instances({"EncapsulatedDocument": bytes(2000), "MIMETypeOfEncapsulatedDocument": "a/b"}))
        for path in (STUDY, SERIES, INSTANCE):
            (uri,) = bulk_uris(server.client.get(f"{path}/metadata").json())
            assert uri == f"https://pacs.example/dicom-web{INSTANCE}/bulkdata/00420011"
        (one, *_) = server.client.get("/studies").json()
        assert one["00081190"]["Value"] == [f"https://pacs.example/dicom-web{STUDY}"]


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("bytes=0-3", 206, bytes(range(4))),
        ("bytes=20-", 206, bytes(range(20, 24))),
        ("bytes=-2", 206, bytes([22, 23])),
        ("bytes=5-100", 206, bytes(range(5, 24))),
        (f"bytes=5-{10**30}", 206, bytes(range(5, 24))),
        (f"bytes={10**30}-", 416, None),
        ("bytes=24-", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=0-1,3-4", 200, bytes(range(24))),
        ("bytes=3-1", 200, bytes(range(24))),
        ("pages=1", 200, bytes(range(24))),
    ],
)
def test_3_7_ranges(filled: LiveServer, asked: str, status: int, expected: bytes | None) -> None:
    response = filled.client.get(f"{INSTANCE}/bulkdata/7FE00010", headers={"range": asked})
    assert response.status_code == status
    if expected is not None:
        assert response.content == expected
        assert response.headers["content-length"] == str(len(expected))
    if status == 206:
        assert response.headers["content-range"].endswith("/24")


def test_a_range_with_a_condition_gives_the_whole_value_since_it_has_no_validator(filled: LiveServer) -> None:
    headers = {"range": "bytes=0-3", "if-range": '"another"', "accept": "application/octet-stream"}
    response = filled.client.get(f"{INSTANCE}/bulkdata/7FE00010", headers=headers)
    assert (response.status_code, response.content) == (200, bytes(range(24)))


@pytest.mark.parametrize("path", ["00080018", "00400555", "7FE00010.1", "00400555.9.00091001", "x"])
def test_3_7_what_is_no_bulk_data_is_a_404(filled: LiveServer, path: str) -> None:
    response = filled.client.get(f"{INSTANCE}/bulkdata/{path}")
    assert response.status_code in ((200, 404) if path == "00080018" else (404,))


@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE])
def test_3_13_bulk_data_and_pixel_data_of_each_level(filled: LiveServer, path: str) -> None:
    parts = parts_of(filled.client.get(f"{path}/bulkdata"))
    assert [one.data for one in parts] == [bytes(range(256)) * 8, bytes(range(24))]
    assert all("/bulkdata/" in one.headers["content-location"] for one in parts)
    (one,) = parts_of(filled.client.get(f"{path}/pixeldata"))
    assert one.data == bytes(range(24))


def test_3_13_nothing_of_the_kind_is_a_404(filled: LiveServer) -> None:
    path = f"{STUDY}/series/{series_uid(1, 2)}"
    assert filled.client.get(f"{path}/bulkdata").status_code == 404
    assert filled.client.get(f"{path}/pixeldata").status_code == 404


@pytest.mark.parametrize(("path", "count"), [(STUDY, 3), (SERIES, 2), (INSTANCE, 1)])
def test_3_8_metadata_is_complete_and_can_be_revalidated(filled: LiveServer, path: str, count: int) -> None:
    response = filled.client.get(f"{path}/metadata")
    objects = response.json()
    assert response.headers["content-type"] == "application/dicom+json"
    assert len(objects) == count
    assert all(one["00080016"]["Value"] for one in objects)
    assert all(list(one) == sorted(one) for one in objects)
    etag = response.headers["etag"]
    for asked in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        again = filled.client.get(f"{path}/metadata", headers={"if-none-match": asked})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert filled.client.get(f"{path}/metadata", headers={"if-none-match": '"other"'}).status_code == 200


def test_3_8_a_change_changes_the_entity_tag(server: LiveServer) -> None:
    server.store(make_instance(1, 1, 1))
    tags = {path: server.client.get(f"{path}/metadata").headers["etag"] for path in (STUDY, SERIES)}
    server.store(make_instance(1, 1, 2))
    for path, etag in tags.items():
        response = server.client.get(f"{path}/metadata", headers={"if-none-match": etag})
        assert response.status_code == 200
        assert len(response.json()) == 2


def test_3_8_metadata_is_there_at_once_after_it_was_absent(server: LiveServer) -> None:
    assert server.client.get(f"{STUDY}/metadata").status_code == 404
    server.store(make_instance())
    assert server.client.get(f"{STUDY}/metadata").status_code == 200
    assert server.client.get(f"{SERIES}/metadata").status_code == 200


def test_3_10_gzip_only_where_it_is_accepted(filled: LiveServer) -> None:
    for accepted, expected in (
        ("gzip", True),
        ("gzip;q=0", False),
        ("identity", False),
        ("*", True),
        ("br, gzip;q=0.5", True),
    ):
        with filled.client.stream("GET", f"{STUDY}/metadata", headers={"accept-encoding": accepted}) as response:
            raw = b"".join(response.iter_raw())
        assert (response.headers.get("content-encoding") == "gzip") == expected
        assert (gzip.decompress(raw) if expected else raw).startswith(b"[{")


def test_3_10_head(filled: LiveServer) -> None:
    for path in (STUDY, INSTANCE, f"{STUDY}/metadata", f"{INSTANCE}/frames/1", "/studies"):
        response = filled.client.head(path)
        assert (response.status_code, response.content) == (200, b"")
        assert (
            response.headers["content-type"].partition(";")[0]
            == filled.client.get(path).headers["content-type"].partition(";")[0]
        )


def test_rfc_9110_9_1_a_method_that_is_none_of_http_is_a_501(filled: LiveServer) -> None:
    response = filled.client.request("PROPFIND", INSTANCE)
    assert response.status_code == 501
    assert filled.client.request("PATCH", INSTANCE).status_code == 405
    assert filled.client.request("PROPFIND", "/nothing").status_code == 404


def test_3_7_hexadecimal_digits_of_bulk_data_may_be_lower_case(filled: LiveServer) -> None:
    upper, lower = (filled.client.get(f"{INSTANCE}/bulkdata/{path}") for path in ("7FE00010", "7fe00010"))
    assert lower.status_code == 200
    assert parts_of(lower) == parts_of(upper)


def test_3_10_a_wrong_method_is_a_405(filled: LiveServer) -> None:
    response = filled.client.put(STUDY)
    assert response.status_code == 405
    assert {"GET", "DELETE", "OPTIONS"} <= set(response.headers["allow"].split(", "))


def test_2_11_media_types_of_metadata(filled: LiveServer) -> None:
    assert filled.client.get(f"{STUDY}/metadata", headers={"accept": "application/dicom"}).status_code == 406
    response = filled.client.get(f"{STUDY}/metadata", headers={"accept": "application/json"})
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE])
def test_8_3_what_is_deleted_is_gone(server: LiveServer, path: str) -> None:
    server.store(*instances({}))
    response = server.client.delete(path)
    assert (response.status_code, response.content) == (204, b"")
    assert server.client.delete(path).status_code == 404
    for suffix in ("", "/metadata"):
        assert server.client.get(path + suffix).status_code == 404
    assert server.client.get("/instances", params={"SOPInstanceUID": instance_uid()}).json() == []


def test_8_3_a_damaged_or_missing_object_is_an_error_and_never_a_part(server: LiveServer) -> None:
    server.store(make_instance())
    stored = server.services.db.stored("local", [instance_uid()])[instance_uid()]
    server.services.storage.write(stored.key, io.BytesIO(make_instance(PatientID="P2")))
    assert server.client.get(INSTANCE).status_code == 500
    server.services.storage.delete(stored.key)
    response = server.client.get(INSTANCE)
    assert response.status_code == 500
    assert "P2" not in response.text


@pytest.mark.parametrize(("path", "count"), [(STUDY, 3), (SERIES, 2), (INSTANCE, 1)])
def test_3_8_metadata_as_xml(filled: LiveServer, path: str, count: int) -> None:
    accept = {"accept": 'multipart/related; type="application/dicom+xml"'}
    parts = parts_of(filled.client.get(f"{path}/metadata", headers=accept))
    assert len(parts) == count
    trees = [ET.fromstring(one.data) for one in parts]
    assert {"SOPInstanceUID", "SOPClassUID"} <= {one.get("keyword") for one in trees[0]}
    assert filled.client.get("/studies/1.2.3/metadata", headers=accept).status_code == 404


def test_a_19_text_in_xml_keeps_its_lines(server: LiveServer) -> None:
    text = "first\r\nsecond\nthird\rfourth <&>"
    server.store(make_instance(PatientComments=text))
    accept = {"accept": 'multipart/related; type="application/dicom+xml"'}
    (part,) = parts_of(server.client.get(f"{INSTANCE}/metadata", headers=accept))
    document = ET.fromstring(part.data)
    assert document.findtext(".//{*}DicomAttribute[@keyword='PatientComments']/{*}Value") == text
