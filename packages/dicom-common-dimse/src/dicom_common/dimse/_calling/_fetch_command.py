"""`fetch`: studies from a peer into this library."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Literal

import click

from dicom_common.cli import (
    ExitCode,
    RelayThread,
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
from dicom_common.dimse._calling._command_peer import (
    attempts as attempts_option,
    client_of,
    going_on,
    peer,
    tenant_of,
    tenant_option,
    what_of,
)
from dicom_common.dimse._calling._fetching import Fetched, FetchStatus
from dicom_common.dimse._calling._tally import Tally
from dicom_common.pipeline import Ingest

__all__ = ["fetch"]

_NOT_SENT = "not-sent"


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common fetch pacs 1.2.826.0.1.3680043",
                "dicom-common fetch pacs 1.2.3/1.2.3.1 --json",
                "dicom-common fetch pacs 1.2.826.0.1.3680043 --by move   (while `dicom-common scp` runs)",
            ],
            "With --json, one line for each instance, then one with the counts": [
                '{"study_instance_uid", "series_instance_uid", "sop_instance_uid",',
                ' "status": "present|fetched|rejected|failed", "reason", "retry"}',
                '{"statuses": {STATUS: N}, "reasons": {REASON: N}, "seconds"}',
            ],
            "Exit codes": [
                "  0  every instance that the peer has is here",
                "  1  at least one instance was rejected here, or not sent by the peer",
                "  2  the command failed: the peer cannot be reached, refuses, or has no such study",
                "130  interrupted; repeat the command to resume",
            ],
        }
    )
)
@peer
@click.argument("studies", nargs=-1, required=True, metavar="STUDY[/SERIES]...")
@tenant_option
@click.option(
    "--by",
    type=click.Choice(["get", "move"]),
    default="get",
    show_default=True,
    help="C-GET, on the same association; or C-MOVE to our AE title, where `dicom-common scp` has to run.",
)
@attempts_option
@as_json_option
@pass_session
def fetch(  # noqa: PLR0913 - each is an option
    session: Session,
    *,
    peer: str,
    studies: Sequence[str],
    tenant: str | None,
    by: Literal["get", "move"],
    attempts: int,
    as_json: bool,
) -> int:
    """Fetch studies or series from a peer into this library (C-FIND, then C-GET or C-MOVE).

    PEER is the NAME of a table [dimse.peers.NAME] with host and port. The command asks the peer which instances it has,
    and fetches those that are missing here; repeat it to resume after an interruption. Each instance goes through the
    ingest.

    Exits 1 if an instance that the peer has is still missing here.
    """
    client, settings = client_of(session, peer, attempts)
    whose, wanted = tenant_of(session, settings, tenant), what_of(studies, most=2)
    session.open_extensions()
    tally = Tally()
    again = "Stopping after the current instance; repeat the command to resume."
    with (
        closing(RelayThread(session)) as relay,
        Ingest(session.services) as ingest,
        stopping_on_signals(again) as stop,
        progress("fetching") as bar,
    ):
        for what in wanted:
            fetched = client.fetch(session.services, ingest, what.study, what.series, tenant=whose, by=by)
            with going_on(), closing(fetched):
                for one in fetched:
                    _report(one, tally, as_json=as_json)
                    bar.advance()
                    if one.status is FetchStatus.FETCHED:
                        relay.start()
                    if stop.is_set():
                        break
            if stop.is_set():
                break
        relay.finish()
    tally.summarise(as_json=as_json)
    if stop.is_set():
        note("Interrupted; repeat the command to resume.")
        return ExitCode.INTERRUPTED
    bad = tally.statuses[FetchStatus.REJECTED] + tally.statuses[FetchStatus.FAILED]
    return ExitCode.DIFFERENT if bad else ExitCode.OK


def _report(one: Fetched, tally: Tally, *, as_json: bool) -> None:
    result = one.result
    reason = result.reason if result is not None else _NOT_SENT if one.status is FetchStatus.FAILED else ""
    message = result.message if result is not None else "the peer did not send it"
    tally.add(one.status, reason)
    if as_json:
        print_json(
            {
                "study_instance_uid": one.study_uid,
                "series_instance_uid": one.series_uid,
                "sop_instance_uid": one.sop_uid,
                "status": one.status,
                "reason": reason,
                "retry": result.retry if result is not None else one.status is FetchStatus.FAILED,
            }
        )
    elif one.status in (FetchStatus.REJECTED, FetchStatus.FAILED):
        print_line(f"{one.status} {one.sop_uid}: {message} [{reason}]")
