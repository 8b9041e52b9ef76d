"""The bytes of every kind of message are frozen: consumers were written for them.

Each file in `golden` holds one body as it was published, with a placeholder for what differs from run to run. To freeze
a new kind, publish it and write the file; a file that is there already changes only with the schema version.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from pipeline_site import Make, Site
from queued_site import QUEUED, TOPIC, messages

from dicom_common.core import Origin, WebAccess
from dicom_common.host import Services
from dicom_common.pipeline import Ingest, Received, TopicKind, access_message, message_schema, remove

GOLDEN = Path(__file__).parent / "golden"
CHANGING = {
    "trace_id": "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}",
    "worker_node_id": ".+?-[0-9]+",
    "created_time": "[0-9-]{10}T[0-9:]{8}[.][0-9]{6}",
    "updated_time": "[0-9-]{10}T[0-9:]{8}[.][0-9]{6}",
    "file_path": "local/(?:20260102|undated)/2.25.1.1/2.25.1.1.1/2.25.1.1.1.[12](?:~[0-9a-f]{16})?.dcm",
}
FULL: dict[str, Any] = {
    "PatientName": 'Wang^Xiao"Dong=王^小東=',
    "PatientBirthDate": "19700203",
    "PatientBirthTime": "0405",
    "PatientSex": "O",
    "PatientAge": "055Y",
    "PatientSize": "1.75",
    "PatientWeight": "1e16",
    "StudyTime": "101112.131415",
    "StudyID": "S\u2028/1",
    "StudyDescription": "Schädel <nativ> & \x7f 😀",
    "AccessionNumber": "A1",
    "SeriesNumber": -7,
    "SeriesDate": "20260103",
    "SeriesTime": "235959.5",
    "SeriesDescription": "T1\tax",
    "BodyPartExamined": "HEAD",
    "ProtocolName": "P/1",
    "ContentDate": "20260104",
    "ContentTime": "000000.000001",
    "ImageType": ["DERIVED", "PRIMARY"],
    "ImagePositionPatient": [0, -1.5, "1e-7"],
    "ImageOrientationPatient": [1, 0, 0, 0, 0.70710678118, 0],
    "SliceThickness": "0.00001",
    "SpacingBetweenSlices": "1e22",
    "SliceLocation": "-0",
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "Rows": 3,
    "Columns": 5,
    "BitsAllocated": 16,
    "BitsStored": 12,
    "HighBit": 11,
    "PixelRepresentation": 0,
    "RescaleIntercept": "-1024",
    "RescaleSlope": "1.5",
    "RescaleType": "HU",
    "WindowCenter": ["40", "300.25"],
    "WindowWidth": ["400", "1500"],
    "NumberOfFrames": 2,
    "SpecificCharacterSet": "ISO_IR 192",
}
ACCESS = WebAccess(
    id="01a204ad-1912-762b-8cb2-7f79eaaf36ea",
    time=datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC),
    tenant="local",
    method="GET",
    path="/studies",
    status=200,
    request_id="r-1",
    query='PatientName="Jürgen"',
    peer="2001:db8::1",
    headers={"Accept": "*/*", "Authorization": "Bearer secret"},
    user="nurse",
    content_length=12,
    duration_ms=1e-05,
)


def masked(body: bytes) -> bytes:
    text = body.decode()
    for field, pattern in CHANGING.items():
        text = re.sub(f'"{field}":"{pattern}"', f'"{field}":"<{field}>"', text)
    return text.encode()


def published(site: Site, make: Make) -> Iterator[tuple[str, bytes]]:
    """Every kind of message, of an instance with a value in each field and of one with none."""
    given = {"full": FULL, "bare": {"PatientID": "", "StudyDate": "", "Modality": "", "InstanceNumber": None}}
    origin = Origin(source="dimse", ae_title="AET", ip="192.0.2.1")
    for number, (name, attributes) in enumerate(given.items(), 1):
        received = [Received(source=make(number, **attributes), name=name, origin=origin if number == 1 else Origin())]
        queued, direct = (Site(site.data / f"{name}-{mode}") for mode in ("queued", "direct"))
        with Services(queued.config(**QUEUED)) as services, Ingest(services) as ingest:
            ingest.store(received, tenant="local")
        with Services(direct.config()) as services, Ingest(services) as ingest:
            ingest.store(received, tenant="local")
        yield f"storage-{name}", messages(queued, TOPIC)[0].body
        for kind, topic in (("log", "log_queue"), ("image", "dicom_image_queue"), ("state", "dicom_state_queue")):
            yield f"{kind}-{name}", direct.events(topic)[0].body
        with Services(direct.config()) as services:
            remove(services, "local", "2.25.1.1")
        for kind, topic in (("image", "dicom_image_queue"), ("state", "dicom_state_queue")):
            yield f"{kind}-removed-{name}", direct.events(topic)[-1].body
    yield "access-full", access_message(ACCESS).body


def test_the_bytes_of_every_message_are_as_they_were(site: Site, make: Make) -> None:
    found = {name: masked(body) for name, body in published(site, make)}
    frozen = {path.stem: path.read_bytes() for path in GOLDEN.glob("*.body")}
    assert found == frozen


@pytest.mark.parametrize("kind", get_args(TopicKind))
def test_the_schemas_say_what_they_said(kind: TopicKind) -> None:
    frozen = json.loads((GOLDEN / f"{kind}.schema.json").read_text(encoding="utf-8"))
    found = message_schema(kind)
    for schema in (frozen, found):
        for field in schema["properties"].values():
            field.get("enum", []).sort()
    assert found == frozen
    assert list(found["properties"]) == list(frozen["properties"])


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0.0, "0.0"), (0.25, "0.25"), (12.0, "12.0"), (1e-5, "1e-05"), (1e16, "1e+16"), (123456789.5, "123456789.5"),
        (1e9, "1000000000.0"), (None, "null"),
    ],
)  # fmt: skip
def test_numbers_are_as_python_writes_them(milliseconds: float | None, text: str) -> None:
    record = WebAccess(
        id="01900000-0000-7000-8000-000000000001",
        time=datetime(2026, 1, 2, tzinfo=UTC),
        tenant="local",
        method="GET",
        path="/",
        status=200,
        duration_ms=milliseconds,
    )
    assert f'"duration_ms":{text}'.encode() in access_message(record).body
