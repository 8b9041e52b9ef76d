"""`relay` and `events`: from the outbox to the broker, and what is there."""

from __future__ import annotations

import sys
import threading
from typing import Any

import click

from dicom_common.cli._bodies import readable
from dicom_common.cli._errors import ExitCode
from dicom_common.cli._garbage import settle_down
from dicom_common.cli._help import below
from dicom_common.cli._interrupt import stopping_on_signals
from dicom_common.cli._output import note, print_json, print_line
from dicom_common.cli._session import Session, pass_session
from dicom_common.core import AuditKind, Consumer, Delivery, Groups, uuid7

__all__ = ["events", "relay"]

_BATCH = 100
_PATIENCE = 3.0
"""Seconds to wait for the first message, since joining a group takes time; then all belongs to other members."""
_SHORT = 0.5
"""The same, once messages have come, or while following."""


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common relay",
                "dicom-common relay --once",
            ],
        }
    )
)
@click.option("--once", is_flag=True, help="Publish what waits now, then end.")
@pass_session
def relay(session: Session, *, once: bool) -> int:
    """Publish events to the broker.

    Publishes what waits in the outbox, until SIGINT or SIGTERM. `ingest` does this for itself while it runs; a relay is
    for what runs all the time, and for a broker that was down. Several may run: one at a time works.
    """
    from dicom_common.pipeline import Relay  # noqa: PLC0415 - imports pydicom

    services = session.existing
    _ = services.db, services.broker  # a wrong configuration fails now, not in a log
    worker = Relay(services)
    published = 0
    with stopping_on_signals() as stop:
        try:
            if not once:
                settle_down()
                note("Publishing events; SIGINT or SIGTERM ends it.")
                worker.run(stop)
                return ExitCode.OK
            while not stop.is_set() and (number := worker.run_once()):
                published += number
        finally:
            worker.release()
    waiting = services.db.backlog().events
    print_line(f"{published} events published, {waiting} wait")
    if waiting and not stop.is_set():
        note("Another relay has the outbox: it publishes them, or lets go of them within half a minute.")
    return ExitCode.INTERRUPTED if stop.is_set() else ExitCode.OK


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common events dicom_state_queue",
                "dicom-common events log_queue --follow",
                "dicom-common events dicom_image_queue --group debugging --limit 10",
            ],
            "One line a message": [
                '{"topic", "partition", "offset", "key", "headers", "body"}',
            ],
        }
    )
)
@click.argument("topic")
@click.option("--group", metavar="G", help="Read as this consumer group, and acknowledge what was printed.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="End after so many messages.")
@click.option("--follow", is_flag=True, help="Wait for further messages, until Ctrl-C.")
@pass_session
def events(session: Session, topic: str, group: str | None, limit: int | None, *, follow: bool) -> int:
    """Print the messages of a topic.

    Prints what is there as JSON lines, from the oldest one that is kept. Without --group no other reader is disturbed:
    nothing is acknowledged for anybody.
    """
    broker = session.existing.broker
    name = group or f"dicom-common-events-{uuid7()}"
    with session.auditing(AuditKind.RESTRICTED_FUNCTION_USED, None, command="events", topic=topic, group=group) as deed:
        deed.record()  # before anything is shown
    try:
        with stopping_on_signals() as stop, broker.consume([topic], name) as consumer:
            # What is there now, and no more: a topic that is written to has no end.
            most = limit if follow else min(broker.backlog(topic, name), limit or sys.maxsize)
            if follow:
                settle_down()
            printed = _print(consumer, stop, limit=most, follow=follow, acknowledge=group is not None)
    finally:
        if group is None and isinstance(broker, Groups):
            broker.forget(name)  # else messages would be kept for it without end
    if stop.is_set():
        return ExitCode.INTERRUPTED
    if not printed:
        note(f"No message in the topic {topic}" + (f" is new to the group {group}." if group else "."))
    return ExitCode.OK


def _print(consumer: Consumer, stop: threading.Event, *, limit: int | None, follow: bool, acknowledge: bool) -> int:
    """Print messages until there are no more, and return how many."""
    printed = 0
    patience = _SHORT if follow else _PATIENCE
    while not stop.is_set() and (limit is None or printed < limit):
        wanted = _BATCH if limit is None else min(_BATCH, limit - printed)
        deliveries = consumer.receive(wanted, timeout=patience)
        if not deliveries and not follow:
            break
        for delivery in deliveries:
            print_json(_document(delivery))
        if deliveries:
            patience = _SHORT
            if acknowledge:
                consumer.acknowledge(deliveries)
        printed += len(deliveries)
    return printed


def _document(delivery: Delivery) -> dict[str, Any]:
    message = delivery.message
    return {
        "topic": delivery.topic,
        "partition": delivery.partition,
        "offset": delivery.offset,
        "key": message.key,
        "headers": dict(message.headers),
        "body": readable(message.body),
    }
