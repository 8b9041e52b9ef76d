"""Pictures by WADO-RS and by WADO-URI: each test carries the number of the requirement that it proves."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pydicom
import pytest
from live_server import LiveServer, TokenIsTenant, live_server
from made_instances import grey, instance_uid, make_instance, series_uid, study_uid
from parts import parts_of
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG2MPML

STUDY = f"/studies/{study_uid()}"
SERIES = f"{STUDY}/series/{series_uid()}"
INSTANCE = f"{SERIES}/instances/{instance_uid()}"
REPORT = f"{SERIES}/instances/{instance_uid(1, 1, 3)}"
PARTS = {"accept": 'multipart/related; type="image/png"'}
PIXELS = grey(4, 8, WindowCenter=128, WindowWidth=256, NumberOfFrames=2, PixelData=bytes(range(0, 256, 8)) + bytes(32))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("rendered")) as live:
        single = {**PIXELS, "NumberOfFrames": 1, "PixelData": bytes([255]) * 32}
        results = live.store(make_instance(**PIXELS), make_instance(1, 1, 2, **single), make_instance(1, 1, 3))
        assert {one.status for one in results} == {"stored"}
        yield live


def single(value: int) -> dict[str, Any]:
    return {**PIXELS, "NumberOfFrames": 1, "PixelData": bytes([value]) * 32}


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE, f"{INSTANCE}/frames/2"])
@pytest.mark.parametrize(("media_type", "form"), [("image/jpeg", "JPEG"), ("image/png", "PNG"), ("image/gif", "GIF")])
def test_3_13_pictures_of_each_resource_and_media_type(
    server: LiveServer, path: str, media_type: str, form: str
) -> None:
    response = server.client.get(f"{path}/rendered", headers={"accept": media_type})
    assert response.status_code == 200
    assert response.headers["content-type"] == media_type
    picture = opened(response.content)
    assert (picture.format, picture.size) == (form, (8, 4))


def test_3_9_jpeg_is_the_default_and_the_first_frame(server: LiveServer) -> None:
    for headers in ({}, {"accept": "*/*"}, {"accept": "image/*"}):
        assert server.client.get(f"{INSTANCE}/rendered", headers=headers).headers["content-type"] == "image/jpeg"
    first = server.client.get(f"{INSTANCE}/rendered", headers={"accept": "image/png"}).content
    assert list(opened(first).convert("L").tobytes()) == list(range(0, 256, 8))
    second = server.client.get(f"{INSTANCE}/frames/2/rendered", headers={"accept": "image/png"}).content
    assert set(opened(second).convert("L").tobytes()) == {0}


def test_3_9_all_frames_as_parts(server: LiveServer) -> None:
    related = {"accept": 'multipart/related; type="image/png"'}
    parts = parts_of(server.client.get(f"{INSTANCE}/rendered", headers=related))
    assert [one.headers["content-location"].rpartition("/frames/")[2] for one in parts] == ["1/rendered", "2/rendered"]
    assert len(parts_of(server.client.get(f"{INSTANCE}/frames/2,1/rendered", headers=related))) == 2
    assert len(parts_of(server.client.get(f"{STUDY}/rendered", headers=related))) == 2


@pytest.mark.parametrize(
    "query",
    [
        "quality=0",
        "quality=101",
        "quality=a",
        "viewport=1",
        "viewport=0,5",
        "viewport=a,b",
        "viewport=1,2,3",
        "viewport=9,9,99999,0,1,1",
        "window=1,2",
        "window=1,0,linear",
        "window=a,2,linear",
        "window=1,2,cubic",
        "annotation=name",
        "iccprofile=mine",
        "quality=50&quality=60",
    ],
)
def test_3_9_a_malformed_parameter_is_a_400(server: LiveServer, query: str) -> None:
    assert server.client.get(f"{INSTANCE}/rendered?{query}").status_code == 400
    assert server.client.get(f"{INSTANCE}/thumbnail?{query}").status_code == 400


def test_3_9_parameters_of_a_rendering(server: LiveServer) -> None:
    png = {"accept": "image/png"}
    plain = server.client.get(f"{INSTANCE}/rendered", headers=png).content
    windowed = server.client.get(f"{INSTANCE}/rendered?window=100,10,linear-exact", headers=png).content
    assert set(opened(windowed).convert("L").tobytes()) != set(opened(plain).convert("L").tobytes())
    large = server.client.get(f"{INSTANCE}/rendered?viewport=16,16&annotation=patient,technique", headers=png).content
    assert opened(large).size == (16, 8)
    assert server.client.get(f"{INSTANCE}/rendered?quality=1&iccprofile=srgb&unknown=1").status_code == 200


def test_8_3_5_1_1_annotations_that_are_left_out_have_a_warning(server: LiveServer) -> None:
    for path in (f"{INSTANCE}/rendered", f"{STUDY}/rendered", f"{INSTANCE}/frames/2/rendered"):
        warning = server.client.get(f"{path}?annotation=technique,patient").headers["warning"]
        assert warning == '299 dicom-common "The following annotation values are not supported: technique,patient"'
        assert "warning" not in server.client.get(path).headers
    assert "warning" in wado(server, annotation="patient").headers


def test_8_3_5_1_3_a_thumbnail_has_no_source_region(server: LiveServer) -> None:
    for path in (STUDY, SERIES, INSTANCE, f"{INSTANCE}/frames/1"):
        assert server.client.get(f"{path}/thumbnail?viewport=9,9,0,0,1,1").status_code == 400


def test_3_9_no_picture_is_a_404_and_no_media_type_a_406(server: LiveServer) -> None:
    assert server.client.get(f"{REPORT}/rendered").status_code == 404
    assert server.client.get(f"{INSTANCE}/frames/3/rendered").status_code == 404
    assert server.client.get(f"{INSTANCE}/frames/0/rendered").status_code == 400
    assert server.client.get(f"{INSTANCE}/rendered", headers={"accept": "image/jp2"}).status_code == 406
    assert server.client.get("/studies/1.2.3/rendered").status_code == 404


def test_a_study_whose_images_cannot_all_be_decoded_is_a_206_with_the_others(server: LiveServer) -> None:
    video = make_instance(2, 1, 1, transfer_syntax=MPEG2MPML)
    server.store(video, make_instance(2, 1, 2, **PIXELS), make_instance(2, 1, 3), make_instance(3, 1, 1))
    response = server.client.get(f"/studies/{study_uid(2)}/rendered", headers=PARTS)
    assert response.status_code == 206
    (part,) = parts_of(response)
    assert part.headers["content-location"].endswith(f"{instance_uid(2, 1, 2)}/rendered")
    assert server.client.get(f"/studies/{study_uid(2)}/rendered").status_code == 200
    # Another instance of it is no image at all, which leaves nothing out.
    assert server.client.get(f"{STUDY}/rendered", headers=PARTS).status_code == 200
    assert server.client.get(f"/studies/{study_uid(3)}/rendered", headers=PARTS).status_code == 404


DAMAGED = {**PIXELS, "NumberOfFrames": 1, "PixelData": encapsulate([b"no RLE"])}
RLE = "1.2.840.10008.1.2.5"
"""Every installation can decode it."""


@pytest.mark.parametrize("damaged", [1, 2, 3])
@pytest.mark.parametrize(
    ("resource", "accept"),
    [
        ("rendered", 'multipart/related; type="image/png"'),
        ("", 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1'),
        ("", 'multipart/related; type="application/octet-stream"'),
        ("pixeldata", 'multipart/related; type="application/octet-stream"'),
        ("bulkdata", 'multipart/related; type="*/*"; transfer-syntax=*'),
        ("pixeldata", "*/*"),
    ],
)
def test_3_3_what_cannot_be_decoded_of_a_study_is_left_out_wherever_it_stands(
    server: LiveServer, damaged: int, resource: str, accept: str
) -> None:
    study = 10 + damaged
    for number in (1, 2, 3):
        given = {"transfer_syntax": RLE, **DAMAGED} if number == damaged else single(9)
        server.store(make_instance(study, 1, number, **given))
    response = server.client.get(f"/studies/{study_uid(study)}/{resource}".rstrip("/"), headers={"accept": accept})
    assert response.status_code == 206
    sent = [one.headers["content-location"] for one in parts_of(response)]
    assert [instance_uid(study, 1, number) in "".join(sent) for number in (1, 2, 3)] == [
        number != damaged for number in (1, 2, 3)
    ]


def test_3_3_where_nothing_can_be_decoded_it_is_a_406(server: LiveServer) -> None:
    server.store(make_instance(5, 1, 1, transfer_syntax=RLE, **DAMAGED))
    for resource, accept in (
        ("/rendered", 'multipart/related; type="image/png"'),
        ("", 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1'),
        ("", 'multipart/related; type="application/octet-stream"'),
    ):
        response = server.client.get(f"/studies/{study_uid(5)}{resource}", headers={"accept": accept})
        assert response.status_code == 406, resource


def test_an_image_that_cannot_be_decoded_behind_much_that_was_sent_ends_the_answer(server: LiveServer) -> None:
    """The status is sent: a client must not take a part for the whole."""
    large = grey(2300, 2300, PixelData=os.urandom(2300 * 2300))
    server.store(make_instance(4, 1, 1, **large), make_instance(4, 1, 2, transfer_syntax=RLE, **DAMAGED))
    with pytest.raises(httpx.RemoteProtocolError):
        server.client.get(f"/studies/{study_uid(4)}/rendered", headers=PARTS)
    assert server.client.get(f"/studies/{study_uid(4)}/rendered").status_code == 200


def test_3_6_frames_of_which_one_cannot_be_decoded_are_a_406(server: LiveServer) -> None:
    whole = struct.pack("<16I", 1, 64, *[0] * 14) + bytes([31]) + bytes(32)  # one segment, with one literal run
    frames = encapsulate([whole, b"no RLE", whole])
    given = {**PIXELS, "NumberOfFrames": 3, "PixelData": frames}
    server.store(make_instance(6, 1, 1, transfer_syntax=RLE, **given))
    place = f"/studies/{study_uid(6)}/series/{series_uid(6)}/instances/{instance_uid(6)}"
    octets = 'multipart/related; type="application/octet-stream"'
    for resource, accept in (
        ("/frames/1,2,3", octets),
        ("/frames/3,2", octets),
        ("/bulkdata/7FE00010", octets),
        ("/frames/1,2/rendered", "*/*"),
        ("/rendered", 'multipart/related; type="image/png"'),
    ):
        assert server.client.get(f"{place}{resource}", headers={"accept": accept}).status_code == 406, resource
    assert len(parts_of(server.client.get(f"{place}/frames/1,3", headers={"accept": octets}))) == 2
    # Who takes it as it is stored gets that.
    response = server.client.get(
        f"{place}/frames/1,2,3", headers={"accept": f'{octets}, multipart/related; type="*/*"'}
    )
    assert response.status_code == 200
    assert {one.headers["content-type"].partition(";")[0] for one in parts_of(response)} == {"image/dicom-rle"}


def test_3_9_a_picture_can_be_revalidated(server: LiveServer) -> None:
    etag = server.client.get(f"{INSTANCE}/rendered").headers["etag"]
    assert server.client.get(f"{INSTANCE}/rendered", headers={"if-none-match": etag}).status_code == 304
    for query in ("quality=50", "window=1,2,linear", "viewport=4,4"):
        response = server.client.get(f"{INSTANCE}/rendered?{query}", headers={"if-none-match": etag})
        assert response.status_code == 200


@pytest.mark.parametrize("path", [STUDY, SERIES, INSTANCE, f"{INSTANCE}/frames/1"])
def test_3_1_thumbnails(server: LiveServer, path: str) -> None:
    response = server.client.get(f"{path}/thumbnail")
    assert response.headers["content-type"] == "image/jpeg"
    assert max(opened(response.content).size) == 128
    assert opened(server.client.get(f"{path}/thumbnail?viewport=16,16").content).size == (16, 8)


def wado(server: LiveServer, accept: str = "*/*", **parameters: str) -> httpx.Response:
    named = {"requestType": "WADO", "studyUID": study_uid(), "seriesUID": series_uid(), "objectUID": instance_uid()}
    root = urlsplit(server.url)
    query = {name: value for name, value in (named | parameters).items() if value != "-"}
    return server.client.get(f"{root.scheme}://{root.netloc}/wado", params=query, headers={"accept": accept})


def test_3_13_wado_uri_gives_a_jpeg_by_default(server: LiveServer) -> None:
    response = wado(server)
    assert response.headers["content-type"] == "image/jpeg"
    assert opened(response.content).size == (8, 4)
    assert wado(server, contentType="image/png").headers["content-type"] == "image/png"


def test_wado_uri_gives_dicom(server: LiveServer) -> None:
    for parameters in ({}, {"transferSyntax": "1.2.840.10008.1.2.1"}):
        response = wado(server, contentType="application/dicom", **parameters)
        assert response.headers["content-type"] == "application/dicom"
        assert pydicom.dcmread(io.BytesIO(response.content)).SOPInstanceUID == instance_uid()
    assert wado(server, contentType="application/dicom", transferSyntax="1.2.840.10008.1.2").status_code == 406
    assert wado(server, contentType="application/dicom", transferSyntax="x").status_code == 400


@pytest.mark.parametrize(
    "parameters",
    [{"frameNumber": "1"}, {"region": "0,0,1,1"}, {"windowCenter": "1", "windowWidth": "2"}],
)
def test_9_1_2_1_wado_uri_refuses_a_part_of_a_picture_as_dicom(server: LiveServer, parameters: dict[str, str]) -> None:
    response = wado(server, contentType="application/dicom", **parameters)
    assert response.status_code == 400
    assert next(iter(parameters)) in response.json()["detail"]


def test_wado_uri_gives_what_is_no_image_as_dicom(server: LiveServer) -> None:
    report = instance_uid(1, 1, 3)
    assert wado(server, objectUID=report).headers["content-type"] == "application/dicom"
    assert wado(server, objectUID=report, contentType="image/jpeg").status_code == 406
    assert wado(server, objectUID=report, frameNumber="1").status_code == 400


def test_9_5_2_a_frame_number_is_for_multi_frame_images(server: LiveServer) -> None:
    one_frame = {name: value for name, value in single(0).items() if name != "NumberOfFrames"}
    server.store(make_instance(1, 1, 4, **one_frame))
    assert wado(server, objectUID=instance_uid(1, 1, 4)).status_code == 200
    assert wado(server, objectUID=instance_uid(1, 1, 4), frameNumber="1").status_code == 400
    assert wado(server, objectUID=instance_uid(1, 1, 2), frameNumber="1").status_code == 200


@pytest.mark.parametrize(
    "parameters",
    [
        {"requestType": "-"},
        {"requestType": "QIDO"},
        {"studyUID": "-"},
        {"seriesUID": "x"},
        {"objectUID": "../1"},
        {"frameNumber": "0"},
        {"frameNumber": "a"},
        {"frameNumber": "3"},
        {"rows": "0"},
        {"columns": "a"},
        {"region": "0,0,1"},
        {"region": "0.5,0,0.2,1"},
        {"region": "0,0,2,1"},
        {"windowCenter": "1"},
        {"windowCenter": "1", "windowWidth": "0"},
        {"imageQuality": "101"},
        {"imageQuality": ""},
        {"rows": "100000"},
        {"annotation": "name"},
    ],
)
def test_3_13_wado_uri_refuses_bad_parameters(server: LiveServer, parameters: dict[str, str]) -> None:
    assert wado(server, **parameters).status_code == 400


def test_wado_uri_refuses_what_it_does_not_do(server: LiveServer) -> None:
    assert wado(server, contentType="video/mpeg").status_code == 406
    assert wado(server, anonymize="yes").status_code == 406
    assert wado(server, objectUID="1.2.3").status_code == 404
    assert wado(server, studyUID="1.2.3").status_code == 404


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        ({"region": "0.5,0,1,1", "rows": "8"}, (8, 8)),
        ({"region": "0,0,1,0.5", "columns": "40"}, (40, 10)),
        ({"region": "0.5,0.5,0.6,0.6", "rows": "10"}, (20, 10)),
        ({"rows": "8", "columns": "100"}, (16, 8)),
        ({"columns": "100"}, (100, 50)),
    ],
)
def test_9_5_2_5_the_size_that_is_not_given_keeps_the_proportions(
    server: LiveServer, parameters: dict[str, str], size: tuple[int, int]
) -> None:
    assert opened(wado(server, **parameters).content).size == size


def test_9_5_2_5_pixels_that_are_not_square(tmp_path: Path) -> None:
    with live_server(tmp_path) as server:
        server.store(make_instance(**grey(4, 8, PixelData=bytes(32), PixelAspectRatio=[4, 1])))
        for parameters in ({"rows": "32"}, {"columns": "16"}, {"region": "0,0,1,0.5", "columns": "16"}):
            width, height = opened(wado(server, **parameters).content).size
            assert (width, height) == (16, 16 if "region" in parameters else 32)


def test_9_5_1_3_accept_counts_without_a_content_type(server: LiveServer) -> None:
    for accept, given in (
        ("image/png", "image/png"),
        ("application/dicom", "application/dicom"),
        ("*/*", "image/jpeg"),
    ):
        assert wado(server, accept).headers["content-type"] == given
    assert wado(server, "text/html").status_code == 406
    assert wado(server, "text/html", contentType="image/gif").status_code == 200


def test_wado_uri_renders_as_asked(server: LiveServer) -> None:
    assert opened(wado(server, rows="8").content).size == (16, 8)
    assert opened(wado(server, columns="4").content).size == (4, 2)
    right = opened(wado(server, region="0.5,0,1,1", contentType="image/png").content)
    assert right.size == (4, 4)
    assert min(right.convert("L").tobytes()) >= 32
    second = opened(wado(server, frameNumber="2", contentType="image/png").content)
    assert set(second.convert("L").tobytes()) == {0}


def test_5_c_pictures_of_another_tenant_are_absent(tmp_path: Path) -> None:
    policy = {"policy__retrieve": {"roles": ["all"]}}
    with live_server(tmp_path, auth=TokenIsTenant(), **policy) as server:
        server.store(make_instance(**PIXELS), tenant="tenant-b")
        for token, status in (("tenant-a", 404), ("tenant-b", 200)):
            server.client.headers["authorization"] = f"Bearer {token}"
            for path in (STUDY, SERIES, INSTANCE, f"{INSTANCE}/frames/1"):
                for what in ("rendered", "thumbnail"):
                    assert server.client.get(f"{path}/{what}").status_code == status
            assert wado(server).status_code == status
            assert wado(server, contentType="application/dicom").status_code == status
        del server.client.headers["authorization"]
        assert wado(server).status_code == 401
