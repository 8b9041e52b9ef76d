from __future__ import annotations

import dataclasses
import importlib.util
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
import trustme

from dicom_common.broker.kafka import KafkaBroker, Settings
from dicom_common.core import (
    BackendError,
    ConfigError,
    Delivery,
    HealthStatus,
    Message,
    PublishError,
    RefusedError,
    Secret,
    TooLargeError,
    UnavailableError,
)
from dicom_common.core.tls import Tls
from dicom_common.testing import Endpoint, health_of
from dicom_common.testing.servers import PrivateServer, kafka_commands, listens, server_named

KAFKA = server_named("kafka")
needs_kafka = pytest.mark.skipif(KAFKA.missing() is not None, reason=f"kafka: {KAFKA.missing()}")
Start = Callable[..., PrivateServer]


@pytest.fixture
def start_kafka() -> Iterator[Start]:
    """Start servers of the test's own, with properties; they are killed when the test ends."""
    servers: list[PrivateServer] = []

    def start(properties: dict[str, str] | None = None, users: tuple[str, ...] = ()) -> PrivateServer:
        commands = partial(kafka_commands, properties=properties or {}, users=users)
        # Where only TLS is spoken, a listener is all that can be seen.
        ready = KAFKA.ready if "PLAINTEXT" in (properties or {}).get("listeners", "PLAINTEXT") else listens
        server = PrivateServer(dataclasses.replace(KAFKA, commands=commands, ready=ready))
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.remove()


def opened(server: PrivateServer | Endpoint, **settings: object) -> KafkaBroker:
    given = {"partitions": 2, "session_timeout": 6.0, "timeout": 20.0, **settings}
    return KafkaBroker(Settings(servers=(f"127.0.0.1:{server.port}",), **given))  # type: ignore[arg-type]  # as given


def refusal(broker: KafkaBroker) -> BackendError:
    with pytest.raises(BackendError) as caught:
        broker.publish("topic", [Message(key="k", body=b"x")])
    health = health_of(broker)
    assert health.status is HealthStatus.FAILED
    assert "hunter2" not in f"{caught.value} {health.detail}"
    return caught.value


def eventually(is_so: Callable[[], bool]) -> None:
    """Wait until something is so. The seconds are a guard, no measure."""
    end = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def works(broker: KafkaBroker, topic: str = "topic") -> bool:
    broker.publish(topic, [Message(key="k", body=b"x")])
    with broker.consume([topic], "readers") as consumer:
        received = consumer.receive(1, timeout=60)
        consumer.acknowledge(received)
    return len(received) == 1 and broker.backlog(topic, "readers") == 0


