"""`documents`: the metadata documents of studies and series."""

from __future__ import annotations

import json
import tempfile
import threading
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import click

from dicom_common.cli._errors import CommandError, ExitCode
from dicom_common.cli._help import below
from dicom_common.cli._instances import as_json, nothing_stored, tenant as tenant_option
from dicom_common.cli._interrupt import stopping_on_signals
from dicom_common.cli._output import complain, note, print_json, print_line
from dicom_common.cli._progress import progress
from dicom_common.cli._session import Session, pass_session
from dicom_common.core import BackendError, NotFoundError, Revisions
from dicom_common.host import Services
from dicom_common.toolkit import make_private_folder, parse_json

if TYPE_CHECKING:
    from dicom_common.pipeline import BuiltDocument

__all__ = ["documents"]

T = TypeVar("T")
_EVERY = 30.0
"""Seconds between two sweeps of `--watch`."""
_SAVED = 200
"""Documents after which the position is written down: a kill costs so many looks, and no document."""


@click.group(
    epilog=below(
        {
            "Examples": [
                "dicom-common documents build",
                "dicom-common documents clean",
            ],
        }
    )
)
def documents() -> None:
    """Make and clean the metadata documents of studies and series.

    A document is an array of DICOM JSON objects (PS3.18 Annex F), compressed, in the storage. It is made from the index
    and is never needed: what is missing or stale is made when it is asked for.
    """


@documents.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common documents build                  (every few minutes, by cron)",
                "dicom-common documents build --watch          (or as a service)",
                "dicom-common documents build --study 1.2.826.0.1.3680043",
                "dicom-common documents build --all            (after documents were lost)",
            ],
            "With --json, one line a document": [
                '{"tenant", "study_uid", "series_uid": UID|null, "status": "built|current|failed", "reason"}',
            ],
        }
    )
)
@click.option("--study", metavar="UID", help="Only those of this study and its series, quiet or not.")
@click.option("--all", "everything", is_flag=True, help="Look at all series, and not only behind the last run.")
@click.option(
    "--quiet-seconds",
    type=click.FloatRange(min=0),
    metavar="N",
    help="Seconds without a change; by default the setting.",
)
@click.option("--watch", is_flag=True, help="Go on with what becomes quiet, until SIGINT or SIGTERM.")
@tenant_option
@as_json
@pass_session
def build(  # noqa: PLR0913 - each is an option
    session: Session,
    *,
    study: str | None,
    everything: bool,
    quiet_seconds: float | None,
    watch: bool,
    tenant: str | None,
    as_json: bool,
) -> int:
    """Make the documents that are missing.

    Goes through the series of all tenants that have been quiet for a while, and makes the documents of those, and of
    their studies, that the storage does not have as they are now. Begins where the last run ended. It can be
    interrupted or killed at any time: the next one goes on from there. Several may run.

    Exits 1 if a document could not be made.
    """
    if study is not None and (everything or watch or quiet_seconds is not None):
        raise CommandError(
            "--study makes the documents of one study now: leave --all, --quiet-seconds and --watch away."
        )
    if (tenant or session.tenant_name) is not None and study is None:
        raise CommandError("--tenant says whose study: give --study too, or neither for the studies of all tenants.")
    services = session.existing
    work: _Work = (
        _Sweeping(services, session.config.general.data, everything=everything, quiet_seconds=quiet_seconds)
        if study is None
        else _OneStudy(services, session.tenant(tenant), study)
    )
    tally = _Tally(as_json=as_json)
    with stopping_on_signals("Stopping after this document.") as stop, progress("documents") as bar:
        while True:
            try:
                for built in _until(stop, work.run()):
                    tally.add(built)
                    bar.advance()
            except BackendError as error:
                if not watch:
                    raise
                complain(f"{error} The next try is in {_EVERY:g} seconds.")
            if not watch or stop.wait(_EVERY):
                break
    tally.end()
    if stop.is_set() and not watch:
        note("Interrupted; repeat the command to resume.")
        return ExitCode.INTERRUPTED
    return ExitCode.DIFFERENT if tally.counts["failed"] else ExitCode.OK


