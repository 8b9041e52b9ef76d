"""Pictures by presentation states, by WADO-RS and by WADO-URI (PS3.18 8.3.5, 9.5.2.3)."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from live_server import LiveServer, TokenIsTenant, live_server
from made_instances import grey, instance_uid, make_instance, series_uid, study_uid
from parts import parts_of
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_common.core import Secret
from dicom_common.crypto import Capabilities, SigningKey

GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
PIXELS = grey(4, 8, WindowCenter=3, WindowWidth=2, NumberOfFrames=2, PixelData=bytes(range(0, 256, 4)))
STUDY = f"/studies/{study_uid()}"
IMAGE = f"{STUDY}/series/{series_uid()}/instances/{instance_uid()}"
PNG, PARTS = {"accept": "image/png"}, {"accept": 'multipart/related; type="image/png"'}


def state(number: int, *references: Any, sop_class: str = GSPS, study: int = 1, **attributes: Any) -> bytes:
    """Make a state in the second series: of images of the first, by their numbers, and frames of them."""
    items = []
    for one in references or (1,):
        instance, frames = one if isinstance(one, tuple) else (one, None)
        item = Dataset()
        item.ReferencedSOPInstanceUID = instance_uid(study, 1, instance)
        if frames is not None:
            item.ReferencedFrameNumber = frames
        items.append(item)
    series = Dataset()
    series.SeriesInstanceUID, series.ReferencedImageSequence = series_uid(study), Sequence(items)
    named = {"PresentationLUTShape": "INVERSE", "ReferencedSeriesSequence": Sequence([series]), "Modality": "PR"}
    return make_instance(study, 2, number, **{"SOPClassUID": sop_class, **named, **attributes})


def state_path(number: int) -> str:
    return f"{STUDY}/series/{series_uid(1, 2)}/instances/{instance_uid(1, 2, number)}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("presented")) as live:
        single = {**PIXELS, "NumberOfFrames": 1, "PixelData": bytes([255]) * 32}
        results = live.store(
            make_instance(**PIXELS),
            make_instance(1, 1, 2, **single),
            state(1),
            state(2, (1, [2]), 2, 9),
            state(3, ImageRotation=45),
            state(4, sop_class="1.2.840.10008.5.1.4.1.1.11.2"),
            state(5, 9),
            state(6, ImageRotation=90),
        )
        assert {one.status for one in results} == {"stored"}
        yield live


def values(data: bytes) -> list[int]:
    return list(Image.open(io.BytesIO(data)).convert("L").tobytes())


def test_a_state_is_rendered_as_the_images_that_it_refers_to(server: LiveServer) -> None:
    one = server.client.get(f"{state_path(1)}/rendered", headers=PNG)
    assert one.status_code == 200
    assert values(one.content) == [255 - value for value in range(0, 128, 4)]
    assert server.client.get(f"{state_path(1)}/rendered").headers["content-type"] == "image/jpeg"
    parts = parts_of(server.client.get(f"{state_path(1)}/rendered", headers=PARTS))
    assert [values(part.data)[0] for part in parts] == [255, 255 - 128]
    assert {part.headers["content-location"].endswith(f"{state_path(1)}/rendered") for part in parts} == {True}


def test_images_that_are_not_stored_make_it_a_206(server: LiveServer) -> None:
    response = server.client.get(f"{state_path(2)}/rendered", headers=PARTS)
    assert response.status_code == 206
    assert [values(part.data)[0] for part in parts_of(response)] == [255 - 128, 0]
    assert server.client.get(f"{state_path(5)}/rendered").status_code == 404


@pytest.mark.parametrize(("number", "why"), [(3, "rotation"), (4, "Grayscale Softcopy")])
def test_a_state_that_cannot_be_shown_wholly_is_refused_with_the_reason(
    server: LiveServer, number: int, why: str
) -> None:
    for headers in (PNG, PARTS):
        response = server.client.get(f"{state_path(number)}/rendered", headers=headers)
        assert response.status_code == 406
        assert why in response.json()["detail"]


def test_8_3_5_1_a_state_has_a_window_of_its_own_and_no_source_region(server: LiveServer) -> None:
    path = f"{state_path(1)}/rendered"
    assert server.client.get(f"{path}?window=1,2,linear").status_code == 400
    assert server.client.get(f"{path}?viewport=8,8,0,0,4,4").status_code == 400
    large = server.client.get(f"{path}?viewport=16,16&quality=50", headers=PNG)
    assert Image.open(io.BytesIO(large.content)).size == (16, 8)


def test_a_study_shows_its_first_image_however_many_states_stand_before_it(tmp_path: Path) -> None:
    with live_server(tmp_path) as server:
        server.store(*[state(number) for number in range(1, 121)])
        assert [server.client.get(f"{STUDY}/rendered", headers=one).status_code for one in (PNG, PARTS)] == [404, 404]
        server.store(make_instance(1, 3, 1, **PIXELS))
        assert server.client.get(f"{STUDY}/rendered", headers=PNG).status_code == 200
        assert len(parts_of(server.client.get(f"{STUDY}/rendered", headers=PARTS))) == 1


def test_a_state_has_no_frames_and_no_thumbnail(server: LiveServer) -> None:
    assert server.client.get(f"{state_path(1)}/frames/1/rendered").status_code == 404
    assert server.client.get(f"{state_path(1)}/thumbnail").status_code == 404
    assert len(parts_of(server.client.get(f"{STUDY}/rendered", headers=PARTS))) == 2


def wado(server: LiveServer, /, number: int = 1, **parameters: Any) -> httpx.Response:
    named = {"requestType": "WADO", "studyUID": study_uid(), "seriesUID": series_uid(), "objectUID": instance_uid()}
    state_of = {"presentationSeriesUID": series_uid(1, 2), "presentationUID": instance_uid(1, 2, number)}
    query = {name: value for name, value in (named | state_of | parameters).items() if value != "-"}
    root = urlsplit(server.url)
    return server.client.get(f"{root.scheme}://{root.netloc}/wado", params={"contentType": "image/png", **query})


def test_9_5_2_3_wado_uri_applies_a_state(server: LiveServer) -> None:
    assert values(wado(server).content) == [255 - value for value in range(0, 128, 4)]
    assert values(wado(server, 2).content)[0] == 255 - 128
    assert values(wado(server, 2, objectUID=instance_uid(1, 1, 2)).content) == [0] * 32
    for size in ({"rows": "16"}, {"columns": "8"}, {"rows": "16", "columns": "90"}):
        assert Image.open(io.BytesIO(wado(server, 6, **size).content)).size == (8, 16)


@pytest.mark.parametrize(
    "parameters",
    [
        {"presentationSeriesUID": "-"},
        {"presentationUID": "-"},
        {"presentationUID": "x"},
        {"presentationUID": "1.2.3"},
        {"presentationSeriesUID": "1.2.3"},
        {"frameNumber": "1"},
        {"region": "0,0,1,1"},
        {"windowCenter": "1", "windowWidth": "2"},
        {"objectUID": instance_uid(1, 1, 2)},
        {"contentType": "application/dicom"},
    ],
)
def test_9_5_2_3_what_a_state_is_not_beside(server: LiveServer, parameters: dict[str, Any]) -> None:
    assert wado(server, **parameters).status_code == 400


def test_wado_uri_refuses_a_state_that_cannot_be_shown(server: LiveServer) -> None:
    assert wado(server, 3).status_code == 406
    assert wado(server, 4).status_code == 406


def test_5_c_a_state_shows_no_image_of_another_tenant(tmp_path: Path) -> None:
    with live_server(tmp_path, auth=TokenIsTenant(), policy__retrieve={"roles": ["all"]}) as server:
        server.store(make_instance(**PIXELS), tenant="tenant-b")
        server.store(state(1), tenant="tenant-a")
        server.client.headers["authorization"] = "Bearer tenant-a"
        assert server.client.get(f"{state_path(1)}/rendered").status_code == 404


def test_a_link_to_the_series_of_a_state_shows_no_image_of_another(tmp_path: Path) -> None:
    key = base64.b64encode(os.urandom(32)).decode()
    links = {"keys": [{"id": "k1", "key": key, "active": True}]}
    capabilities = Capabilities([SigningKey(id="k1", key=Secret(key), active=True)])
    with live_server(tmp_path, web__links=links) as server:
        server.store(make_instance(**PIXELS), state(1))
        for series, status in (("", 200), (series_uid(1, 2), 404)):
            link = capabilities.sign("local", study_uid(), series, seconds=60)
            assert server.client.get(f"/links/{link}{state_path(1)}/rendered").status_code == status
