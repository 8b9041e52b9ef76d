"""Kafka is away for the whole of an ingest: direct mode does not mind, queued mode says so, and nothing is lost."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from dicom_common.host import Config, Services
from dicom_common.pipeline import Ingest, Received, Relay, Result
from dicom_common.testing.servers import AbsentError, PrivateServer, private_server

COUNT = 40
HANG = 120


@pytest.fixture
def kafka(without_service: Callable[[str], NoReturn]) -> Iterator[PrivateServer]:
    try:
        with private_server("kafka") as server:
            yield server
    except AbsentError as absent:
        without_service(str(absent))


def configuration(kafka: PrivateServer, data: Path, mode: str) -> Config:
    overrides = {
        "data": str(data),
        "broker.backend": "kafka",
        "broker.servers": f'["{kafka.host}:{kafka.port}"]',
        "broker.partitions": "2",
        "broker.timeout": "20",
        "broker.connect_timeout": "5",
        "ingest.mode": mode,
    }
    return Config.load(overrides=overrides, variables={})


def store(services: Services, files: Sequence[Path]) -> list[Result]:
    with Ingest(services) as ingest:
        return ingest.store([Received(source=file, name=file.name) for file in files], tenant="local")


def messages(services: Services, topic: str, count: int) -> list[str]:
    """Return the SOP Instance UIDs of the messages of a topic, which has to have so many at least."""
    found: list[str] = []
    end = time.monotonic() + HANG
    with services.broker.consume([topic], "readers") as consumer:
        while len(found) < count or (more := services.broker.backlog(topic, "readers")):
            assert time.monotonic() < end, f"{len(found)} of {count} messages came"
            deliveries = consumer.receive(100, timeout=1)
            consumer.acknowledge(deliveries)
            found += [json.loads(each.message.body)["sop_uid"] for each in deliveries]
    assert more == 0
    return found


@pytest.mark.kills
def test_direct_mode_acknowledges_without_a_broker_and_its_relay_catches_up_by_itself(
    kafka: PrivateServer, data: Path, small_files: Callable[[int], list[Path]]
) -> None:
    kafka.kill()
    stop = threading.Event()
    with (
        Services(configuration(kafka, data, "direct")) as services,
        Services(configuration(kafka, data, "direct")) as of_relay,
    ):
        services.db.backlog()
        relay = threading.Thread(target=Relay(of_relay).run, args=(stop,))
        relay.start()
        try:
            results = store(services, small_files(COUNT))
            assert Counter(result.status for result in results) == {"stored": COUNT}
            stored = {row.sop_uid for row in services.db.walk()}
            assert stored == {result.sop_uid for result in results}
            assert services.db.backlog().events == 2 * COUNT + 1  # log and image of each, and the state of the series
            time.sleep(2)  # the relay tries in vain
            assert services.db.backlog().events == 2 * COUNT + 1
            kafka.start()
            end = time.monotonic() + HANG
            while services.db.backlog().events:
                assert time.monotonic() < end, "the relay does not come back"
                time.sleep(0.1)
        finally:
            stop.set()
            relay.join(HANG)
        for topic in ("log_queue", "dicom_image_queue"):
            assert set(messages(services, topic, COUNT)) == stored


@pytest.mark.kills
def test_queued_mode_refuses_without_a_broker_and_takes_the_same_again_when_it_is_back(
    kafka: PrivateServer, data: Path, small_files: Callable[[int], list[Path]]
) -> None:
    files = small_files(COUNT)
    kafka.kill()
    with Services(configuration(kafka, data, "queued")) as services:
        for _ in range(2):
            refused = store(services, files)
            assert {(result.status, result.reason, result.retry) for result in refused} == {
                ("rejected", "broker-unavailable", True)
            }
            assert all("broker.servers" in result.message for result in refused)
        kafka.start()
        answered = store(services, files)
        assert {result.status for result in answered} == {"queued"}
        asked = Counter(messages(services, "storage_queue", COUNT))
        assert asked.keys() == {result.sop_uid for result in answered}
        keys = {info.key for info in services.storage.scan()}
        assert {result.key for result in answered} <= keys
