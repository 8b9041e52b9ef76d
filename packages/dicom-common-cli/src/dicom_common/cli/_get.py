"""`get`: files out, byte by byte as they came in."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dicom_common.cli._errors import CommandError, ExitCode
from dicom_common.cli._help import below
from dicom_common.cli._instances import as_json, count, instances, nothing_stored, tenant as tenant_option
from dicom_common.cli._interrupt import stopping_on_signals
from dicom_common.cli._output import complain, note, print_json, print_line
from dicom_common.cli._progress import progress
from dicom_common.cli._session import Session, pass_session
from dicom_common.core import AuditKind, DamagedError, NotFoundError, Storage, Stored, validate_key
from dicom_common.toolkit import make_private_folder

if TYPE_CHECKING:
    from dicom_common.pipeline import Retrieved

__all__ = ["get"]


class _State(StrEnum):
    """What became of a file."""

    FETCHED = "fetched"
    PRESENT = "present"
    """It was there already, with the same bytes."""
    DIFFERENT = "different"
    """Another file is there; it was left alone."""
    DAMAGED = "damaged"
    MISSING = "missing"


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common get 1.2.826.0.1.3680043 --output /tmp/study",
                "dicom-common get 1.2.826.0.1.3680043 1.2.826.0.1.3680044 -o . --json",
            ],
        }
    )
)
@instances
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", required=True, help="Where to."
)
@click.option("--overwrite", is_flag=True, help="Replace files of these names that have other bytes.")
@tenant_option
@as_json
@pass_session
def get(  # noqa: PLR0913 - each is an option
    session: Session,
    *,
    study: str,
    series: str | None,
    instance: str | None,
    output: Path,
    tenant: str | None,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Copy files into a folder.

    The files of a study, a series or an instance become DIR/<study>/<series>/<instance>.dcm, with exactly the bytes
    that were received; each is verified by its digest before it gets its name. Files that are there already are not
    fetched again, so an interrupted command goes on where it stopped.

    Exits 1 if a file is damaged or missing in the storage, or another one is in its place.
    """
    services = session.existing
    whose = session.tenant(tenant)
    wanted = services.db.instances(whose, study, series, instance)
    counts = dict.fromkeys(_State, 0)
    with (
        session.auditing(AuditKind.EXPORTED, whose, command="get", series=series, instance=instance) as deed,
        stopping_on_signals("Stopping after this file.") as stop,
        progress("fetching") as bar,
    ):
        deed.about(services, study)
        deed.destination = output.absolute().as_uri()
        deed.begin(AuditKind.INSTANCES_ACCESSED)
        if total := count(services, whose, study, series, instance):
            bar.total(total)
        for stored, state in _fetched(services.storage, wanted, output, stop, overwrite=overwrite):
            counts[state] += 1
            if state is _State.FETCHED:
                deed.touched([stored])
            if as_json:
                path = output / _place(stored)
                print_json({"path": str(path), "status": state, "sop_instance_uid": stored.sop_uid})
            bar.advance()
        if not any(counts.values()) and not stop.is_set():
            raise nothing_stored(study, series, instance)
        bad = counts[_State.DIFFERENT] + counts[_State.DAMAGED] + counts[_State.MISSING]
        if bad or stop.is_set():
            deed.fail("interrupted" if stop.is_set() else f"{bad} files could not be handed out")
    if not as_json:
        print_line(", ".join(f"{count} {state}" for state, count in counts.items() if count) or "nothing fetched")
    if stop.is_set():
        note("Interrupted; repeat the command to resume.")
        return ExitCode.INTERRUPTED
    return ExitCode.DIFFERENT if bad else ExitCode.OK


def _place(stored: Stored) -> str:
    """Return the path below the output folder; UIDs that would lead out of it are refused, whoever wrote them."""
    if any("/" in uid for uid in (stored.study_uid, stored.series_uid, stored.sop_uid)):
        raise CommandError("The index has a UID with a slash in it, which cannot become a file name.")
    try:
        return validate_key(f"{stored.study_uid}/{stored.series_uid}/{stored.sop_uid}.dcm")
    except ValueError as error:
        raise CommandError(f"The index has a UID that cannot become a file name: {error}.") from error


def _fetched(
    storage: Storage, wanted: Iterable[Stored], output: Path, stop: threading.Event, *, overwrite: bool
) -> Iterator[tuple[Stored, _State]]:
    """Fetch what is not in its place, reading ahead, until `stop` is set; tell what became of each."""
    from dicom_common.pipeline import read_ahead  # noqa: PLC0415 - not for `--help`

    settled: list[tuple[Stored, _State]] = []

    def absent() -> Iterator[Stored]:
        for stored in wanted:
            if stop.is_set():
                return
            state = _state_of(output / _place(stored), stored, overwrite=overwrite)
            if state is None:
                yield stored
            else:
                settled.append((stored, state))

    for one in read_ahead(storage, absent()):
        if stop.is_set():
            break
        yield one.stored, _fetch(one, output / _place(one.stored))
        while settled:
            yield settled.pop(0)
    yield from settled


def _state_of(path: Path, stored: Stored, *, overwrite: bool) -> _State | None:
    """Tell what is in the place of a file; None: it is to be fetched."""
    with _told(path):
        if not path.exists():
            return None
        if _has(path, stored):
            return _State.PRESENT
    if overwrite:
        return None
    complain(f"{path} is another file and is left alone; --overwrite replaces it.")
    return _State.DIFFERENT


def _fetch(one: Retrieved, path: Path) -> _State:
    try:
        with _told(path):
            make_private_folder(path.parent)
            _write(path, one.chunks)
    except DamagedError as error:
        complain(str(error))
        return _State.DAMAGED
    except NotFoundError as error:
        complain(str(error))
        return _State.MISSING
    return _State.FETCHED


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the operating system says of a file into an error that names it."""
    try:
        yield
    except OSError as error:
        raise CommandError(
            f"{path} cannot be written: {error.strerror or type(error).__name__}. Files fetched so far are complete."
        ) from error


def _has(path: Path, stored: Stored) -> bool:
    if path.stat().st_size != stored.size:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == stored.sha256


def _write(path: Path, chunks: Iterator[bytes]) -> None:
    """Write a file that has its name only when it is complete, and that only this user may read."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".get-", suffix=".part", delete=False) as file:
        try:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