@documents.command(
    epilog=below(
        {
            "Examples": ["dicom-common documents clean", "dicom-common --tenant north documents clean --json"],
            "With --json, one line a document that was deleted": ['{"key"}'],
        }
    ),
)
@tenant_option
@as_json
@pass_session
def clean(session: Session, *, tenant: str | None, as_json: bool) -> int:
    """Delete the documents of studies and series that are gone.

    Also those that lie under a Study Date which the study has no longer. `remove` deletes documents itself: this finds
    what a crash has left. Looks at all documents of one tenant.
    """
    from dicom_common.pipeline import MetadataDocuments  # noqa: PLC0415 - imports pydicom

    number = 0
    with stopping_on_signals("Stopping after this document.") as stop:
        for key in _until(stop, MetadataDocuments(session.existing).clean(session.tenant(tenant))):
            number += 1
            if as_json:
                print_json({"key": key})
    if not as_json:
        print_line(f"deleted {number} document{'' if number == 1 else 's'}")
    return ExitCode.INTERRUPTED if stop.is_set() else ExitCode.OK


class _Tally:
    """Tells of each document, or counts them."""

    def __init__(self, *, as_json: bool) -> None:
        self.counts: Counter[str] = Counter()
        self._as_json = as_json

    def add(self, built: BuiltDocument) -> None:
        self.counts[built.status] += 1
        if self._as_json:
            print_json(built)
        elif built.status == "failed":
            complain(f"A document of the study {built.study_uid} was not made. {built.reason}")

    def end(self) -> None:
        if not self._as_json:
            print_line(", ".join(f"{self.counts[status]} {status}" for status in ("built", "current", "failed")))


class _Work(Protocol):
    """What is to be made."""

    def run(self) -> Generator[BuiltDocument, None, None]: ...


class _Sweeping:
    """What has become quiet since the last run, whose position is kept in the data folder."""

    def __init__(self, services: Services, data: Path, *, everything: bool, quiet_seconds: float | None) -> None:
        from dicom_common.pipeline import DocumentBuilder  # noqa: PLC0415 - imports pydicom

        self._file = data / "documents.json"
        position = "" if everything else self._load()
        self._builder = DocumentBuilder(services, position=position, quiet_seconds=quiet_seconds)

    def run(self) -> Generator[BuiltDocument, None, None]:
        try:
            with closing(self._builder.run()) as found:
                for number, built in enumerate(found, 1):
                    yield built
                    if not number % _SAVED:
                        self._save()
        finally:
            self._save()

    def _load(self) -> str:
        try:
            found = parse_json(self._file.read_bytes())["position"]
        except (OSError, ValueError, LookupError, TypeError):
            return ""  # nothing is lost by looking at all series
        return found if isinstance(found, str) else ""

    def _save(self) -> None:
        text = json.dumps({"position": self._builder.position})
        make_private_folder(self._file.parent)
        with tempfile.NamedTemporaryFile("w", dir=self._file.parent, prefix=".documents-", delete=False) as file:
            file.write(text)
        Path(file.name).replace(self._file)


class _OneStudy:
    """The documents of a study and of each of its series."""

    def __init__(self, services: Services, tenant: str, study: str) -> None:
        self._services, self._tenant, self._study = services, tenant, study

    def run(self) -> Generator[BuiltDocument, None, None]:
        from dicom_common.pipeline import BuildStatus, BuiltDocument, MetadataDocuments  # noqa: PLC0415 - imports pydicom

        db, documents = self._services.db, MetadataDocuments(self._services)
        found = db.revisions(self._tenant, self._study) if isinstance(db, Revisions) else []
        for series_uid in (*(one.series_uid for one in found), None):
            try:
                is_new = documents.build(self._tenant, self._study, series_uid)
            except NotFoundError:
                if series_uid is None:
                    raise nothing_stored(self._study, None, None) from None
                continue  # removed meanwhile
            status = BuildStatus.BUILT if is_new else BuildStatus.CURRENT
            yield BuiltDocument(tenant=self._tenant, study_uid=self._study, series_uid=series_uid, status=status)


def _until(stop: threading.Event, items: Generator[T, None, None]) -> Iterator[T]:
    with closing(items):
        for item in items:
            yield item
            if stop.is_set():
                return
