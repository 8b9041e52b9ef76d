"""`ingest`: files in."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicom_common.cli._errors import CommandError, ExitCode
from dicom_common.cli._help import below
from dicom_common.cli._instances import as_json, tenant as tenant_option
from dicom_common.cli._interrupt import stopping_on_signals
from dicom_common.cli._output import note, print_json, print_line
from dicom_common.cli._progress import Bar, progress
from dicom_common.cli._relay_thread import RelayThread
from dicom_common.cli._session import Session, pass_session

if TYPE_CHECKING:
    from dicom_common.pipeline import Result

__all__ = ["ingest"]

_GIVE_UP = 500
"""After so many files in a row that no backend would take, the others are not tried."""


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common ingest /media/cdrom",
                "dicom-common ingest --tenant clinic-a --json a.dcm b.dcm",
                "dicom-common ingest --duplicates replace corrected/",
            ],
            "With --json, one line a file, printed when the file is safe": [
                '{"path", "status": "stored|queued|duplicate|replaced|rejected", "sop_instance_uid",',
                ' "key", "reason", "warnings": [{"tag", "rule", "action"}]}',
            ],
        }
    )
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="PATH...")
@tenant_option
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Worker processes; by default one a processor.")
@click.option(
    "--duplicates",
    type=click.Choice(["reject", "replace", "keep"]),
    help="What to do with other bytes under a known SOP Instance UID; else as configured, else reject.",
)
@as_json
@pass_session
def ingest(  # noqa: PLR0913 - each is an option
    session: Session,
    *,
    paths: Sequence[Path],
    tenant: str | None,
    jobs: int | None,
    duplicates: str | None,
    as_json: bool,
) -> int:
    """Store DICOM files, and all files below folders.

    In queued mode (ingest.mode) a file that is reported as queued is safe, and workers index it.

    A file that is reported as stored, duplicate or replaced is safe on disk and in the index. Files already stored are
    recognised by their bytes, so after an interruption the same command goes on where it stopped. Hidden files are
    passed over.

    Exits 1 if a file was rejected, 2 if a backend was not available.
    """
    from dicom_common.pipeline import find_files, ingest_files  # noqa: PLC0415 - imports pydicom

    whose = session.tenant(tenant)
    config = session.load({"ingest.duplicates": duplicates} if duplicates else None)
    tally = _Tally()
    again = "Stopping after the files in flight; the same command goes on from there."
    with closing(RelayThread(config)) as relay, stopping_on_signals(again) as stop, progress("ingesting") as bar:
        _count(paths, bar)
        files = _until(stop, find_files(paths))
        with closing(_iterate(ingest_files(config, files, tenant=whose, jobs=jobs))) as results:
            for result in results:
                _report(result, as_json=as_json)
                tally.add(result)
                bar.advance()
                if result.status != "rejected":
                    relay.start()
                elif tally.in_vain >= _GIVE_UP:
                    stop.set()
        relay.finish()
    if not tally.counts and not stop.is_set():
        shown = ", ".join(map(str, paths))
        raise CommandError(f"There are no files in {shown}: name a folder that holds DICOM files.")
    _summarise(tally, as_json=as_json)
    if tally.unavailable:
        raise CommandError(
            f"{tally.unavailable} files could not be stored though nothing is wrong with them; run the same command "
            f"again when this is mended: {tally.obstacle}"
        )
    if stop.is_set():
        note(f"Interrupted after {tally.counts.total()} files; the same command goes on from there.")
        return ExitCode.INTERRUPTED
    return ExitCode.DIFFERENT if tally.counts["rejected"] else ExitCode.OK


@dataclass
class _Tally:
    """What became of the files so far."""

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    warned: int = 0
    unavailable: int = 0
    in_vain: int = 0
    obstacle: str = ""

    def add(self, result: Result) -> None:
        self.counts[result.status] += 1
        if result.status == "rejected":
            self.reasons[result.reason] += 1
        self.warned += bool(result.warnings)
        self.unavailable += result.retry
        self.in_vain = self.in_vain + 1 if result.retry else 0
        if result.retry:
            self.obstacle = result.message


def _until(stop: threading.Event, files: Iterator[Path]) -> Iterator[Path]:
    for file in files:
        if stop.is_set():
            return
        yield file


def _iterate(results: Iterable[Result]) -> Generator[Result, None, None]:
    """Make a generator of it, which can be closed."""
    yield from results


def _count(paths: Sequence[Path], bar: Bar) -> None:
    """Count the files beside the work: the bar knows its end a little later, and nobody waits for it."""
    from dicom_common.pipeline import find_files  # noqa: PLC0415

    if type(bar) is Bar:
        return

    def count() -> None:
        try:
            bar.total(sum(1 for _ in find_files(paths)))
        except OSError:
            return  # the ingest meets it too, and says so

    threading.Thread(target=count, name="count-files", daemon=True).start()


def _report(result: Result, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "path": result.name,
                "status": result.status,
                "sop_instance_uid": result.sop_uid,
                "key": result.key,
                "reason": result.reason,
                "warnings": [finding._asdict() for finding in result.warnings],
            }
        )
    elif result.status == "rejected" and not result.retry:
        print_line(f"rejected {result.name}: {result.message} [{result.reason}]")


def _summarise(tally: _Tally, *, as_json: bool) -> None:
    if as_json:
        return
    line = ", ".join(f"{number} {status}" for status, number in sorted(tally.counts.items(), key=_by_status))
    why = ", ".join(f"{number} {reason}" for reason, number in tally.reasons.most_common())
    print_line(f"{tally.counts.total()} files: {line or 'nothing done'}{f' ({why})' if why else ''}")
    if tally.warned:
        note(f"{tally.warned} of them have warnings, which --json shows.")


def _by_status(item: tuple[str, int]) -> int:
    return ("stored", "queued", "duplicate", "replaced", "rejected").index(item[0])
