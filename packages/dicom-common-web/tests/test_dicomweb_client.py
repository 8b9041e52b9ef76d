"""An independent client, dicomweb-client of PyPI, does each of its operations against the server."""

from __future__ import annotations

import io
from typing import Any

import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from live_server import LiveServer
from made_instances import grey, instance_uid, make_instance, series_uid, study_uid
from PIL import Image
from requests import HTTPError

STUDY, SERIES, INSTANCE = study_uid(), series_uid(), instance_uid()
PLACES = ((STUDY,), (STUDY, SERIES), (STUDY, SERIES, INSTANCE))
PIXELS = grey(4, 8, NumberOfFrames=2, PixelData=bytes(range(64)), PatientName="Doe^Jane")


@pytest.fixture
def client(server: LiveServer) -> DICOMwebClient:
    client = DICOMwebClient(server.url)
    data_sets = [make_instance(1, 1, 1, **PIXELS), make_instance(1, 1, 2), make_instance(1, 2, 1), make_instance(2)]
    client.store_instances([pydicom.dcmread(io.BytesIO(one)) for one in data_sets])
    return client


def test_store_and_search(client: DICOMwebClient) -> None:
    assert len(client.search_for_studies()) == 2
    assert len(client.search_for_studies(get_remaining=True, limit=1)) == 2
    (one,) = client.search_for_studies(search_filters={"PatientID": "P1"}, fields=["StudyDescription"])
    assert one["00081030"] == {"vr": "LO"}
    assert len(client.search_for_studies(search_filters={"PatientName": "jane"}, fuzzymatching=True)) == 1
    assert len(client.search_for_series()) == 3
    assert len(client.search_for_series(STUDY, search_filters={"Modality": "OT"}, offset=1)) == 1
    assert len(client.search_for_instances()) == 4
    assert len(client.search_for_instances(STUDY)) == 3
    assert len(client.search_for_instances(STUDY, SERIES)) == 2
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []


def test_retrieve(client: DICOMwebClient) -> None:
    assert len(client.retrieve_study(STUDY)) == 3
    assert len(client.retrieve_series(STUDY, SERIES)) == 2
    assert len(list(client.iter_study(STUDY))) == 3
    assert len(list(client.iter_series(STUDY, SERIES))) == 2
    assert client.retrieve_instance(STUDY, SERIES, INSTANCE).PixelData == bytes(range(64))
    media_types = (("application/dicom", "*"),)
    assert client.retrieve_instance(STUDY, SERIES, INSTANCE, media_types=media_types).SOPInstanceUID == INSTANCE


def test_retrieve_metadata(client: DICOMwebClient) -> None:
    assert len(client.retrieve_study_metadata(STUDY)) == 3
    assert len(client.retrieve_series_metadata(STUDY, SERIES)) == 2
    one = client.retrieve_instance_metadata(STUDY, SERIES, INSTANCE)
    assert pydicom.Dataset.from_json(one).PatientName == "Doe^Jane"


def test_retrieve_frames(client: DICOMwebClient) -> None:
    frames = client.retrieve_instance_frames(STUDY, SERIES, INSTANCE, [2, 1])
    assert frames == [bytes(range(32, 64)), bytes(range(32))]
    assert list(client.iter_instance_frames(STUDY, SERIES, INSTANCE, [1])) == [bytes(range(32))]


def test_retrieve_bulk_data(client: DICOMwebClient, server: LiveServer) -> None:
    uri = client.retrieve_instance_metadata(STUDY, SERIES, INSTANCE)["7FE00010"]["BulkDataURI"]
    url = f"{server.url}/{uri}"
    assert client.retrieve_bulkdata(url) == [bytes(range(64))]
    assert list(client.iter_bulkdata(url)) == [bytes(range(64))]
    assert b"".join(client.retrieve_bulkdata(url, byte_range=(0, 7))).startswith(bytes(range(8)))


def test_retrieve_rendered(client: DICOMwebClient) -> None:
    for media_type in ("image/jpeg", "image/png", "image/gif"):
        data = client.retrieve_instance_rendered(STUDY, SERIES, INSTANCE, media_types=(media_type,))
        assert Image.open(io.BytesIO(data)).size == (8, 4)
        frame = client.retrieve_instance_frames_rendered(STUDY, SERIES, INSTANCE, [1], media_types=(media_type,))
        assert frame
    assert client.retrieve_series_rendered(STUDY, SERIES, media_types=("image/jpeg",))


@pytest.mark.parametrize("place", PLACES, ids=["study", "series", "instance"])
def test_delete(client: DICOMwebClient, place: tuple[str, ...]) -> None:
    delete: tuple[Any, ...] = (client.delete_study, client.delete_series, client.delete_instance)
    delete[len(place) - 1](*place)
    retrieve: Any = (client.retrieve_study, client.retrieve_series, client.retrieve_instance)[len(place) - 1]
    with pytest.raises(HTTPError):
        retrieve(*place)
