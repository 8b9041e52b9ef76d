"""The contract of brokers, against a server that keeps what it has told to be durable."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import pytest
from acme_redis_streams import RedisStreamsBroker, Settings

from dicom_common.core import Groups, HealthStatus, Message
from dicom_common.testing import BrokerContract, BrokerRestartContract, Endpoint
from dicom_common.testing.servers import PrivateServer, command_server

DURABLE = ("--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir", "{folder}")


def is_ready(port: int) -> bool:
    """Ask for more than a connection: while it reads its file, it takes them and answers nothing."""
    with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(7) == b"+PONG\r\n"


def opener(server: PrivateServer, **settings: int) -> partial[RedisStreamsBroker]:
    url = f"redis://{server.host}:{server.port}/0"
    return partial(RedisStreamsBroker, Settings(url=url, lease=4, timeout=3, **settings))  # type: ignore[arg-type]  # all are numbers


@pytest.fixture(scope="module")
def killed_server() -> Iterator[PrivateServer]:
    words = ("redis-server", "--port", "{port}", "--bind", "127.0.0.1")
    with command_server(*words, *DURABLE, ready=is_ready) as server:
        yield server


class TestRedisStreams(BrokerContract):
    abilities = (Groups,)

    @pytest.fixture
    def open_broker(self, killed_server: PrivateServer) -> partial[RedisStreamsBroker]:
        return opener(killed_server)

    @pytest.fixture
    def open_at(self) -> Callable[[Endpoint], RedisStreamsBroker]:
        return lambda endpoint: RedisStreamsBroker(Settings(url=f"redis://{endpoint}/0", timeout=1))


class TestRedisStreamsRestart(BrokerRestartContract):
    @pytest.fixture
    def killed_server(self, killed_server: PrivateServer) -> PrivateServer:
        return killed_server

    @pytest.fixture
    def open_broker(self, killed_server: PrivateServer) -> partial[RedisStreamsBroker]:
        return opener(killed_server)


def test_a_server_that_does_not_write_to_its_disk_is_said() -> None:
    words = ("--port", "{port}", "--bind", "127.0.0.1", "--save", "")
    with command_server("redis-server", *words) as server, closing(opener(server)()) as broker:
        health = broker.check()
    assert health.status is HealthStatus.DEGRADED
    assert "appendfsync always" in health.detail


def test_what_all_groups_have_acknowledged_goes(killed_server: PrivateServer) -> None:
    with closing(opener(killed_server, keep_messages=0, partitions=1)()) as broker:
        broker.publish("swept", [Message(key="k", body=b"%d" % number) for number in range(10)])
        with broker.consume(["swept"], "readers") as consumer:
            consumer.acknowledge(consumer.receive(6, timeout=5))
        broker._next_sweep = 0
        broker.publish("swept", [Message(key="k", body=b"10")])
        assert broker.backlog("swept", "readers") == 5
        assert broker.backlog("swept", "a new group") == 5
