"""The scale-out path on real servers: PostgreSQL, Kafka and an object store are all that the workers share."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from corpus import instances, small_template
from embedded import COMMAND
from tenant_sites import SITES

from dicom_common.core import Message
from dicom_common.host import Config, Services
from dicom_common.pipeline import DeadLetters, Ingest, Received, Relay, TopicSettings, WorkerSettings
from dicom_common.testing import Endpoint

FILES = 120
HANG = 120
pytestmark = [pytest.mark.service("postgres"), pytest.mark.service("kafka")]


@pytest.fixture
def site(
    service_finder: Callable[[str], Endpoint],
    service_endpoint: Endpoint,
    service_options: dict[str, str],
    data: Path,
) -> dict[str, str]:
    """The settings of a new installation on the three servers."""
    mark = uuid4().hex[:12]
    chosen = {"data": str(data), "ingest.mode": "queued", "worker.batch_seconds": "0.2", "worker.group": f"w-{mark}"}
    for kind, name in (("db", "postgres"), ("broker", "kafka"), ("storage", "s3")):
        endpoint = service_endpoint if name == "s3" else service_finder(name)
        chosen |= {f"{kind}.backend": name, **SITES[kind, name][1](endpoint, service_options)}
    chosen["broker.session_timeout"] = "6"
    return chosen | {f"topics.{topic}": f"{topic}-{mark}" for topic in ("storage", "log", "state", "image", "access")}


@pytest.fixture
def workers(site: dict[str, str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two workers."""
    variables = {f"DICOM_COMMON_{key.replace('.', '__').upper()}": value for key, value in site.items()}
    with Services(Config.load(overrides=site, variables={})) as services:
        services.db.backlog()  # makes the tables
        topics = services.settings("topics", TopicSettings)
        services.broker.create_topics([topics.storage, f"{topics.storage}.dead"])
    command = [*COMMAND, "worker"]
    processes = [subprocess.Popen(command, env=os.environ | variables, stderr=subprocess.DEVNULL) for _ in range(2)]
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + HANG
    while not is_so():
        assert time.monotonic() < end, "the workers do not get on"
        time.sleep(0.05)


@pytest.mark.kills
@pytest.mark.service("s3")
def test_two_workers_index_everything_once_though_messages_come_twice_and_one_is_killed(
    site: dict[str, str], workers: list[subprocess.Popen[bytes]]
) -> None:
    files = list(instances(small_template(), FILES, per_series=10))
    with Services(Config.load(overrides=site, variables={})) as services:
        topics, group = services.settings("topics", TopicSettings), services.settings("worker", WorkerSettings).group
        with Ingest(services) as ingest:
            received = [Received(source=data, name=str(number)) for number, data in enumerate(files)]
            answers = ingest.store(received, tenant="local")
        assert Counter(str(answer.status) for answer in answers) == {"queued": FILES}
        twice = read(services, topics.storage, FILES)
        services.broker.publish(topics.storage, [*twice, poisoned(twice[0])])
        wait_until(lambda: sum(1 for _ in services.db.walk()) > FILES // 4)
        workers[0].kill()
        wait_until(lambda: services.broker.backlog(topics.storage, group) == 0)
        workers[1].send_signal(signal.SIGTERM)
        assert workers[1].wait(HANG) in (0, 1), "1: it met the dead letter"

        stored = list(services.db.walk())
        assert sorted(row.sha256 for row in stored) == sorted(hashlib.sha256(data).hexdigest() for data in files)
        for row in stored:
            assert hashlib.sha256(b"".join(services.storage.read(row.key))).hexdigest() == row.sha256
        with DeadLetters(services.broker, [topics.storage]) as letters:
            assert [letter.reason for letter in letters.read()] == ["object-missing"]
        assert Relay(services).drain(HANG) == 0
        events = {
            (json.loads(message.body)["sop_uid"], message.headers["event-id"])
            for message in read(services, topics.image, FILES)
        }
        assert sorted(uid for uid, _ in events) == sorted(row.sop_uid for row in stored), "one was indexed twice"


def read(services: Services, topic: str, count: int) -> list[Message]:
    found: list[Message] = []
    with services.broker.consume([topic], f"look-{uuid4().hex}") as consumer:
        end = time.monotonic() + HANG
        while len(found) < count:
            assert time.monotonic() < end
            found += [delivery.message for delivery in consumer.receive(1000, timeout=1)]
    return found


def poisoned(message: Message) -> Message:
    """Make a message of an object that is nowhere."""
    body = json.loads(message.body)
    gone = f"{body['sop_uid']}.9"
    path = str(body["file_path"]).replace(str(body["sop_uid"]), gone)
    digest = {"content-digest": f"sha256:{'0' * 64}", "event-id": str(uuid4())}
    return replace(
        message,
        body=json.dumps(body | {"sop_uid": gone, "file_path": path}).encode(),
        headers={**message.headers, **digest},
    )
