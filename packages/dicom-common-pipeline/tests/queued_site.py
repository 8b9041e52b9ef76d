"""Queued mode in an embedded installation: what is put into the queue, and a worker for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline_site import Site

from dicom_common.core import Message
from dicom_common.host import Services
from dicom_common.pipeline import Result, Worker

QUEUED: dict[str, Any] = {"ingest__mode": "queued", "worker__batch_seconds": 0.1}
TOPIC, DEAD = "storage_queue", "storage_queue.dead"


def queue(site: Site, *sources: Any, **overrides: Any) -> list[Result]:
    return site.store(*sources, **QUEUED | overrides)


def messages(site: Site, topic: str) -> list[Message]:
    with Services(site.config()) as services, services.broker.consume([topic], "look") as consumer:
        found = []
        while more := consumer.receive(1000, timeout=0.3):
            found += [delivery.message for delivery in more]
        services.broker.forget("look")  # type: ignore[attr-defined]  # the embedded broker is a Groups
        return found


def publish(site: Site, *again: Message) -> None:
    with Services(site.config()) as services:
        services.broker.publish(TOPIC, again)


@contextmanager
def working(services: Services) -> Iterator[None]:
    """Let a worker run, and stop it at the end."""
    stop = threading.Event()
    thread = threading.Thread(target=Worker(services).run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def work_off(services: Services) -> None:
    """Let a worker run until nothing waits for it."""
    with working(services):
        until(lambda: not backlog(services))


def backlog(services: Services) -> int:
    return services.broker.backlog(TOPIC, "dicom-common-workers")


def work(site: Site, **overrides: Any) -> None:
    with Services(site.config(**QUEUED | overrides)) as services:
        work_off(services)


def until(condition: Any) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up, "hung"
        time.sleep(0.02)
