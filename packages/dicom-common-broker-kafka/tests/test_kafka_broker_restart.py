from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import NoReturn

import pytest

from dicom_common.broker.kafka import KafkaBroker, Settings
from dicom_common.core import Message
from dicom_common.testing import BrokerRestartContract
from dicom_common.testing.servers import AbsentError, PrivateServer, private_server

pytestmark = pytest.mark.kills


@pytest.fixture
def killed_server(without_service: Callable[[str], NoReturn]) -> Iterator[PrivateServer]:
    try:
        with private_server("kafka") as server:
            yield server
    except AbsentError as absent:
        without_service(str(absent))


def settings(server: PrivateServer) -> Settings:
    address = f"{server.host}:{server.port}"
    return Settings(servers=(address,), partitions=3, session_timeout=6, timeout=5, connect_timeout=2)


class TestKafkaBrokerRestart(BrokerRestartContract):
    @pytest.fixture
    def killed_server(self, killed_server: PrivateServer) -> PrivateServer:
        return killed_server

    @pytest.fixture
    def open_broker(self, killed_server: PrivateServer) -> partial[KafkaBroker]:
        return partial(KafkaBroker, settings(killed_server))


def test_a_member_that_works_longer_than_its_session_keeps_what_it_has(killed_server: PrivateServer) -> None:
    with closing(KafkaBroker(settings(killed_server))) as broker:
        broker.publish("topic", [Message(key="k", body=b"%d" % number) for number in range(20)])
        with broker.consume(["topic"], "readers") as slow, broker.consume(["topic"], "readers") as other:
            held = slow.receive(10, timeout=30)
            end = time.monotonic() + 8  # session_timeout is 6: its heartbeats go on while it works
            while time.monotonic() < end:
                # Another member that joins, and may get the partitions that hold nothing.
                assert other.receive(10, timeout=0.5) == []
            slow.acknowledge(held)
            assert held
            assert broker.backlog("topic", "readers") == 20 - len(held)
