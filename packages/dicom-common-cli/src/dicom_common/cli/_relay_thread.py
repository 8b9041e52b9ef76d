"""Publishing events beside another command, so that a single machine needs no relay of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dicom_common.cli._output import note
from dicom_common.core import Config, DicomCommonError, Services

if TYPE_CHECKING:
    from dicom_common.pipeline import Relay

__all__ = ["relaying"]

_DRAIN = 5.0
"""Seconds that the end of the command may be held up by events."""
_END = 10.0
"""Seconds that a batch in flight may take to end."""


@contextmanager
def relaying(config: Config) -> Iterator[None]:
    """Publish events while the block runs, then for a few seconds more, and say what is left.

    Events that are not published are in the outbox: they are no failure of the command.
    """
    from dicom_common.pipeline import Relay  # noqa: PLC0415 - imports pydicom

    stop = threading.Event()
    failures: list[DicomCommonError] = []
    with Services(config) as services:
        relay = Relay(services)

        def run() -> None:
            try:
                relay.run(stop)
            except DicomCommonError as error:
                failures.append(error)

        thread = threading.Thread(target=run, name="relay", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(_END)
            if not thread.is_alive():
                _drain(services, relay, failures)


def _drain(services: Services, relay: Relay, failures: list[DicomCommonError]) -> None:
    try:
        waiting = services.db.backlog().events if failures else relay.drain(_DRAIN)
    except DicomCommonError as error:
        note(f"Events wait in the outbox; `dicom-common relay` publishes them. {error}")
        return
    if waiting:
        why = f" {failures[0]}" if failures else ""
        note(f"{waiting} events wait in the outbox; `dicom-common relay` publishes them.{why}")
