"""`ingest`: files in."""

from __future__ import annotations

import gc
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicom_common.cli._errors import CommandError, ExitCode
from dicom_common.cli._help import below
from dicom_common.cli._ingest_report import Report, Tally
from dicom_common.cli._instances import as_json, tenant as tenant_option
from dicom_common.cli._interrupt import stopping_on_signals
from dicom_common.cli._output import note
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
            "With --json, one line a file, printed when the file is safe; the summary goes to stderr": [
                '{"path", "status": "stored|queued|duplicate|replaced|rejected|skipped|missed",',
                ' "sop_instance_uid", "key", "reason", "message", "warnings": [{"tag", "rule", "action"}]}',
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
@click.option("--follow-links", is_flag=True, help="Walk into links to folders, too; each folder once.")
@as_json
@pass_session
def ingest(  # noqa: PLR0913 - each is an option
    session: Session,
    *,
    paths: Sequence[Path],
    tenant: str | None,
    jobs: int | None,
    duplicates: str | None,
    follow_links: bool,
    as_json: bool,
) -> int:
    """Store DICOM files, and all files below folders.

    In queued mode (ingest.mode) a file that is reported as queued is safe, and workers index it.

    A file that is reported as stored, duplicate or replaced is safe on disk and in the index. Files already stored are
    recognised by their bytes, so after an interruption the same command goes on where it stopped.

    What is in a folder and is not an instance is skipped: hidden files, a DICOMDIR, and what lies beside the instances
    on a medium, such as a viewer. What may be one and was not looked at is missed: a folder that cannot be read, a link
    to a folder or to nothing, a pipe. The walk goes on to its end.

    Exits 1 if a file was rejected or something was missed, 2 if a backend was not available or there was nothing to
    ingest.
    """
    from dicom_common.pipeline import find_files, ingest_files  # noqa: PLC0415 - the help does not need it

    whose = session.tenant(tenant)
    session.override({"ingest.duplicates": duplicates} if duplicates else {})
    session.open_extensions()
    tally = Tally()
    report = Report(tally, named=paths, as_json=as_json)
    again = "Stopping after the files in flight; repeat the command to resume."
    with closing(RelayThread(session)) as relay, stopping_on_signals(again) as stop, progress("ingesting") as bar:
        gc.freeze()  # what was imported stays: to look for garbage among it took a twentieth of an ingest of one file
        _count(paths, bar, follow_links=follow_links)
        files = _until(stop, find_files(paths, follow_links=follow_links, missed=report.missed))
        with closing(
            _iterate(ingest_files(session.config, files, services=session.services, tenant=whose, jobs=jobs))
        ) as results:
            for result in results:
                report.result(result)
                bar.advance()
                if result.status != "rejected":
                    relay.start()
                elif tally.in_vain >= _GIVE_UP:
                    stop.set()
        relay.finish()
    if tally.is_empty and not stop.is_set():
        shown = ", ".join(map(str, paths))
        raise CommandError(
            f"There are no files in {shown} that may be instances: name a folder that holds DICOM files."
        )
    report.summary()
    if tally.unavailable:
        raise CommandError(
            f"{tally.unavailable} files could not be stored though nothing is wrong with them; run the same command "
            f"again when this is mended: {tally.obstacle}"
        )
    if stop.is_set():
        note(f"Interrupted after {tally.counts.total()} files; repeat the command to resume.")
        return ExitCode.INTERRUPTED
    return ExitCode.DIFFERENT if tally.is_incomplete else ExitCode.OK


def _until(stop: threading.Event, files: Iterator[Path]) -> Iterator[Path]:
    for file in files:
        if stop.is_set():
            return
        yield file


def _iterate(results: Iterable[Result]) -> Generator[Result, None, None]:
    """Make a generator of it, which can be closed."""
    yield from results


def _count(paths: Sequence[Path], bar: Bar, *, follow_links: bool) -> None:
    """Count the files beside the work: the bar knows its end a little later, and the work does not wait for it."""
    from dicom_common.pipeline import find_files  # noqa: PLC0415

    if type(bar) is Bar:
        return

    def count() -> None:
        # The ingest meets what is missed, too, and tells of it.
        bar.total(sum(1 for _ in find_files(paths, follow_links=follow_links, missed=lambda _: None)))

    threading.Thread(target=count, name="count-files", daemon=True).start()
