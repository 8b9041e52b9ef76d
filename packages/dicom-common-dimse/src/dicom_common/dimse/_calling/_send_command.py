"""`send`: instances to a peer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing

import click

from dicom_common.cli import (
    ExitCode,
    Session,
    as_json as as_json_option,
    below,
    note,
    pass_session,
    print_json,
    print_line,
    progress,
    stopping_on_signals,
)
from dicom_common.core import AuditKind, NotFoundError, Stored
from dicom_common.dimse._calling._client import Client
from dicom_common.dimse._calling._command_peer import (
    What,
    attempts as attempts_option,
    client_of,
    going_on,
    peer,
    tenant_of,
    tenant_option,
    uri_of,
    what_of,
)
from dicom_common.dimse._calling._journal import SendJournal
from dicom_common.dimse._calling._sending import SendReason, SendStatus, Sent
from dicom_common.dimse._calling._tally import Tally
from dicom_common.host import Services

__all__ = ["send"]

_BEFORE = "sent-before"
_WHY = {
    SendReason.NOT_ACCEPTED: "the peer does not accept its SOP class with its transfer syntax",
    SendReason.REFUSED: "the peer refused it",
    SendReason.OUT_OF_RESOURCES: "the peer is out of resources",
    SendReason.BROKEN_OFF: "the association broke each time it was sent",
    SendReason.MISSING: "the storage does not have it: restore it from a copy",
    SendReason.DAMAGED: "its bytes in the storage are damaged: restore it from a copy",
    SendReason.STORAGE: "the storage failed",
}


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common send workstation 1.2.826.0.1.3680043",
                "dicom-common send workstation 1.2.3/1.2.3.1 1.2.4/1.2.4.1/1.2.4.1.7 --json",
            ],
            "With --json, one line for each instance, then one with the counts": [
                '{"study_instance_uid", "sop_instance_uid", "status": "sent|warning|failed|sent-before",',
                ' "code": "0000", "reason", "retry"}',
                '{"statuses": {STATUS: N}, "reasons": {REASON: N}, "seconds"}',
            ],
            "Reasons": [f"{reason}: {why}" for reason, why in _WHY.items()],
            "Exit codes": [
                "  0  the peer has acknowledged every instance",
                "  1  at least one instance was not sent",
                "  2  the command failed: the peer cannot be reached or rejects us; repeat it to resume",
                "130  interrupted; repeat the command to resume",
            ],
        }
    )
)
@peer
@click.argument("studies", nargs=-1, required=True, metavar="STUDY[/SERIES[/INSTANCE]]...")
@tenant_option
@attempts_option
@click.option("--restart", is_flag=True, help="Also send instances that an interrupted command has already sent.")
@as_json_option
@pass_session
def send(  # noqa: PLR0913 - each is an option
    session: Session,
    *,
    peer: str,
    studies: Sequence[str],
    tenant: str | None,
    attempts: int,
    restart: bool,
    as_json: bool,
) -> int:
    """Send studies, series or instances to a peer (C-STORE).

    PEER is the NAME of a table [dimse.peers.NAME] with host and port. Data sets are sent byte for byte as they are
    stored; an instance that the peer does not accept in its transfer syntax is not sent. After a broken association the
    command tries again.

    After an interruption, repeat the command to resume: it records acknowledged instances in `sends/` of the data
    folder until their study is complete.

    Exits 1 if an instance was not sent.
    """
    client, settings = client_of(session, peer, attempts)
    whose, wanted = tenant_of(session, settings, tenant), what_of(studies)
    services = session.existing
    _require_stored(services, whose, wanted)
    tally = Tally()
    again = "Stopping after the current instance; repeat the command to resume."
    with (
        closing(SendJournal(services.config.general.data, client.destination)) as journal,
        stopping_on_signals(again) as stop,
        progress("sending") as bar,
    ):
        report = _Report(tally, bar.advance, as_json=as_json)
        total = 0
        for what in wanted:
            if stop.is_set():
                break
            if restart:
                journal.forget(whose, what.study)
            instances = list(services.db.instances(whose, *what))
            total += len(instances)
            bar.total(total)
            if instances:
                with going_on():
                    _send(session, client, journal, instances=instances, report=report, stop=stop)
    tally.summarise(as_json=as_json)
    if stop.is_set():
        note("Interrupted; repeat the command to resume.")
        return ExitCode.INTERRUPTED
    return ExitCode.DIFFERENT if tally.statuses[SendStatus.FAILED] else ExitCode.OK


def _require_stored(services: Services, tenant: str, wanted: Sequence[What]) -> None:
    """Refuse studies, series and instances that are not stored, before anything is sent."""
    for what in wanted:
        if next(services.db.instances(tenant, *what), None) is None:
            raise NotFoundError(
                f"Nothing is stored under {what} for this tenant: `dicom-common find` lists the studies."
            )


def _send(  # noqa: PLR0913 - what to send, where, and where to report it
    session: Session,
    client: Client,
    journal: SendJournal,
    *,
    instances: list[Stored],
    report: _Report,
    stop: threading.Event,
) -> None:
    """Send the instances of a study, but those that were sent before; it is one event for the audit trail."""
    first = instances[0]
    known = journal.known(first.tenant, first.study_uid)
    absent = []
    for one in instances:
        if known.get(one.sop_uid) == one.sha256:
            report.before(one)
        else:
            absent.append(one)
    with session.auditing(AuditKind.INSTANCES_SENT, first.tenant, command="send", peer=client.destination.name) as deed:
        deed.about(session.services, first.study_uid)
        deed.destination = uri_of(client.destination)
        failures = 0
        with closing(client.send(session.services.storage, absent)) as results:
            for sent in results:
                report.sent(sent)
                if sent.status is SendStatus.FAILED:
                    failures += 1
                else:
                    journal.note(sent.stored)
                    deed.touched([sent.stored])
                if stop.is_set():
                    break
        if failures or stop.is_set():
            deed.fail("interrupted" if stop.is_set() else f"{failures} instances were not sent")
        else:
            journal.forget(first.tenant, first.study_uid)


class _Report:
    """Tells of instances as they are answered, and counts them.

    Args:
        tally: counts.
        advance: called for each instance.
        as_json: print a line for each; else for each that was not sent.
    """

    def __init__(self, tally: Tally, advance: Callable[[], None], *, as_json: bool) -> None:
        self._tally, self._advance, self._as_json = tally, advance, as_json

    def before(self, stored: Stored) -> None:
        """Tell of an instance that an interrupted command has sent."""
        self._line(stored, _BEFORE, "")

    def sent(self, sent: Sent) -> None:
        """Tell of the answer to an instance."""
        code = "" if sent.code is None else f"{sent.code:04X}"
        self._line(sent.stored, sent.status, sent.reason or "", code=code, retry=sent.retry)
        if sent.reason is not None and not self._as_json:
            print_line(
                f"failed {sent.stored.sop_uid}: {_WHY[sent.reason]}{f' ({code})' if code else ''} [{sent.reason}]"
            )

    def _line(self, stored: Stored, status: str, reason: str, *, code: str = "", retry: bool = False) -> None:
        self._tally.add(status, reason)
        self._advance()
        if self._as_json:
            uids = {"study_instance_uid": stored.study_uid, "sop_instance_uid": stored.sop_uid}
            print_json({**uids, "status": status, "code": code, "reason": reason, "retry": retry})
