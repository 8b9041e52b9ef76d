"""The events of a removal: the same messages as those of an ingest, never lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import Any

import jsonschema
import pytest
from pipeline_site import ROOT, Make, Site

from dicom_common.core import Event, Level, Query
from dicom_common.pipeline import Relay, message_schema, remove

IMAGE, STATE = "dicom_image_queue", "dicom_state_queue"
FULL: dict[str, Any] = {
    "PatientName": "Roe^Rita",
    "PatientBirthDate": "19700203",
    "StudyTime": "101112",
    "AccessionNumber": "A1",
    "SeriesNumber": 7,
    "ImageType": ["DERIVED", "PRIMARY"],
    "ImagePositionPatient": [0, -1.5, 2],
    "Rows": 3,
    "WindowCenter": [40, 400],
    "ContentTime": "0405",
}


def bodies(events: list[Event]) -> list[dict[str, Any]]:
    return [json.loads(event.body) for event in events]


def without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


@pytest.fixture
def published(site: Site, make: Make) -> Site:
    """Two series of two instances, whose events are published."""
    site.store(*(make(sop, series=series, **FULL) for series in (1, 2) for sop in (1, 2)))
    assert Relay(site.services()).drain(30) == 0
    return site


def test_an_instance_that_is_removed_is_told_as_it_was_told_when_it_came(site: Site, make: Make) -> None:
    site.store(make(1, **FULL), make(2, **FULL))
    came = {body["sop_uid"]: body for body in bodies(site.events(IMAGE))}
    assert {body["image_status"] for body in came.values()} == {"ACTIVE"}
    remove(site.services(), "local", f"{ROOT}.1", None, f"{ROOT}.1.1.2")
    *_, event = site.events(IMAGE)
    (body,) = bodies([event])
    assert body["image_status"] == "DELETED"
    assert without(body, "image_status", "updated_time") == without(
        came[f"{ROOT}.1.1.2"], "image_status", "updated_time"
    )
    assert event.key == f"local|{ROOT}.1|{ROOT}.1.1"
    first = site.events(IMAGE)[1]
    assert set(event.headers) == set(first.headers)
    assert event.headers["content-digest"] == first.headers["content-digest"]
    assert event.headers["event-id"] == event.id != first.id


def test_a_series_that_stays_is_told_with_what_is_left(site: Site, make: Make) -> None:
    site.store(make(1, **FULL), make(2, **FULL | {"PatientName": "Roe^Rita^Late", "InstanceCreationDate": "20260103"}))
    remove(site.services(), "local", f"{ROOT}.1", f"{ROOT}.1.1", f"{ROOT}.1.1.2")
    first, second = bodies(site.events(STATE))
    assert (first["series_related_instances"], second["series_related_instances"]) == (2, 1)
    assert second["patient_name"] == "Roe^Rita"
    times = ("created_time", "updated_time", "patient_name", "series_related_instances")
    assert without(second, *times) == without(first, *times)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ((f"{ROOT}.1",), {"1.1": 0, "1.2": 0}),
        ((f"{ROOT}.1", f"{ROOT}.1.2"), {"1.2": 0}),
        ((f"{ROOT}.1", f"{ROOT}.1.2", f"{ROOT}.1.2.1"), {"1.2": 1}),
    ],
)
def test_each_series_that_is_touched_has_one_state_message_behind_those_of_its_instances(
    published: Site, place: tuple[str, ...], told: dict[str, int]
) -> None:
    removed = remove(published.services(), "local", *place)
    images, states = published.events(IMAGE), published.events(STATE)
    assert [body["sop_uid"] for body in bodies(images)] == [one.sop_uid for one in removed]
    assert {body["image_status"] for body in bodies(images)} == {"DELETED"}
    assert {
        body["series_uid"].removeprefix(f"{ROOT}."): body["series_related_instances"] for body in bodies(states)
    } == told
    assert {event.key for event in images} == {event.key for event in states}
    assert published.events("log_queue") == []
    for kind, events in (("image", images), ("state", states)):
        for body in bodies(events):
            jsonschema.Draft202012Validator(message_schema(kind)).validate(body)  # type: ignore[arg-type]  # a literal


def test_removing_and_sending_again_is_told_in_that_order(published: Site, make: Make) -> None:
    services = published.services()
    remove(services, "local", f"{ROOT}.1", f"{ROOT}.1.1")
    published.store(make(1, series=1, **FULL))
    remove(services, "local", f"{ROOT}.1", f"{ROOT}.1.1")
    assert Relay(services).drain(30) == 0
    with services.broker.consume([IMAGE], "look") as consumer:
        found: list[tuple[str, str]] = []
        while more := consumer.receive(100, timeout=0.3):
            found += [(body["sop_uid"], body["image_status"]) for body in (json.loads(d.message.body) for d in more)]
    first = [status for uid, status in found if uid == f"{ROOT}.1.1.1"]
    assert first == ["ACTIVE", "DELETED", "ACTIVE", "DELETED"]


def test_removing_nothing_tells_nothing(published: Site) -> None:
    assert remove(published.services(), "local", f"{ROOT}.9") == []
    assert remove(published.services(), "other", f"{ROOT}.1") == []
    assert published.events(IMAGE) == published.events(STATE) == []


@pytest.mark.kills
@pytest.mark.parametrize("pause", [0.0, 0.01, 0.05])
def test_a_removal_that_is_killed_is_told_whole_or_has_not_been(published: Site, pause: float) -> None:
    script = (
        "import sys\nfrom dicom_common.host import Config, Services\nfrom dicom_common.pipeline import remove\n"
        "with Services(Config.load(overrides={'data': sys.argv[1]}, variables={})) as services:\n"
        "    print('now', flush=True)\n    remove(services, 'local', sys.argv[2])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(published.data), f"{ROOT}.1"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "now\n"
    time.sleep(pause)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = published.services().db.count(Query(tenant="local", level=Level.INSTANCE))
    told = len(published.events(IMAGE)), len(published.events(STATE))
    assert (left, told) in ((4, (0, 0)), (0, (4, 2)))
