"""What the child processes of the broker contract do. They find it by import, so it is here and not in the contract."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from pathlib import Path

from dicom_common.core import Broker, Message, UnavailableError

__all__ = ["consume_on", "consume_timed", "consume_until", "publish_numbers", "publish_on", "receive_and_hang"]

OpenBroker = Callable[[], Broker]
_QUIET = 1.0
"""Seconds without a message after which a member believes that there is nothing left."""


def publish_numbers(open_broker: OpenBroker, topic: str, publisher: str, count: int, batch: int) -> int:
    """Publish numbered messages of ten keys, in batches."""
    with closing(open_broker()) as broker:
        for start in range(0, count, batch):
            numbers = range(start, min(start + batch, count))
            broker.publish(topic, [Message(key=f"{publisher}{n % 10}", body=b"%d" % n) for n in numbers])
    return count


def publish_on(reports: Connection, open_broker: OpenBroker, topic: str) -> None:
    """Publish batches of 20 until killed; report the last number that was acknowledged."""
    broker = open_broker()
    number = 0
    while True:
        broker.publish(
            topic, [Message(key=f"k{n % 7}", body=b"%d" % n + bytes(2000)) for n in range(number, number + 20)]
        )
        number += 20
        reports.send(number)


def consume_on(reports: Connection, open_broker: OpenBroker, topic: str, group: str) -> None:
    """Receive and acknowledge until killed; report what was received before, and what is acknowledged after."""
    broker = open_broker()
    with broker.consume([topic], group) as consumer:
        while True:
            deliveries = consumer.receive(5, timeout=0.2)
            bodies = [delivery.message.body for delivery in deliveries]
            reports.send(("received", bodies))
            consumer.acknowledge(deliveries)
            reports.send(("acknowledged", bodies))


def consume_timed(reports: Connection, open_broker: OpenBroker, topic: str, group: str) -> None:
    """Receive and acknowledge until killed; report what was received, with the moment (of the machine's own clock)."""
    broker = open_broker()
    while True:
        with suppress(UnavailableError), broker.consume([topic], group) as consumer:  # its work went to another member
            while True:
                deliveries = consumer.receive(7, timeout=0.2)
                if deliveries:
                    received = [(each.message.key, each.message.body) for each in deliveries]
                    reports.send((time.monotonic(), received))
                    time.sleep(0.01)  # work
                    consumer.acknowledge(deliveries)


def receive_and_hang(reports: Connection, open_broker: OpenBroker, topic: str, group: str, count: int) -> None:
    """Receive `count` messages, acknowledge none, and wait to be killed."""
    broker = open_broker()
    consumer = broker.consume([topic], group)
    bodies: list[bytes] = []
    while len(bodies) < count:
        bodies += [delivery.message.body for delivery in consumer.receive(count - len(bodies), timeout=0.2)]
    reports.send(bodies)
    time.sleep(600)


def consume_until(
    open_broker: OpenBroker, topic: str, group: str, meeting: Path, members: int
) -> list[tuple[str, bytes]]:
    """Receive and acknowledge until the group has nothing left; return keys and bodies in the order of arrival.

    `members` processes begin together: each leaves a file in the folder `meeting` when it is there.
    """
    received: list[tuple[str, bytes]] = []
    with closing(open_broker()) as broker, broker.consume([topic], group) as consumer:
        (meeting / str(os.getpid())).touch()
        while len(list(meeting.iterdir())) < members:  # one that does not come fails the test by itself
            time.sleep(0.01)
        quiet_since = time.monotonic()
        while broker.backlog(topic, group) or time.monotonic() < quiet_since + _QUIET:
            deliveries = consumer.receive(7, timeout=0.2)
            consumer.acknowledge(deliveries)
            received += [(delivery.message.key, delivery.message.body) for delivery in deliveries]
            if deliveries:
                quiet_since = time.monotonic()
                time.sleep(0.02)  # work: no member takes it all before the others have come
    return received
