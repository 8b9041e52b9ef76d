"""Every message that is produced is one of its schema, and the schemas let nothing else through."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pydicom
import pytest
from pipeline_site import Make, Site

from dicom_common.host import Services
from dicom_common.pipeline import (
    Ingest,
    Received,
    Relay,
    TopicKind,
    TopicSettings,
    Worker,
    access_message,
    message_schema,
)
from dicom_common.testing import make_access

KINDS = get_args(TopicKind)
CORPUS = Path(os.environ.get("DICOM_COMMON_TEST_DATA") or Path(__file__).parents[4] / "shared/data/dicom")
SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"


def check(kind: TopicKind, body: bytes, headers: Mapping[str, str]) -> None:
    schema = message_schema(kind)
    jsonschema.Draft202012Validator(schema).validate(json.loads(body))
    assert headers["schema-version"] == schema["schemaVersion"]
    assert schema["$id"].endswith(f":{kind}:{schema['schemaVersion']}")


def files() -> list[Path]:
    folder = CORPUS if CORPUS.is_dir() else SAMPLES
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size < 1 << 18)


def consumed(services: Services, topic: str) -> list[Any]:
    with services.broker.consume([topic], "look") as consumer:
        found: list[Any] = []
        while more := consumer.receive(1000, timeout=0.3):
            found += [delivery.message for delivery in more]
        return found


def test_the_messages_of_real_files_are_those_of_the_schemas(site: Site) -> None:
    """Direct and queued mode, over all files that there are."""
    received = [Received(source=path, name=path.name) for path in files()]
    services = site.services(ingest__mode="queued")
    with Ingest(services) as ingest:
        queued = ingest.store(received, tenant="queued")
    topics = TopicSettings()
    storage = consumed(services, topics.storage)
    assert len(storage) == sum(result.status == "queued" for result in queued) > 30
    for message in storage:
        check("storage", message.body, message.headers)

    services = site.services()
    with Ingest(services) as ingest:
        stored = ingest.store(received, tenant="direct")
    assert Relay(services).drain(60) == 0
    number = sum(result.status == "stored" for result in stored)
    kinds: tuple[TopicKind, ...] = ("log", "state", "image")
    for kind in kinds:
        messages = consumed(services, getattr(topics, kind))
        assert len(messages) == number or kind == "state"
        assert messages
        for message in messages:
            check(kind, message.body, message.headers)


def test_what_a_worker_publishes_is_of_the_schemas(site: Site, make: Make) -> None:
    queued: dict[str, Any] = {"ingest__mode": "queued", "worker__batch_seconds": 0.1}
    site.store(make(1), make(2), **queued)

    class Stop:
        """Says stop when all messages are acknowledged."""

        def is_set(self) -> bool:
            return not services.broker.backlog("storage_queue", "dicom-common-workers")

        def wait(self, _: float) -> bool:
            return self.is_set()

    services = site.services(**queued)
    Worker(services).run(Stop())  # type: ignore[arg-type]  # what a worker asks of an event
    kinds: tuple[TopicKind, ...] = ("log", "state", "image")
    for kind in kinds:
        events = site.events(getattr(TopicSettings(), kind))
        assert events
        for event in events:
            check(kind, event.body, event.headers)


def test_the_message_of_a_web_request_is_of_its_schema() -> None:
    record = make_access(3, query="PatientID=1", headers={"Accept": "*/*", "Cookie": "secret"})
    message = access_message(record)
    check("access", message.body, message.headers)
    body = json.loads(message.body)
    assert message.headers["event-id"] == record.id
    assert body["headers"] == {"Accept": "*/*"}
    assert body["query_params"] == "PatientID=1"
    assert body["timestamp"] == f"{record.time:%Y-%m-%dT%H:%M:%S.%f}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_one_and_lets_no_other_field_through(kind: TopicKind) -> None:
    schema = message_schema(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == getattr(TopicSettings(), kind)
    assert schema["required"] == list(schema["properties"])
    assert schema["additionalProperties"] is False
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({}, schema)
