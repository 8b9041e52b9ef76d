"""`worker`: indexes what receivers in queued mode stored."""

from __future__ import annotations

import time
from contextlib import closing

import click

from dicom_common.cli._errors import ExitCode
from dicom_common.cli._garbage import settle_down
from dicom_common.cli._help import below
from dicom_common.cli._interrupt import stopping_on_signals
from dicom_common.cli._output import note
from dicom_common.cli._relay_thread import RelayThread
from dicom_common.cli._session import Session, pass_session
from dicom_common.core import AuditKind

__all__ = ["worker"]

_EVERY = 10.0
"""Seconds between two lines of progress."""


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common worker",
                "dicom-common dead-letters list",
            ],
        }
    )
)
@pass_session
def worker(session: Session) -> int:
    """Index what was queued.

    Reads the messages of the storage topic as a member of the group worker.group, indexes their objects, and publishes
    their events, until SIGINT or SIGTERM: then it finishes its batch, or gives it back. To add capacity, start more.

    A message that cannot be dealt with goes to the topic storage_queue.dead. Exits 0 when it was told to stop, 1 if
    messages went there meanwhile, 2 if a backend cannot be opened. One that goes away later is waited for.
    """
    from dicom_common.pipeline import Worker  # noqa: PLC0415 - imports pydicom

    services = session.services
    _ = services.storage, services.db, services.broker  # a wrong configuration fails now
    tally = _Tally()
    with session.auditing(AuditKind.APPLICATION_STARTED, None, command="worker") as deed:
        deed.record()
    with (
        session.auditing(AuditKind.APPLICATION_STOPPED, None, command="worker"),
        closing(RelayThread(session)) as relay,
        stopping_on_signals("Stopping after the current batch.") as stop,
    ):
        relay.start()
        settle_down()
        note("Indexing; SIGINT or SIGTERM ends it.")
        Worker(services, on_progress=tally.add).run(stop)
        relay.finish()
    note(f"{tally.total} messages dealt with, {tally.dead} of them went to the dead letters.")
    return ExitCode.DIFFERENT if tally.dead else ExitCode.OK


class _Tally:
    """Counts, and tells of them now and then."""

    def __init__(self) -> None:
        self.total = self.dead = self._told = 0
        self._since = time.monotonic()

    def add(self, done: int, dead: int) -> None:
        self.total += done
        self.dead += dead
        passed = time.monotonic() - self._since
        if passed >= _EVERY:
            note(f"{self.total} messages, {(self.total - self._told) / passed:.0f} a second, {self.dead} dead letters")
            self._told, self._since = self.total, time.monotonic()
