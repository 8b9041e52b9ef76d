"""`copy`: objects from one storage to another, and whether the other has everything."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from dicom_common.cli._errors import CommandError, ExitCode
from dicom_common.cli._help import below
from dicom_common.cli._instances import as_json, tenant as tenant_option
from dicom_common.cli._interrupt import stopping_on_signals
from dicom_common.cli._output import note, print_json, print_line
from dicom_common.cli._overlap import refuse_overlap
from dicom_common.cli._progress import Bar, progress
from dicom_common.cli._session import Session, pass_session
from dicom_common.core import AuditKind, BackendError, validate_tenant

if TYPE_CHECKING:
    from dicom_common.core import Storage
    from dicom_common.host import Services
    from dicom_common.pipeline import CopyJournal, CopyOptions, CopyResult

__all__ = ["copy"]

_MAIN = "storage"
_GIVE_UP = 200
"""So many objects in a row that fail for no fault of their own: the storage is not there."""
_RATE_SECONDS = 0.5


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common copy --from storage --to cloud --dry-run",
                "dicom-common copy --from storage --to cloud",
                "dicom-common copy --check-index --to cloud   (before the index is switched over)",
            ],
            "With --json, one line an object that is not yet there, then one line with the counts": [
                '{"key", "status": "copied|present|missing|different|extra|deleted|failed",',
                ' "size", "reason", "message", "retry"}',
                '{"statuses": {STATUS: N}, "reasons": {REASON: N}, "bytes_copied", "seconds"}',
            ],
            "Exit codes": [
                "  0  the target has everything",
                "  1  it has not: objects failed, differ, or are missing",
                "  2  the command failed: a storage is not there, or was lost on the way; repeat the command to resume",
                "130  interrupted; repeat the command to resume",
            ],
        }
    )
)
@click.option("--from", "source_name", metavar="NAME", help="`storage`, or NAME of [storages.NAME]. Never changed.")
@click.option("--to", "target_name", metavar="NAME", required=True, help="The same.")
@tenant_option
@click.option(
    "--prefix", default="", metavar="TEXT", help="Only keys that start so (behind the tenant, if one is given)."
)
@click.option("--dry-run", is_flag=True, help="Tell what would be copied, and write nothing.")
@click.option("--verify", is_flag=True, help="Read what both have already, and compare the digests of the bytes.")
@click.option("--overwrite", is_flag=True, help="Replace what the target has with other bytes under the same key.")
@click.option("--delete-extra", is_flag=True, help="Delete from the target what was removed from the source since.")
@click.option("--check-index", is_flag=True, help="Copy nothing: tell whether the target has all that is indexed.")
@click.option("--in-flight", type=click.IntRange(1, 1024), default=32, show_default=True, help="Objects at once.")
@as_json
@pass_session
def copy(  # noqa: PLR0913 - each is an option
    session: Session,
    *,
    source_name: str | None,
    target_name: str,
    tenant: str | None,
    prefix: str,
    dry_run: bool,
    verify: bool,
    overwrite: bool,
    delete_extra: bool,
    check_index: bool,
    in_flight: int,
    as_json: bool,
) -> int:
    """Copy objects between two storages.

    Copies what the target does not have yet, under the same keys and with verified digests; the source is only read.
    Instances may be stored meanwhile; another run copies what came since. An interrupted copy is continued by the same
    command. All tenants, unless one is given.

    Exits 1 if the target does not have everything.
    """
    from dicom_common.pipeline import CopyOptions, check_against_index  # noqa: PLC0415 - imports pydicom

    source_name, target_name = _plain(source_name or _MAIN), _plain(target_name)
    whose = tenant or session.tenant_name
    scope = f"{validate_tenant(whose)}/{prefix}" if whose else prefix
    services = session.services
    if not check_index:
        refuse_overlap(services, source_name, target_name)
    options = CopyOptions(
        prefix=scope,
        in_flight=in_flight,
        dry_run=dry_run,
        verify=verify,
        overwrite=overwrite,
        delete_extra=delete_extra,
    )
    target = services.storage_named(target_name)
    again = "Stopping after the objects in flight; repeat the command to resume."
    told = {"source": source_name, "target": target_name, "prefix": prefix, "delete_extra": delete_extra}
    with (
        session.auditing(
            AuditKind.RESTRICTED_FUNCTION_USED, whose, command="copy", dry_run=dry_run or check_index, **told
        ),
        closing(_journal(services, source_name, target_name)) as journal,
        stopping_on_signals(again) as stop,
        progress("checking" if check_index else "copying") as bar,
    ):
        if check_index:
            bar.total(None)
            results = check_against_index(
                services.db, target, prefix=scope, verify=verify, in_flight=in_flight, journal=journal
            )
        else:
            source = services.storage_named(source_name)
            _count(source, scope, bar)
            results = _copied(services, source, target, options, journal, by_index=_MAIN in (source_name, target_name))
        tally = _Tally(checks=check_index)
        _follow(results, tally, bar, stop, as_json=as_json)
    tally.summarise(as_json=as_json)
    if tally.in_vain >= _GIVE_UP:
        raise CommandError(f"Given up; run the same command again when this is mended: {tally.obstacle}")
    if stop.is_set():
        note("Interrupted; repeat the command to resume.")
        return ExitCode.INTERRUPTED
    return ExitCode.DIFFERENT if tally.bad(dry_run=dry_run) else ExitCode.OK


def _plain(name: str) -> str:
    """Take a storage's name as its table is called, too."""
    return name.removeprefix("storages.").removeprefix("storage.")


