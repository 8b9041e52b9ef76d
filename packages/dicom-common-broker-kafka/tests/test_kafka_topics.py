"""The settings of topics: how they are made, and what is said of those that may lose messages."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource

from dicom_common.broker.kafka import KafkaBroker, Settings
from dicom_common.broker.kafka._topics import Topic, warnings
from dicom_common.core import Health, HealthStatus, TopicChecks
from dicom_common.testing import Endpoint, health_of


def said(*, brokers: int = 3, copies: int = 3, in_sync: int = 3, name: str = "queue", **settings: str) -> str:
    """Return what is said of a topic; `min_insync_replicas` and its like stand for names with points."""
    given = {key.replace("_", "."): value for key, value in ({"min_insync_replicas": "2"} | settings).items()}
    topic = Topic(name=name, copies=copies, in_sync=in_sync, settings=given)
    return "; ".join(warnings([topic], brokers=brokers, max_message_bytes=1_000_000))


@pytest.mark.parametrize(
    ("topic", "named"),
    [
        ({"cleanup_policy": "compact"}, "cleanup.policy"),
        ({"cleanup_policy": "compact,delete"}, "cleanup.policy"),
        ({"cleanup_policy": "delete,compact", "name": "queue.dead"}, "cleanup.policy"),
        ({"retention_ms": "3600000"}, "retention.ms"),
        ({"retention_ms": "0"}, "retention.ms"),
        ({"retention_ms": "259199999"}, "retention.ms"),
        ({"retention_bytes": "1000000"}, "retention.bytes"),
        ({"name": "queue.dead", "retention_ms": "604800000"}, "retention.ms"),
        ({"name": "queue.dead", "retention_ms": "-1", "retention_bytes": "9999999999"}, "retention.bytes"),
        ({"copies": 1, "in_sync": 1, "min_insync_replicas": "1"}, "second copy"),
        ({"min_insync_replicas": "1"}, "min.insync.replicas"),
        ({"copies": 2, "in_sync": 2, "min_insync_replicas": "1", "brokers": 2}, "min.insync.replicas"),
        ({"in_sync": 1}, "nothing can be published"),
        ({"copies": 1, "in_sync": 1, "brokers": 1}, "nothing can be published"),
        ({"unclean_leader_election_enable": "true"}, "unclean.leader.election.enable"),
        ({"max_message_bytes": "100000"}, "broker.max_message_bytes"),
    ],
)
def test_a_setting_that_may_lose_messages_is_named(topic: dict[str, Any], named: str) -> None:
    found = said(**topic)
    assert found.startswith(topic.get("name", "queue") + ": ")
    assert named in found


@pytest.mark.parametrize(
    "topic",
    [
        {},  # nothing is known of it
        {"cleanup_policy": "delete", "retention_ms": "604800000", "retention_bytes": "-1"},
        {"retention_ms": "-1", "retention_bytes": str(1 << 30), "max_message_bytes": "1000000"},
        {"name": "queue.dead", "retention_ms": "-1", "retention_bytes": "-1"},
        {"copies": 1, "in_sync": 1, "brokers": 1, "min_insync_replicas": "1"},  # a cluster for development
        {"in_sync": 2, "unclean_leader_election_enable": "false"},
    ],
)
def test_nothing_is_said_of_a_topic_that_keeps_its_messages(topic: dict[str, Any]) -> None:
    assert said(**topic) == ""


def test_a_port_that_refuses_is_said_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = Settings(servers=(f"127.0.0.1:{port}", f"localhost:{port}"), connect_timeout=600)
    with closing(KafkaBroker(settings)) as broker:
        started = time.monotonic()
        health = health_of(broker)
        assert time.monotonic() - started < 60  # a guard: kafka-python would try for connect_timeout
    assert (health.status, "broker.servers" in health.detail) == (HealthStatus.FAILED, True)


@pytest.fixture
def broker(service_endpoint: Endpoint) -> Iterator[KafkaBroker]:
    host, port = service_endpoint
    with closing(KafkaBroker(Settings(servers=(f"{host}:{port}",), partitions=2))) as broker:
        yield broker


def changed(endpoint: Endpoint, topic: str, **settings: str) -> None:
    client = KafkaAdminClient(bootstrap_servers=f"{endpoint[0]}:{endpoint[1]}")
    with closing(client):
        given = {key.replace("_", "."): value for key, value in settings.items()}
        client.alter_configs([ConfigResource("TOPIC", topic, given)])


def eventually(broker: KafkaBroker, topic: str, status: HealthStatus) -> Health:
    """Ask until a change of a topic's settings has reached the broker."""
    end = time.monotonic() + 60
    while (health := broker.check_topics([topic])).status is not status:
        assert time.monotonic() < end, health.detail
        time.sleep(0.1)
    return health


@pytest.mark.service("kafka")
def test_topics_are_made_so_that_they_keep_what_is_published(broker: KafkaBroker, service_endpoint: Endpoint) -> None:
    assert isinstance(broker, TopicChecks)
    name = f"t{uuid4().hex[:12]}"
    broker.create_topics([name, f"{name}.dead"])
    health = broker.check_topics([name, f"{name}.dead", f"{name}.missing"])
    assert (health.status, health.facts["topics"]) == (HealthStatus.OK, 2)
    assert health.facts["brokers"] != 1 or "only copy" in health.detail
    changed(service_endpoint, f"{name}.dead", retention_ms="604800000")
    assert f"{name}.dead: " in eventually(broker, f"{name}.dead", HealthStatus.DEGRADED).detail
    changed(service_endpoint, name, cleanup_policy="compact")
    assert "cleanup.policy" in eventually(broker, name, HealthStatus.DEGRADED).detail
