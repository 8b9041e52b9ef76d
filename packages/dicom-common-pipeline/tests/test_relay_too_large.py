"""Events that the broker never takes: they go to the dead letters, and hold up no other."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from pipeline_site import Make, Site

from dicom_common.core import Message
from dicom_common.host import Services
from dicom_common.pipeline import Ingest, Received, Relay, dead_topic

LIMIT = 1800


def messages(services: Services, topic: str) -> list[Message]:
    with services.broker.consume([topic], "look") as consumer:
        found: list[Message] = []
        patience = 10.0  # joining a group takes time
        while more := consumer.receive(1000, timeout=patience):
            patience = 0.5
            found += [delivery.message for delivery in more]
        return found


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.service("kafka"))])
def limited(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings of a broker that takes small messages only, and of topics of the test's own."""
    name = uuid.uuid4().hex[:8]
    settings = {"broker__max_message_bytes": LIMIT, "topics__image": f"image-{name}"}
    if request.param == "kafka":
        where = str(request.getfixturevalue("service_endpoint"))
        settings |= {"broker__backend": "kafka", "broker__servers": [where], "broker__partitions": 2}
        settings |= {f"topics__{topic}": f"{topic}-{name}" for topic in ("log", "state")}
    return settings


def test_an_event_that_is_too_large_goes_to_the_dead_letters_and_its_neighbours_go_on(
    site: Site, make: Make, limited: dict[str, Any]
) -> None:
    large = make(3, ImageType=["ORIGINAL", "PRIMARY", *(f"{number:016}" for number in range(55))])
    others = [make(number, series=number % 2 + 1) for number in (4, 5)]
    image = str(limited["topics__image"])
    topics = {name: value for name, value in limited.items() if name.startswith("topics")}
    site.store(make(1), make(2), large, *others, **topics)
    services = site.services(**limited)

    assert Relay(services).drain(30) == 0

    numbers = list(dict.fromkeys(json.loads(message.body)["instance_number"] for message in messages(services, image)))
    assert sorted(numbers) == [1, 2, 4, 5]
    ours = [number for number in numbers if number in (1, 2, 4)]  # of one series
    assert ours == [1, 2, 4]
    [dead] = messages(services, dead_topic(image))
    [row] = [row for row in site.rows if row.sop_uid == "2.25.1.1.1.3"]
    assert dead.body == b""
    assert dead.key == "local|2.25.1.1|2.25.1.1.1"
    assert dead.headers["dead-reason"] == "too-large"
    assert dead.headers["dead-topic"] == image
    assert dead.headers["dead-body"] == "omitted"
    assert int(dead.headers["dead-body-bytes"]) > LIMIT
    assert (dead.headers["dead-sop-uid"], dead.headers["dead-file-path"]) == (row.sop_uid, row.key)
    assert dead.headers["tenant"] == "local"
    assert dead.headers["event-id"]


def test_a_queued_object_whose_message_is_too_large_is_refused_and_its_neighbours_are_not(
    site: Site, make: Make
) -> None:
    large = make(2, patient="P" * 900, AccessionNumber="A" * 900)
    services = site.services(ingest__mode="queued", broker__max_message_bytes=LIMIT)
    with Ingest(services) as ingest:
        sources = [make(1), large, make(3)]
        answers = ingest.store([Received(source=source, name="a") for source in sources], tenant="local")
        again = ingest.store([Received(source=make(4), name="a")], tenant="local")

    assert [answer.status for answer in answers] == ["queued", "rejected", "queued"]
    assert (answers[1].reason, answers[1].retry) == ("broker-refused", False)
    assert again[0].status == "queued"
    assert len(messages(services, "storage_queue")) == 3
