"""What all parts of the broker contract need: an open broker, a topic, and patience."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from uuid import uuid4

import pytest

from dicom_common.core import Broker, Consumer, Delivery, Message
from dicom_common.testing._contract import Contract, missing_fixture

__all__ = ["BrokerFixtures", "bodies", "numbered"]


def numbered(count: int, *, keys: int = 10, prefix: str = "k") -> list[Message]:
    """Make messages whose bodies are their numbers."""
    return [Message(key=f"{prefix}{number % keys}", body=b"%d" % number) for number in range(count)]


def bodies(deliveries: list[Delivery]) -> list[bytes]:
    """Return the bodies."""
    return [delivery.message.body for delivery in deliveries]


class BrokerFixtures(Contract):
    """The fixtures and settings of `BrokerContract`."""

    patience = 60.0
    """Seconds after which a message counts as lost. A guard, no measure."""
    crash_rounds = 3
    many = 10_000

    @pytest.fixture
    def broker(self, open_broker: Callable[[], Broker]) -> Iterator[Broker]:
        """Open the broker of the test."""
        with closing(open_broker()) as broker:
            yield broker

    @pytest.fixture
    def open_broker(self) -> Callable[[], Broker]:
        """Give the callable that opens the broker."""
        opens: Callable[[], Broker] = missing_fixture("open_broker", "a callable that opens the broker")
        return opens

    @pytest.fixture
    def case_topic(self, broker: Broker) -> str:
        """Make a topic of its own."""
        name = f"test-{uuid4().hex}"
        broker.create_topics([name])
        return name

    def gather(self, consumer: Consumer, count: int, *, batch: int = 100, acknowledge: bool = True) -> list[Delivery]:
        """Receive until there are `count` deliveries."""
        received: list[Delivery] = []
        deadline = time.monotonic() + self.patience
        while len(received) < count:
            assert time.monotonic() < deadline, f"{len(received)} of {count} messages arrived"
            deliveries = consumer.receive(min(batch, count - len(received)), timeout=1)
            assert len(deliveries) <= batch
            if acknowledge:
                consumer.acknowledge(deliveries)
            received += deliveries
        return received

    def assert_order(self, received: list[tuple[str, bytes]], expected: range) -> None:
        """Assert that all came, and those of one key in ascending order."""
        assert sorted(int(body) for _, body in received) == list(expected)
        by_key: dict[str, list[int]] = {}
        for key, body in received:
            by_key.setdefault(key, []).append(int(body))
        assert all(numbers == sorted(numbers) for numbers in by_key.values())
