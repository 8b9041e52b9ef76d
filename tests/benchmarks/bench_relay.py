"""The relay against a bare kafka-python producer that sends the same messages with the same settings.

Both publish to the same topics, in turns. The relay reads its events from the outbox of the embedded index, and removes
them from it; the bare producer has its messages in memory.

Needs a server: `python3 tools/services.py start kafka`, and `eval "$(python3 tools/services.py env)"`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from corpus import instances, small_template
from kafka import KafkaProducer
from rows import row, show

from dicom_common.core import Config, Event, Message, Services
from dicom_common.pipeline import Ingest, Received, Relay

_PARTITIONS = 6


def _config(server: str, data: Path, mark: str) -> Config:
    overrides = {
        "data": str(data),
        "broker.backend": "kafka",
        "broker.servers": f'["{server}"]',
        "broker.partitions": str(_PARTITIONS),
        "topics.log": f"log-{mark}",
        "topics.state": f"state-{mark}",
        "topics.image": f"image-{mark}",
    }
    return Config.load(overrides=overrides, variables={})


def _fill(services: Services, count: int) -> list[Event]:
    """Ingest instances, so that their events wait, and return these."""
    with Ingest(services) as ingest:
        contents = list(instances(small_template(), count))
        for start in range(0, count, 200):
            batch = [Received(source=each, name=str(start)) for each in contents[start : start + 200]]
            if any(result.status != "stored" for result in ingest.store(batch, tenant="local")):
                raise AssertionError("the benchmark's instances were not all stored")
    events = services.db.pending(10 * count, relay="benchmark", lease=60)
    services.db.pending(0, relay="benchmark", lease=0)
    return list(events)


def _relayed(services: Services, count: int) -> float:
    """Return events a second of the relay."""
    begin = time.perf_counter()
    if Relay(services).drain(300):
        raise AssertionError("the relay did not publish all")
    return count / (time.perf_counter() - begin)


def _bare(server: str, events: Sequence[Event]) -> float:
    """Return messages a second of a producer with the settings of the broker's plugin."""
    producer = KafkaProducer(
        bootstrap_servers=[server],
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        batch_size=131_072,
        max_request_size=1_048_576,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )
    try:
        for topic in {event.topic for event in events}:
            producer.partitions_for(topic)  # connections and metadata are no part of it; the relay's are open, too
        begin = time.perf_counter()
        sent = [
            producer.send(
                event.topic,
                value=event.body,
                key=event.key.encode(),
                headers=[(name, text.encode()) for name, text in event.headers.items()],
            )
            for event in events
        ]
        producer.flush()
        for future in sent:
            future.get(timeout=30)
        return len(events) / (time.perf_counter() - begin)
    finally:
        producer.close()


def run(count: int = 3000, rounds: int = 5) -> list[dict[str, Any]]:
    """Measure; a round is the relay and the bare producer, the order changing with each."""
    server = os.environ.get("DICOM_COMMON_TEST_KAFKA", "")
    if not server:
        print("bench_relay: set DICOM_COMMON_TEST_KAFKA=host:port, see tools/services.py", file=sys.stderr)
        return []
    ratios, rates = [], []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            with Services(_config(server, Path(folder), uuid4().hex)) as services:
                events = _fill(services, count)
                services.broker.create_topics({event.topic for event in events})
                services.broker.publish(events[0].topic, [Message(key="", body=b"")])  # its producer connects
                bare = _bare(server, events) if number % 2 else 0.0
                relayed = _relayed(services, len(events))
                bare = bare or _bare(server, events)
            ratios.append(relayed / bare)
            rates.append(relayed)
    unit = f"times as fast ({sorted(rates)[len(rates) // 2]:.0f} events/s)"
    return [row(f"relay of {len(events)} events to Kafka / a bare producer", ratios, 0.5, unit=unit)]


if __name__ == "__main__":
    show(run(*map(int, sys.argv[1:])))
