"""The relay from an index to Kafka, against a bare kafka-python producer with the same settings and messages.

Needs servers: `python3 tools/services.py start kafka postgres`, and `eval "$(python3 tools/services.py env)"`.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
from ct_batches import entries
from kafka import KafkaProducer
from rows import row, show

from dicom_common.broker.kafka import Settings
from dicom_common.core import Event, LogRecord, Migrations, Origin, uuid7
from dicom_common.host import Services
from dicom_common.pipeline import Relay, TopicSettings
from dicom_common.pipeline._events._messages import IngestEvents, Trace

_ALONE = 100.0
"""Seconds within which a relay with nobody beside it has published everything."""


@contextmanager
def installation(topics: TopicSettings, database: dict[str, str]) -> Iterator[Services]:
    """Open a new installation whose broker is Kafka."""
    with tempfile.TemporaryDirectory() as folder:
        chosen = {
            "data": folder,
            "broker.backend": "kafka",
            "broker.servers": f'["{os.environ["DICOM_COMMON_TEST_KAFKA"]}"]',
        }
        chosen |= {"broker.partitions": "4", **database}
        with Services.from_file(overrides=chosen) as services:
            if isinstance(services.db, Migrations):
                services.db.migrate()
            services.broker.create_topics([topics.log, topics.image, topics.state])
            yield services


@contextmanager
def postgres() -> Iterator[dict[str, str]]:
    """Give the settings of a new database."""
    host, port = os.environ["DICOM_COMMON_TEST_POSTGRES"].rsplit(":", 1)
    name = f"relay_{uuid4().hex}"
    with psycopg.connect(host=host, port=port, user="postgres", dbname="postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            yield {
                "db.backend": "postgres", "db.host": host, "db.port": port, "db.user": "postgres", "db.database": name,
            }  # fmt: skip
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def fill(services: Services, topics: TopicSettings, batch: int) -> list[Event]:
    """Index a thousand images of ten series, and return the events that then wait in the outbox."""
    made = entries(batch)
    events: list[Event] = []

    traces = [Trace(str(uuid7()), Origin(), "bench") for _ in made]
    make = IngestEvents(entries=made, traces=traces, topics=topics, log=False)

    def note(outcomes: Any) -> Iterator[Event | LogRecord]:
        for event in make(outcomes):
            assert isinstance(event, Event)
            events.append(event)
            yield event

    services.db.add(made, events=note)
    return events


def bare(settings: Settings, events: list[Event]) -> float:
    """Send with kafka-python alone; the producer is there already."""
    producer = KafkaProducer(
        bootstrap_servers=list(settings.servers),
        acks="all",
        enable_idempotence=True,
        linger_ms=settings.linger_ms,
        batch_size=settings.batch_bytes,
        max_request_size=settings.max_message_bytes,
    )
    try:
        for topic in {event.topic for event in events}:
            producer.partitions_for(topic)
        start = time.perf_counter()
        sent = [
            producer.send(
                event.topic, event.body, event.key.encode(), [(n, t.encode()) for n, t in event.headers.items()]
            )
            for event in events
        ]
        producer.flush()
        for future in sent:
            future.get(0)
        return time.perf_counter() - start
    finally:
        producer.close()


def relayed(services: Services) -> float:
    """Publish what waits."""
    relay = Relay(services)
    start = time.perf_counter()
    if relay.drain(_ALONE):
        raise AssertionError("events are left in the outbox")
    return time.perf_counter() - start


def measure(name: str, database: dict[str, str], batches: int, rounds: int) -> dict[str, Any]:
    """Measure over one index; the two take turns at going first."""
    mark = uuid4().hex[:8]
    topics = TopicSettings(**{kind: f"bench-{kind}-{mark}" for kind in ("storage", "log", "state", "image")})
    ratios, rates = [], []
    with installation(topics, database) as services:
        settings = Settings(servers=(os.environ["DICOM_COMMON_TEST_KAFKA"],))
        relayed(services)
        for turn in range(rounds):
            events = [event for batch in range(batches) for event in fill(services, topics, turn * batches + batch)]
            works = [lambda: bare(settings, events), lambda: relayed(services)]  # noqa: B023 - called in this turn
            taken = {number: works[number]() for number in ((0, 1) if turn % 2 else (1, 0))}
            ratios.append(taken[0] / taken[1])
            rates.append(len(events) / taken[1])
    unit = f"times as fast ({statistics.median(rates):.0f} events/s)"
    return row(f"relay from {name} to Kafka, against a bare kafka-python producer", ratios, 0.5, unit=unit)


def missing_servers(*names: str) -> str:
    """Say which variables have to be set; nothing where all are."""
    wanted = [f"DICOM_COMMON_TEST_{name.upper()}" for name in names]
    missing = [name for name in wanted if name not in os.environ]
    return f"set {' and '.join(missing)} to host:port, see tools/services.py" if missing else ""


def run(batches: int = 4, rounds: int = 6) -> list[dict[str, Any]]:
    """Measure over SQLite and PostgreSQL."""
    if missing := missing_servers("kafka", "postgres"):
        print(f"bench_relay: {missing}", file=sys.stderr)
        return []
    rows = [measure("SQLite", {}, batches, rounds)]
    with postgres() as database:
        rows.append(measure("PostgreSQL", database, batches, rounds))
    return rows


if __name__ == "__main__":
    show(run(*map(int, sys.argv[1:])))