def _journal(services: Services, source: str, target: str) -> CopyJournal:
    from dicom_common.pipeline import CopyJournal  # noqa: PLC0415 - imports pydicom

    return CopyJournal(services.config.general.data / "copies" / f"{source}--{target}.sqlite")


def _copied(  # noqa: PLR0913 - what a copy needs
    services: Services,
    source: Storage,
    target: Storage,
    options: CopyOptions,
    journal: CopyJournal,
    *,
    by_index: bool,
) -> Generator[CopyResult, None, None]:
    from dicom_common.pipeline import copy_objects  # noqa: PLC0415 - imports pydicom

    def indexed(keys: Sequence[str]) -> Mapping[str, str]:
        return {key: stored.sha256 for key, stored in services.db.owners(keys).items()}

    if by_index:
        return copy_objects(source, target, options, journal=journal, expected=indexed)
    return copy_objects(source, target, options, journal=journal)


def _follow(
    results: Generator[CopyResult, None, None], tally: _Tally, bar: Bar, stop: threading.Event, *, as_json: bool
) -> None:
    with closing(results):
        for result in results:
            tally.add(result)
            bar.advance()
            tally.show_rate(bar.describe)
            _report(result, as_json=as_json)
            if stop.is_set() or tally.in_vain >= _GIVE_UP:
                return


@dataclass
class _Tally:
    """What became of the objects so far."""

    checks: bool
    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    bytes_copied: int = 0
    in_vain: int = 0
    obstacle: str = ""
    _begin: float = field(default_factory=time.monotonic)
    _shown: float = 0.0

    def add(self, result: CopyResult) -> None:
        self.statuses[result.status] += 1
        if result.reason:
            self.reasons[result.reason] += 1
        if result.status == "copied":
            self.bytes_copied += result.size
        is_in_vain = result.status == "failed" and result.retry
        self.in_vain = self.in_vain + 1 if is_in_vain else 0
        if is_in_vain:
            self.obstacle = result.message

    def show_rate(self, describe: Callable[[str], None]) -> None:
        now = time.monotonic()
        if now - self._shown > _RATE_SECONDS:
            self._shown, seconds = now, max(now - self._begin, 0.001)
            rate = f"{self.bytes_copied / seconds / 1e6:.1f} MB/s"
            describe("checking" if self.checks else f"copying, {rate}")

    def bad(self, *, dry_run: bool) -> int:
        """Count what the target does not have as it should. Before a copy, what is missing is no surprise."""
        return sum(self.statuses[status] for status in ("failed", "different", *(() if dry_run else ("missing",))))

    def summarise(self, *, as_json: bool) -> None:
        seconds = time.monotonic() - self._begin
        if as_json:
            shown = {name: getattr(self, name) for name in ("statuses", "reasons", "bytes_copied")}
            print_json({**shown, "seconds": round(seconds, 3)})
            return
        line = ", ".join(f"{number} {status}" for status, number in sorted(self.statuses.items()))
        why = ", ".join(f"{number} {reason}" for reason, number in self.reasons.most_common())
        rate = f"; {self.bytes_copied / 1e6:.1f} MB in {seconds:.1f} s" if self.bytes_copied else ""
        total = self.statuses.total()
        print_line(f"{total} objects: {line or 'nothing to do'}{f' ({why})' if why else ''}{rate}")
        if self.statuses["extra"]:
            note("Extra objects are in the target only: --json lists them, --delete-extra deletes them.")


def _report(result: CopyResult, *, as_json: bool) -> None:
    if as_json:
        if result.status != "present" or result.reason:
            print_json(dataclasses.asdict(result))
    elif result.status in ("failed", "different", "missing"):
        why = f": {result.message} [{result.reason}]" if result.reason else ""
        print_line(f"{result.status} {result.key}{why}")


def _count(source: Storage, prefix: str, bar: Bar) -> None:
    """Count the objects beside the work: the bar learns its end a little later, and the copy does not wait."""
    if type(bar) is Bar:
        return

    def count() -> None:
        try:
            bar.total(sum(1 for _ in source.scan(prefix)))
        except BackendError:
            return  # the copy meets it too, and says so

    threading.Thread(target=count, name="count-objects", daemon=True).start()
