"""`prune`: deletes old records of the logs."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import click

from dicom_common.cli._errors import CommandError, ExitCode
from dicom_common.cli._help import below
from dicom_common.cli._instances import as_json
from dicom_common.cli._interrupt import stopping_on_signals
from dicom_common.cli._log import logs_of
from dicom_common.cli._moments import age
from dicom_common.cli._output import note, print_json, print_line
from dicom_common.cli._progress import Bar, progress
from dicom_common.cli._session import Session, pass_session
from dicom_common.core import AuditKind, LogRecord, Logs, ReceivedObject, WebAccess

__all__ = ["prune"]

_KINDS: dict[str, type[LogRecord]] = {"received": ReceivedObject, "access": WebAccess}


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common prune --older-than 90d --dry-run",
                "dicom-common prune --older-than 52w --access",
                "dicom-common prune                 # as [retention] says; once a night, say",
            ],
            "AGE": ["a number and m, h, d or w: 36h, 90d, 52w"],
        }
    )
)
@click.option(
    "--older-than",
    callback=age,
    metavar="AGE",
    help="What is older goes; by default what [retention] of the configuration says.",
)
@click.option("--received", is_flag=True, help="Only the log of received objects.")
@click.option("--access", is_flag=True, help="Only the log of web requests.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@as_json
@pass_session
def prune(  # noqa: PLR0913 - each is an option
    session: Session,
    *,
    older_than: timedelta | None,
    received: bool,
    access: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Delete old records of the logs.

    Deletes records of all tenants, the oldest first and in small steps, so that writers do not wait long. It may be
    interrupted, and run again. Instances, and what the index knows of them, are never touched.
    """
    chosen = [name for name, wanted in (("received", received), ("access", access)) if wanted]
    ages = _ages(session, chosen, older_than)
    logs = logs_of(session.existing)
    now = datetime.now(UTC)
    with (
        session.auditing(AuditKind.RESTRICTED_FUNCTION_USED, None, command="prune", dry_run=dry_run) as deed,
        stopping_on_signals("Ending after this step; once more to interrupt it.") as stop,
    ):
        for name, length in ages.items():
            before = now - length
            number = _prune(logs, name, before, dry_run=dry_run, stop=stop)
            deed.details[name] = str(number)
            if as_json:
                print_json({"log": name, "before": before, "records": number, "dry_run": dry_run})
            else:
                done = "would be deleted" if dry_run else "deleted"
                print_line(
                    f"{name}: {number} record{'' if number == 1 else 's'} from before {before:%Y-%m-%d %H:%M}Z {done}"
                )
            if stop.is_set():
                note("Interrupted: run it again to go on.")
                return ExitCode.INTERRUPTED
    return ExitCode.OK


def _ages(session: Session, chosen: list[str], older_than: timedelta | None) -> dict[str, timedelta]:
    """Return how old a record of each log has to be. A log without a limit is left out, or refused by name."""
    if older_than is not None:
        return dict.fromkeys(chosen or _KINDS, older_than)
    from dicom_common.pipeline import RetentionSettings  # noqa: PLC0415 - imports pydicom

    settings = session.services.settings("retention", RetentionSettings)
    days = {"received": settings.received_days, "access": settings.access_days}
    for name in chosen:
        if not days[name]:
            raise CommandError(
                f"retention.{name}_days is 0, which keeps that log without limit: set it, or pass --older-than."
            )
    ages = {name: timedelta(days=days[name]) for name in chosen or _KINDS if days[name]}
    if not ages:
        raise CommandError("Both logs are kept without limit: pass --older-than 90d, or set days in [retention].")
    return ages


def _prune(logs: Logs, name: str, before: datetime, *, dry_run: bool, stop: threading.Event) -> int:
    kind = _KINDS[name]
    if dry_run:
        return logs.count_log(kind, before=before)
    with progress(f"Pruning {name}") as bar:
        if type(bar) is not Bar:  # counting is a walk of its own: only where somebody sees it
            bar.total(logs.count_log(kind, before=before))
        deleted = 0
        while not stop.is_set() and (step := logs.prune_log(kind, before=before)):
            deleted += step
            bar.advance(step)
    return deleted
