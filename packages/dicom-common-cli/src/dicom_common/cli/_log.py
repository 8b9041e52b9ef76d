"""`log`: what was received, and who asked the web interface for what."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeVar

import click

from dicom_common.cli._errors import CommandError
from dicom_common.cli._help import below
from dicom_common.cli._instances import as_json, tenant as tenant_option
from dicom_common.cli._moments import moment
from dicom_common.cli._output import note, print_json, print_table
from dicom_common.cli._session import Session, pass_session
from dicom_common.core import AuditKind, LogPosition, Logs, ReceivedObject, WebAccess
from dicom_common.host import Services

__all__ = ["log", "logs_of"]

_PAGE = 1000
_ROWS = 100
R = TypeVar("R", ReceivedObject, WebAccess)
F = TypeVar("F", bound=Callable[..., Any])


def logs_of(services: Services) -> Logs:
    """Return the database as what keeps the logs.

    Raises:
        CommandError: it keeps none.
    """
    database = services.db
    if not isinstance(database, Logs):
        raise CommandError(f"The index {services.config.backend('db')} keeps no logs: choose one in [db] that does.")
    return database


@click.group(
    epilog=below(
        {
            "Examples": [
                "dicom-common log received --since 7d",
                "dicom-common log access --since 2026-03-01 --until 2026-03-02 --json",
            ],
        }
    )
)
def log() -> None:
    """Show the logs of received objects and of web requests."""


def _options(command: F) -> F:
    for option in (
        as_json,
        tenant_option,
        click.option("--oldest-first", is_flag=True, help="Begin with the earliest; else with the latest."),
        click.option(
            "--limit",
            type=click.IntRange(min=1),
            default=_ROWS,
            show_default=True,
            metavar="N",
            help="At most so many.",
        ),
        click.option("--until", callback=moment, metavar="WHEN", help="Before this moment."),
        click.option("--since", callback=moment, metavar="WHEN", help="From this moment on."),
    ):
        command = option(command)
    return command


_WHEN = ["2026-03-01", "2026-03-01T14:30", "2026-03-01T14:30+01:00", "7d (so long ago; also m, h, w)"]
_HELP_WHEN = {"WHEN, in UTC where no zone is said": _WHEN}


@log.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common log received --study 1.2.826.0.1.3680043",
                "dicom-common log received --since 1d --limit 100000 --json > today.jsonl",
            ],
            **_HELP_WHEN,
        }
    )
)
@click.option("--study", metavar="UID", help="Only the objects of this study.")
@_options
@pass_session
def received(session: Session, /, *, study: str | None, as_json: bool, **how: Any) -> None:
    """Show which objects were received.

    One line for each object that is new or that took the place of another: when it came, from whom, and where it is.
    With --json a line has all that is known, the patient's number too.
    """
    found = _read(session, ReceivedObject, study_uid=study, **how)
    if as_json:
        _print_json(found)
        return
    rows = [
        (_shown(one.time), one.source_ae, one.source_ip, one.sop_uid, one.size, one.transfer_status, one.key)
        for one in found
    ]
    _print_table(["received", "from", "address", "SOP instance", "bytes", "transfer", "key"], rows)


@log.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common log access --since 1h",
                "dicom-common log access --since 30d --limit 100000 --json | jq 'select(.status >= 400)'",
            ],
            **_HELP_WHEN,
        }
    )
)
@_options
@pass_session
def access(session: Session, /, *, as_json: bool, **how: Any) -> None:
    """Show who asked the web interface for what.

    With --json a line has all that is known: the query and the headers, too.
    """
    found = _read(session, WebAccess, **how)
    if as_json:
        _print_json(found)
        return
    rows = [
        (_shown(one.time), one.user or one.user_id, one.peer, one.method, one.status, one.duration_ms, one.path)
        for one in found
    ]
    _print_table(["time", "user", "address", "method", "status", "ms", "path"], rows)


def _read(  # noqa: PLR0913 - each is an option
    session: Session,
    kind: type[R],
    *,
    tenant: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    oldest_first: bool,
    study_uid: str | None = None,
) -> Iterator[R]:
    """Read records page by page, and say whether there are more."""
    if since is not None and until is not None and since >= until:
        raise CommandError("--since has to be before --until: no record is in between.")
    whose = session.tenant(tenant)
    logs = logs_of(session.existing)
    told = {"command": "log", "log": kind.__name__, "since": since, "until": until, "study": study_uid}
    with session.auditing(AuditKind.RESTRICTED_FUNCTION_USED, whose, **told) as deed:
        deed.record()  # before anything is shown
    after: LogPosition | None = None
    left = limit
    while True:
        page = logs.read_log(
            kind,
            whose,
            since=since,
            until=until,
            study_uid=study_uid,
            after=after,
            newest_first=not oldest_first,
            limit=min(_PAGE, left + 1),
        )
        yield from page[:left]
        if len(page) > left:
            note(f"There are more than these {limit}: raise --limit, or narrow --since and --until.")
            return
        left -= len(page)
        if len(page) < _PAGE:
            return
        after = page[-1].position


def _print_json(found: Iterator[ReceivedObject] | Iterator[WebAccess]) -> None:
    for one in found:
        print_json(dataclasses.asdict(one))


def _print_table(headings: list[str], rows: list[tuple[Any, ...]]) -> None:
    if rows:
        print_table(headings, rows, whole=["received", "time", "SOP instance", "key", "path"])
    note(f"{len(rows)} record{'' if len(rows) == 1 else 's'}")


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"