# Settings


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"servers": ()}, "servers"),
        ({"servers": ("localhost",)}, "host:port"),
        ({"servers": ("localhost:0",)}, "host:port"),
        ({"servers": ("localhost:9092", "kafka.example:9092")}, "tls.mode"),
        ({"username": "imaging"}, "password"),
        (
            {
                "servers": ("kafka.example:9092",),
                "tls": Tls(mode="off"),
                "mechanism": "PLAIN",
                "username": "imaging",
                "password": Secret("hunter2"),
            },
            "PLAIN",
        ),
        ({"replicas": 0}, "replicas"),
    ],
)
def test_a_setting_that_cannot_work_is_named(settings: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        Settings(**settings)  # type: ignore[arg-type]  # as the configuration gives it
    assert "hunter2" not in str(caught.value)


def test_a_compression_without_its_package_names_it() -> None:
    if importlib.util.find_spec("snappy"):
        pytest.skip("python-snappy is installed here")
    broker = KafkaBroker(Settings(compression="snappy", create_topics=False))
    with closing(broker), pytest.raises(ConfigError, match="pip install python-snappy"):
        broker.publish("topic", [Message(key="k", body=b"x")])


# Down


def test_a_server_that_is_not_there_fails_a_publish_and_names_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    broker = KafkaBroker(Settings(servers=(f"127.0.0.1:{port}",), connect_timeout=1))
    with closing(broker), pytest.raises(PublishError, match=r"broker\.servers") as caught:
        broker.publish("topic", [Message(key="k", body=b"x")] * 3)
    assert caught.value.failed == (0, 1, 2)


@pytest.mark.kills
@needs_kafka
def test_a_server_that_is_killed_in_the_middle_loses_nothing_that_was_acknowledged(start_kafka: Start) -> None:
    server = start_kafka()
    acknowledged: list[int] = []
    refused = 0
    stop = False
    with closing(opened(server, timeout=3.0, connect_timeout=1.5)) as broker:
        broker.create_topics(["topic"])

        def publish() -> None:
            nonlocal refused
            number = 0
            while not stop:
                numbers = range(number, number + 10)
                try:
                    broker.publish("topic", [Message(key=f"k{n % 5}", body=b"%d" % n) for n in numbers])
                except UnavailableError:
                    refused += 1  # the same ones again: at least once
                else:
                    acknowledged.extend(numbers)
                    number += 10

        thread = Thread(target=publish)
        thread.start()
        try:
            eventually(lambda: len(acknowledged) >= 100)
            server.kill()
            eventually(lambda: refused > 0)  # the server is missed
            server.start()
            already = len(acknowledged)
            eventually(lambda: len(acknowledged) > already)  # the publisher goes on
        finally:
            stop = True
            thread.join()
        received: list[int] = []
        last: dict[str, int] = {}
        with broker.consume(["topic"], "readers") as consumer:
            end = time.monotonic() + 120
            while broker.backlog("topic", "readers"):
                assert time.monotonic() < end, "what was published does not come"
                deliveries = consumer.receive(500, timeout=1)
                consumer.acknowledge(deliveries)
                for delivery in deliveries:
                    number = int(delivery.message.body)
                    received.append(number)
                    # Again is allowed, behind is not: a batch that is sent again begins at its own first message.
                    before = last.get(delivery.message.key, int(delivery.message.key[1:]) - 5)
                    assert number <= before + 5
                    last[delivery.message.key] = max(number, before)
        assert set(acknowledged) <= set(received)


@pytest.mark.kills
@needs_kafka
def test_a_consumer_goes_on_after_a_restart_of_the_server(start_kafka: Start) -> None:
    server = start_kafka()
    with closing(opened(server)) as broker:
        broker.publish("topic", [Message(key="k", body=b"%d" % n) for n in range(20)])
        with broker.consume(["topic"], "readers") as consumer:
            first: list[Delivery] = []
            while len(first) < 10:
                first += consumer.receive(10 - len(first), timeout=30)
            consumer.acknowledge(first)
            server.kill()
            server.start()
            bodies = [delivery.message.body for delivery in first]
            give_up = time.monotonic() + 90
            while len(set(bodies)) < 20:
                assert time.monotonic() < give_up, "the consumer does not go on"
                try:
                    deliveries = consumer.receive(10, timeout=5)
                    consumer.acknowledge(deliveries)
                except UnavailableError:
                    continue
                bodies += [delivery.message.body for delivery in deliveries]
        assert broker.backlog("topic", "readers") == 0


# Limits


@pytest.mark.service("kafka")
def test_of_a_publish_that_fails_in_part_it_is_said_what_failed(service_endpoint: Endpoint) -> None:
    server, topic = service_endpoint, f"test-{uuid4()}"
    with closing(opened(server)) as broker:
        sizes = (10, 2_000_000, 10, 2_000_000)
        with pytest.raises(PublishError, match=r"max_message_bytes") as caught:
            broker.publish(topic, [Message(key="k", body=bytes(size)) for size in sizes])
        assert caught.value.failed == (1, 3)
        assert isinstance(caught.value.__cause__, TooLargeError)
        assert broker.backlog(topic, topic) == 2


@pytest.mark.kills
@needs_kafka
def test_what_the_server_does_not_take_is_too_large_and_its_neighbours_are_taken_singly(start_kafka: Start) -> None:
    server = start_kafka({"message.max.bytes": "2000"})
    with closing(opened(server)) as broker:
        messages = [Message(key="k", body=bytes(size)) for size in (10, 5000, 20)]
        with pytest.raises(PublishError) as caught:
            broker.publish("topic", messages)
        assert isinstance(caught.value.__cause__, TooLargeError)
        assert 1 in caught.value.failed
        for message in (messages[0], messages[2]):
            broker.publish("topic", [message])
        with pytest.raises(PublishError) as caught:
            broker.publish("topic", [messages[1]])
        assert isinstance(caught.value.__cause__, TooLargeError)


@pytest.mark.service("kafka")
def test_a_topic_that_is_missing_is_an_error_where_topics_are_not_made(service_endpoint: Endpoint) -> None:
    server, topic = service_endpoint, f"test-{uuid4()}"
    with closing(opened(server, create_topics=False, timeout=2.0)) as broker:
        with pytest.raises(BackendError, match="dicom-common init"):
            broker.backlog(topic, topic)
        with pytest.raises(PublishError):
            broker.publish(topic, [Message(key="k", body=b"x")])
        broker.create_topics([topic])
        broker.publish(topic, [Message(key="k", body=b"x")])
    with closing(opened(server, replicas=3)) as broker, pytest.raises(RefusedError, match=r"broker\.replicas"):
        broker.create_topics([f"other-{topic}"])


@pytest.mark.service("kafka")
def test_a_member_that_took_too_long_is_told_so_and_its_work_goes_to_another(service_endpoint: Endpoint) -> None:
    server, topic = service_endpoint, f"test-{uuid4()}"
    with (
        closing(opened(server, max_poll_interval=2.0)) as broker,
        closing(opened(server)) as others,
        broker.consume([topic], topic) as slow,
    ):
        broker.publish(topic, [Message(key="k", body=b"x")])
        held = slow.receive(1, timeout=60)
        time.sleep(4)
        with others.consume([topic], topic) as other:
            give_up = time.monotonic() + 60
            while not (again := other.receive(1, timeout=1)):
                assert time.monotonic() < give_up, "nobody gets it"
            with pytest.raises(UnavailableError, match="max_poll_interval"):
                slow.acknowledge(held)
            other.acknowledge(again)
        assert (again[0].partition, again[0].offset) == (held[0].partition, held[0].offset)


# Credentials and TLS


@pytest.mark.kills
@needs_kafka
def test_sasl_with_the_right_password_works_and_with_another_names_the_settings(start_kafka: Start) -> None:
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    plain = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_imaging="hunter2";'
    server = start_kafka(
        {
            "listeners": "SASL_PLAINTEXT://{host}:{port},PLAINTEXT://{host}:0,CONTROLLER://{host}:{controller}",
            "advertised.listeners": "SASL_PLAINTEXT://{host}:{port}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "inter.broker.listener.name": "SASL_PLAINTEXT",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": scram,
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": plain,
        },
        ("SCRAM-SHA-512=[name=imaging,password=hunter2]",),
    )
    for mechanism in ("SCRAM-SHA-512", "PLAIN"):
        with closing(opened(server, username="imaging", password=Secret("hunter2"), mechanism=mechanism)) as broker:
            assert works(broker, f"topic-{mechanism}")
        wrong = opened(
            server, username="imaging", password=Secret("hunter2-wrong"), mechanism=mechanism, connect_timeout=1.5
        )
        with closing(wrong):
            assert "broker.username" in str(refusal(wrong))
    with closing(opened(server, connect_timeout=1.5)) as without:
        assert "broker.servers" in str(refusal(without))


@pytest.mark.kills
@needs_kafka
def test_tls_with_a_client_certificate_works_and_anything_less_is_refused(start_kafka: Start, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    server_certificate = authority.issue_cert("127.0.0.1")
    ours = authority.issue_cert("client.example")
    ours.private_key_pem.write_to_path(tmp_path / "client.key")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    key = server_certificate.private_key_pem.bytes().decode()
    if "BEGIN PRIVATE KEY" not in key:  # Kafka takes PKCS 8 only
        from cryptography.hazmat.primitives import serialization as s  # noqa: PLC0415 - for this one line

        loaded = s.load_pem_private_key(key.encode(), None)
        key = loaded.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()).decode()

    def folded(text: str) -> str:
        return text.strip().replace("\n", "\\n")

    server = start_kafka(
        {
            "listeners": "SSL://{host}:{port},CONTROLLER://{host}:{controller}",
            "advertised.listeners": "SSL://{host}:{port}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,SSL:SSL",
            "inter.broker.listener.name": "SSL",
            "ssl.keystore.type": "PEM",
            "ssl.truststore.type": "PEM",
            "ssl.keystore.key": folded(key),
            "ssl.keystore.certificate.chain": folded(server_certificate.cert_chain_pems[0].bytes().decode()),
            "ssl.truststore.certificates": folded(authority.cert_pem.bytes().decode()),
            "ssl.client.auth": "required",
        }
    )
    ca = tmp_path / "ca.pem"
    pair: dict[str, Any] = {"certificate": tmp_path / "client.pem", "key": tmp_path / "client.key"}
    with closing(opened(server, tls=Tls(mode="on", ca=ca, **pair), connect_timeout=30.0)) as broker:
        assert works(broker)
    for tls in (
        Tls(mode="on", ca=tmp_path / "other.pem", **pair),
        Tls(mode="on", ca=ca),
    ):
        with closing(opened(server, tls=tls, connect_timeout=1.5)) as broker:
            assert "broker.tls" in str(refusal(broker))
    by_name = Settings(servers=(f"localhost:{server.port}",), tls=Tls(mode="on", ca=ca, **pair), connect_timeout=3.0)
    with closing(KafkaBroker(by_name)) as broker:
        assert "broker.tls" in str(refusal(broker))
