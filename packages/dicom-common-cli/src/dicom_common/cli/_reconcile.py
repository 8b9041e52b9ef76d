"""`reconcile`: storage and index, side by side."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING

import click

from dicom_common.cli._errors import ExitCode
from dicom_common.cli._help import below
from dicom_common.cli._instances import as_json
from dicom_common.cli._interrupt import stopping_on_signals
from dicom_common.cli._output import note, print_json, print_line
from dicom_common.cli._progress import Bar, progress
from dicom_common.cli._session import Session, pass_session
from dicom_common.core import AuditKind

if TYPE_CHECKING:
    from dicom_common.pipeline import Difference, Progress, Reconciliation

__all__ = ["reconcile"]


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common reconcile",
                "dicom-common reconcile --repair --no-digests",
                "dicom-common reconcile --rebuild        (after the index was lost)",
            ],
            "With --json, one line a difference, then one line with the counts": [
                '{"kind": "orphan|stray|unreadable|missing|damaged|derived", "key",',
                ' "action": "indexed|discarded|repaired|none", "detail"}',
                '{"phase", "compared", "bytes_verified", "to_index", "indexed", "wrong_rows",',
                ' "frames_found", "differences": {KIND: N}}',
                "The key of derived rows is TENANT/STUDY, or TENANT for the row of a patient.",
            ],
        }
    )
)
@click.option("--repair", is_flag=True, help="Index what a crash left in the storage, delete what nothing refers to.")
@click.option("--rebuild", is_flag=True, help="Make the index anew from the storage, without events.")
@click.option("--frames", is_flag=True, help="Find the frames of instances that were indexed without: reads headers.")
@click.option("--no-digests", is_flag=True, help="Compare sizes only, and read no object.")
@click.option("--restart", is_flag=True, help="Begin anew, where the last run was interrupted.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Worker processes; by default one a processor.")
@as_json
@pass_session
def reconcile(  # noqa: PLR0913 - each is an option
    session: Session,
    *,
    repair: bool,
    rebuild: bool,
    frames: bool,
    no_digests: bool,
    restart: bool,
    jobs: int | None,
    as_json: bool,
) -> int:
    """Compare and repair storage and index.

    Compares the two in both directions and for all tenants, and the rows of patients, studies and series with the
    instances below them. Without --repair or --rebuild nothing of it is changed;
    --frames adds to the index what gives a frame by one range read. Missing and damaged objects are only reported:
    restore them from a copy, or send the instances again. An interrupted run is continued by the next one, for a day.

    Exits 1 if a difference is left as it is.
    """
    from dicom_common.pipeline import Reconciliation  # noqa: PLC0415 - imports pydicom

    _ = session.existing
    left = 0
    resume = "Stopping; repeat the command to resume."
    told = {"command": "reconcile", "repair": repair, "rebuild": rebuild}
    with (
        session.auditing(AuditKind.RESTRICTED_FUNCTION_USED, None, **told),
        stopping_on_signals(resume) as stop,
        progress("comparing") as bar,
    ):
        work = Reconciliation(
            session.config,
            repair=repair,
            rebuild=rebuild,
            frames=frames,
            digests=not no_digests,
            jobs=jobs,
            restart=restart,
            on_progress=lambda state: _advance(bar, state, stop),
        )
        with closing(_iterate(work)) as differences:
            for difference in differences:
                left += difference.action == "none"
                if as_json:
                    print_json(dataclasses.asdict(difference))
                else:
                    detail = f" ({difference.detail})" if difference.detail else ""
                    print_line(f"{difference.kind} {difference.key}: {_DONE[difference.action]}{detail}")
    _summarise(work.progress, left, as_json=as_json, changes=repair or rebuild)
    return ExitCode.DIFFERENT if left else ExitCode.OK


_DONE = {"indexed": "indexed", "discarded": "deleted", "repaired": "repaired", "none": "left as it is"}


def _iterate(work: Reconciliation) -> Generator[Difference, None, None]:
    """Make a generator of it, which can be closed."""
    yield from work.run()


def _advance(bar: Bar, state: Progress, stop: threading.Event) -> None:
    if stop.is_set():
        raise KeyboardInterrupt
    if state.phase == "frames":
        bar.describe("finding frames")
        bar.total(None, done=state.frames_found)
    elif state.phase == "derive":
        bar.describe("comparing rows")
    elif state.phase == "index":
        bar.describe("indexing")
        bar.total(state.to_index, done=state.indexed)
    else:
        bar.total(None, done=state.compared)


def _summarise(state: Progress, left: int, *, as_json: bool, changes: bool) -> None:
    if as_json:
        print_json(dataclasses.asdict(state))
        return
    found = sum(state.differences.values())
    print_line(f"{state.compared} objects compared, {found} differences, {left} left as they are")
    if state.frames_found:
        print_line(f"{state.frames_found} instances whose frames the index now keeps")
    if state.wrong_rows:
        print_line(f"{state.wrong_rows} rows of the index {'repaired' if changes else 'to repair'}")
    if any(kind == "orphan" for kind in state.differences) and not changes:
        note("`dicom-common reconcile --repair` indexes the orphans.")
