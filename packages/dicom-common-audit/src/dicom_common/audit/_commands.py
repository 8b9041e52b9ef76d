"""`dicom-common audit`: verify, list and export the trail."""

from __future__ import annotations

import dataclasses
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from dicom_common.audit._chain import parse
from dicom_common.audit._fields import moment_of
from dicom_common.audit._prune import prunable, prune
from dicom_common.audit._settings import AuditSettings
from dicom_common.audit._trail import Trail
from dicom_common.audit._verify import Flaw, Verification, read_lines, verify
from dicom_common.cli import Session, age, below, moment, pass_session, print_json, print_line, print_table
from dicom_common.core import AuditKind, UnavailableError, hookimpl
from dicom_common.toolkit import process_user

__all__ = ["audit"]

F = TypeVar("F", bound=Callable[..., Any])
_MOST_FLAWS = 100
_HEAD = re.compile(r"([1-9]\d{0,17}):([0-9a-f]{64})", re.ASCII)


@click.group(
    epilog=below(
        {
            "Examples": [
                "dicom-common audit verify",
                "dicom-common audit list --since 7d --user alice",
                "dicom-common audit export --study 1.2.826.0.1.3680043 > messages.xml",
                "dicom-common audit prune --older-than 3650d --dry-run",
            ],
        }
    )
)
def audit() -> None:
    """Verify, list and export the audit trail.

    Reading the trail is an event of its own in it (PS3.15 A.5.3.2).
    """


