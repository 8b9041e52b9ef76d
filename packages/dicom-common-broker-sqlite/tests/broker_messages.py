"""Messages with keys, and taking and counting what a consumer is given of them."""

from __future__ import annotations

import time

from dicom_common.broker.leases import GroupConsumer
from dicom_common.core import Delivery, Message

__all__ = ["messages", "partitions", "take"]


def messages(count: int, start: int = 0) -> list[Message]:
    return [Message(key=f"k{number}", body=b"%d" % number) for number in range(start, start + count)]


def take(consumer: GroupConsumer, count: int) -> list[Delivery]:
    taken: list[Delivery] = []
    deadline = time.monotonic() + 60
    while len(taken) < count and time.monotonic() < deadline:
        taken += consumer.receive(count - len(taken), timeout=1)
    return taken


def partitions(deliveries: list[Delivery]) -> set[int]:
    return {delivery.partition for delivery in deliveries}
