"""Messages say whose they are in four places that agree, and a forged one reaches nothing of another tenant."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from corpus import instances, small_template
from tenant_sites import backends_of, opened, site_of

from dicom_common.core import Groups, Level, Logs, Message, Query, ReceivedObject
from dicom_common.host import Services
from dicom_common.pipeline import Ingest, Received, Relay, TopicSettings, Worker, WorkerSettings

NORTH, SOUTH = "north", "north-2"
PATIENTS = {NORTH: b"PATIENT-", SOUTH: b"SECRETS-"}
EACH = 2


@pytest.fixture
def services(backend: tuple[str, str], request: pytest.FixtureRequest, data: Path) -> Iterator[Services]:
    """Open an installation in queued mode, with topics of its own."""
    site = site_of(backend, request, data)
    site |= {f"topics.{name}": f"{name}-{uuid4().hex}" for name in ("storage", "log", "state", "image")}
    site |= {"ingest.mode": "queued", "worker.batch_seconds": "0.1", "worker.tries": "1"}
    yield from opened(site)


def topics_of(services: Services) -> TopicSettings:
    return services.settings("topics", TopicSettings)


def fill(services: Services) -> None:
    """Let both tenants send instances of the same UIDs."""
    with Ingest(services) as ingest:
        for tenant, patient in PATIENTS.items():
            sent = [data.replace(b"PATIENT-", patient) for data in instances(small_template(), EACH)]
            results = ingest.store([Received(source=data, name="sent") for data in sent], tenant=tenant)
            assert [result.status for result in results] == ["queued"] * EACH


def work(services: Services) -> None:
    """Run a worker until nothing waits for it, and publish what it has to tell."""
    stop, topics = threading.Event(), topics_of(services)
    group = services.settings("worker", WorkerSettings).group
    thread = threading.Thread(target=Worker(services).run, args=(stop,))
    thread.start()
    try:
        give_up = time.monotonic() + 60
        while services.broker.backlog(topics.storage, group):
            assert time.monotonic() < give_up, "the worker does not get on"
            time.sleep(0.02)
    finally:
        stop.set()
        thread.join()
    assert Relay(services).drain(60) == 0


def messages(services: Services, topic: str, count: int) -> list[Message]:
    """Read a topic from its beginning: as many as there have to be, and whether there are more."""
    group, found = f"look-{uuid4().hex}", list[Message]()
    give_up = time.monotonic() + 60
    with services.broker.consume([topic], group) as consumer:
        while len(found) < count:
            assert time.monotonic() < give_up, f"{len(found)} of {count} messages"
            found += [delivery.message for delivery in consumer.receive(1000, timeout=1)]
        found += [delivery.message for delivery in consumer.receive(1000, timeout=0.2)]
    if isinstance(services.broker, Groups):
        services.broker.forget(group)
    assert len(found) == count
    return found


def holdings(services: Services, tenant: str) -> dict[str, Any]:
    """Return everything that the installation holds of a tenant."""
    db, storage = services.db, services.storage
    assert isinstance(db, Logs)
    return {
        "rows": {level: db.find(Query(tenant=tenant, level=level)) for level in Level},
        "index": [stored for stored in db.walk() if stored.tenant == tenant],
        "objects": {info.key: b"".join(storage.read(info.key)) for info in storage.scan(f"{tenant}/")},
        "received": db.read_log(ReceivedObject, tenant),
    }


@backends_of["broker"]
def test_every_message_is_of_one_tenant_and_says_so_everywhere(services: Services) -> None:
    fill(services)
    work(services)
    topics = topics_of(services)
    counts = {topics.storage: 2 * EACH, topics.log: 2 * EACH, topics.image: 2 * EACH, topics.state: 2}
    for topic, count in counts.items():
        bodies: dict[str, list[dict[str, Any]]] = {}
        for message in messages(services, topic, count):
            body = json.loads(message.body)
            tenant = body["tenant_id"]
            assert message.headers["tenant"] == tenant
            assert message.key == f"{tenant}|{body['study_uid']}|{body['series_uid']}"
            assert body.get("file_path", f"{tenant}/").startswith(f"{tenant}/")
            assert body["patient_id"].encode().startswith(PATIENTS[tenant])
            bodies.setdefault(tenant, []).append(body)
        assert {tenant: len(those) for tenant, those in bodies.items()} == dict.fromkeys(PATIENTS, count // 2)
    for tenant, patient in PATIENTS.items():
        found = services.db.find(Query(tenant=tenant, level=Level.PATIENT))
        assert [str(row["PatientID"]).encode()[:8] for row in found] == [patient]


def forged(true: Message, theirs: Message) -> Iterator[Message]:
    """Change whose a message of north is: in one place, in several, and in all."""
    digest = {"content-digest": true.headers["content-digest"]}
    yield replace(theirs, headers={**theirs.headers, **digest})
    body = json.loads(true.body)
    for header, key, tenant, path in itertools.product((NORTH, SOUTH), repeat=4):
        if {header, key, tenant, path} == {NORTH}:
            continue
        yield Message(
            key=true.key.replace(f"{NORTH}|", f"{key}|"),
            headers={**true.headers, "tenant": header},
            body=json.dumps(
                body | {"tenant_id": tenant, "file_path": body["file_path"].replace(f"{NORTH}/", f"{path}/")}
            ).encode(),
        )
    rest = body["file_path"].removeprefix(f"{NORTH}/")
    for step in (f"../{SOUTH}", f"./../{SOUTH}", f"/{SOUTH}", f"..\\{SOUTH}"):
        yield replace(true, body=json.dumps(body | {"file_path": f"{NORTH}/{step}/{rest}"}).encode())
    for name in ("", "*", f"{NORTH}/../{SOUTH}", f"{SOUTH}\0", SOUTH.upper()):
        yield replace(
            true,
            key=true.key.replace(NORTH, name, 1),
            headers={**true.headers, "tenant": name},
            body=json.dumps(
                body | {"tenant_id": name, "file_path": body["file_path"].replace(NORTH, name, 1)}
            ).encode(),
        )
    yield replace(true, headers={name: value for name, value in true.headers.items() if name != "tenant"})


@backends_of["broker"]
def test_a_forged_message_reaches_nothing_of_another_tenant(services: Services) -> None:
    fill(services)
    work(services)
    before = {tenant: holdings(services, tenant) for tenant in PATIENTS}
    assert all(before[SOUTH].values())
    topic = topics_of(services).storage
    sent = messages(services, topic, 2 * EACH)
    true, theirs = (next(m for m in sent if m.headers["tenant"] == tenant) for tenant in (NORTH, SOUTH))
    false = list(forged(true, theirs))
    services.broker.publish(topic, false)
    work(services)
    dead = messages(services, f"{topic}.dead", len(false))
    assert {message.headers["dead-reason"] for message in dead} <= {
        *("contradictory-message", "unreadable-message", "digest-differs", "object-missing"),
    }
    assert {tenant: holdings(services, tenant) for tenant in PATIENTS} == before


@backends_of["storage"]
def test_what_a_tenant_sends_again_and_removes_leaves_the_other_as_it_is(services: Services) -> None:
    fill(services)
    work(services)
    of_south = holdings(services, SOUTH)
    with closing(Ingest(services)) as ingest:
        again = [data.replace(b"PATIENT-", b"REPLACE-") for data in instances(small_template(), EACH)]
        ingest.store([Received(source=data, name="again") for data in again], tenant=NORTH)
    work(services)
    for study in services.db.find(Query(tenant=NORTH, level=Level.STUDY)):
        services.db.remove(NORTH, str(study["StudyInstanceUID"]))
    for key in services.db.discarded(1000):
        assert key.startswith(f"{NORTH}/")
        services.storage.delete(key)
    assert holdings(services, NORTH)["rows"] == {level: [] for level in Level}
    assert holdings(services, SOUTH) == of_south