def _heads(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[int, str]:
    heads = {}
    for text in value:
        if not (found := _HEAD.fullmatch(text)):
            message = f"{text!r} is no head: write NUMBER:HASH, as an earlier `audit verify` printed it."
            raise click.BadParameter(message, ctx, param)
        heads[int(found[1])] = found[2]
    return heads


@audit.command(
    "verify",
    epilog=below(
        {
            "Examples": [
                "dicom-common audit verify",
                "dicom-common audit verify --head 4711:0f3a...",
            ],
            "With --json": [
                '{"kind", "file", "line", "seq", "detail"}           a flaw',
                '{"records", "flaws", "notes", "head"}               at the end',
            ],
        }
    ),
)
@click.option(
    "--head",
    "heads",
    multiple=True,
    callback=_heads,
    metavar="NUMBER:HASH",
    help="A record that has to be there: from an earlier run, or the headers of a published event.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@pass_session
def verify_trail(session: Session, *, heads: dict[int, str], as_json: bool) -> int:
    """Tell whether the trail is as it was written.

    Names each record that was changed, removed, inserted or moved. Prints the trail's head: kept elsewhere, and given
    with --head the next time, it shows what was cut off the end. The hash in the header `audit-hash` of a published
    event, behind the number in `audit-sequence`, is one too.

    Exits 1 if anything is wrong.
    """
    trail = _trail(session)
    with _reading(session, trail, "audit verify") as deed:
        found = verify(trail.folder, trail.keys, heads)
        if found.flaws:
            deed.fail(f"{len(found.flaws)} flaws were found")
    _report(found, as_json=as_json)
    return 1 if found.flaws else 0


def _report(found: Verification, *, as_json: bool) -> None:
    shown = found.flaws[:_MOST_FLAWS]
    if as_json:
        for flaw in shown:
            print_json(dataclasses.asdict(flaw))
        counts = {"records": found.records, "flaws": len(found.flaws), "notes": found.notes, "head": found.head}
        print_json(counts)
        return
    for flaw in shown:
        print_line(_sentence(flaw))
    if len(found.flaws) > len(shown):
        print_line(f"... and {len(found.flaws) - len(shown)} more")
    for note in found.notes:
        print_line(f"note: {note}")
    print_line(f"{found.records} records are as they were written, {len(found.flaws)} flaws")
    print_line(f"head {found.head}")


def _sentence(flaw: Flaw) -> str:
    place = f"{flaw.file}:{flaw.line}" if flaw.line else f"{flaw.file or 'the trail'}, at its end"
    record = f" record {flaw.seq}" if flaw.seq is not None else ""
    return f"{flaw.kind} {place}{record}: {flaw.detail}"


def _filters(command: F) -> F:
    for option in (
        click.option("--tenant", metavar="T", help="Only what is about this tenant."),
        click.option("--study", metavar="UID", help="Only what is about this study."),
        click.option("--user", metavar="NAME", help="Only what this user did, with or without @host."),
        click.option("--until", callback=moment, metavar="WHEN", help="Before this moment."),
        click.option("--since", callback=moment, metavar="WHEN", help="From this moment on, such as 2026-03-01 or 7d."),
    ):
        command = option(command)
    return command


@audit.command(
    "list",
    epilog=below({"Examples": ["dicom-common audit list --since 7d", "dicom-common audit list --study 1.2.3 --json"]}),
)
@_filters
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@pass_session
def list_records(session: Session, /, *, as_json: bool, **wanted: Any) -> None:
    """List events: when, who, what, which studies.

    Shows no patient, and no values that were searched for: `audit export` has them. What was changed in the trail is
    not told here: see `audit verify`.
    """
    trail = _trail(session)
    with _reading(session, trail, "audit list") as deed:
        found = [fields for _, fields in _chosen(trail, _asked(session, wanted))]
        deed.record()
    if as_json:
        for fields in found:
            print_json({**fields, "time": moment_of(fields)})
        return
    rows = [
        (
            f"{moment_of(fields):%Y-%m-%d %H:%M:%S}Z",
            fields.get("user"),
            fields.get("address"),
            fields.get("kind"),
            fields.get("outcome"),
            fields.get("details", {}).get("command"),
            " ".join(fields["studies"]),
        )
        for fields in found
    ]
    if rows:
        headings = ["time", "user", "from", "what", "outcome", "command", "studies"]
        print_table(headings, rows, whole=["time", "studies"])


@audit.command(
    epilog=below({"Examples": ["dicom-common audit export --since 2026-03-01 --until 2026-04-01 > march.xml"]}),
)
@_filters
@pass_session
def export(session: Session, /, **wanted: Any) -> None:
    """Print the DICOM audit messages, one XML document a line (PS3.15 A.5).

    They hold patients' numbers and what was searched for.
    """
    trail = _trail(session)
    with _reading(session, trail, "audit export") as deed:
        found = [xml for xml, _ in _chosen(trail, _asked(session, wanted))]
        deed.record()
    for xml in found:
        print_line(xml)


@audit.command(
    "prune",
    epilog=below({"Examples": ["dicom-common audit prune --older-than 3650d --dry-run"]}),
)
@click.option("--older-than", callback=age, required=True, metavar="AGE", help="Such as 3650d or 520w.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be deleted.")
@pass_session
def prune_trail(session: Session, *, older_than: timedelta, dry_run: bool) -> None:
    """Delete the oldest files of the trail.

    Deletes whole files, all of whose records are older, and never the newest one. That they were deleted, and up to
    which record, is a record of its own, by which `audit verify` knows it from a removal.
    """
    if session.tenant_name is not None:
        raise click.UsageError("`audit prune` works for all tenants together: leave --tenant out.")
    trail = _trail(session)
    files, last = prunable(trail, datetime.now(UTC) - older_than)
    if last is not None and not dry_run:
        who = {"user": process_user(), "address": socket.gethostname()}
        prune(trail, files, last, request_id=session.request_id, **who)
    done = "would be deleted" if dry_run else "deleted"
    print_line(f"{len(files)} files {done}" + (f", up to record {last.seq}" if last is not None else ""))


def _trail(session: Session) -> Trail:
    return Trail(session.services.settings("audit", AuditSettings))


def _reading(session: Session, trail: Trail, command: str) -> Any:
    if not trail.folder.files():
        raise UnavailableError(f"There is no audit trail in {trail.folder.path}: audit.folder names the right place.")
    return session.auditing(AuditKind.AUDIT_LOG_USED, None, command=command)


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """Which events are wanted."""

    since: datetime | None
    until: datetime | None
    user: str | None
    study: str | None
    tenant: str | None

    def has(self, fields: dict[str, Any], studies: list[str]) -> bool:
        at, user = moment_of(fields), str(fields.get("user", ""))
        return (
            (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
            and (self.user is None or self.user in (user, user.partition("@")[0]))
            and (self.study is None or self.study in studies)
            and (self.tenant is None or fields.get("tenant") == self.tenant)
        )


def _asked(session: Session, wanted: dict[str, Any]) -> _Wanted:
    """Return what is wanted. Who names a tenant before the command means the trail, too."""
    return _Wanted(**{**wanted, "tenant": wanted["tenant"] or session.tenant_name})


def _chosen(trail: Trail, wanted: _Wanted) -> Iterator[tuple[str, dict[str, Any]]]:
    """Iterate over what is wanted: the message, and the fields that show no patient."""
    for line in read_lines(trail.folder):
        record = parse(line.data.removesuffix(b"\n"))
        if record is None:
            continue
        try:
            content = record.content
            fields = dict(content["event"])
            studies = [str(study["study_uid"]) for study in fields.get("studies", ())]
            if wanted.has(fields, studies):
                fields.pop("query", None)
                yield str(content["xml"]), {"sequence": record.seq, **fields, "studies": studies}
        except (ValueError, KeyError, TypeError):
            continue  # it was changed: `audit verify` tells of it


@hookimpl
def dicom_common_commands() -> list[click.Command]:
    """Offer `dicom-common audit`."""
    return [audit]
