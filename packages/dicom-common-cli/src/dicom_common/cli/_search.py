"""`find` and `metadata`: questions to the index."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from dicom_common.cli._errors import CommandError
from dicom_common.cli._help import below
from dicom_common.cli._instances import as_json, instances, nothing_stored, tenant as tenant_option
from dicom_common.cli._output import note, print_json, print_table
from dicom_common.cli._session import Session, pass_session
from dicom_common.core import AuditKind, Level, PersonName, RequestAttributes
from dicom_common.host import Services

if TYPE_CHECKING:
    from dicom_common.pipeline import Document

__all__ = ["find", "metadata"]

_COLUMNS = {
    "patient": {
        "PatientID": "patient ID",
        "PatientName": "name",
        "PatientBirthDate": "born",
        "PatientSex": "sex",
        "NumberOfPatientRelatedStudies": "studies",
        "NumberOfPatientRelatedInstances": "instances",
    },
    "study": {
        "StudyDate": "date",
        "PatientID": "patient ID",
        "PatientName": "name",
        "ModalitiesInStudy": "modalities",
        "StudyDescription": "description",
        "NumberOfStudyRelatedSeries": "series",
        "NumberOfStudyRelatedInstances": "instances",
        "StudyInstanceUID": "Study Instance UID",
    },
    "series": {
        "Modality": "modality",
        "SeriesNumber": "number",
        "SeriesDate": "date",
        "BodyPartExamined": "body part",
        "SeriesDescription": "description",
        "NumberOfSeriesRelatedInstances": "instances",
        "SeriesInstanceUID": "Series Instance UID",
    },
    "instance": {
        "InstanceNumber": "number",
        "ImageType": "image type",
        "Rows": "rows",
        "Columns": "columns",
        "NumberOfFrames": "frames",
        "SOPClassUID": "SOP Class UID",
        "SOPInstanceUID": "SOP Instance UID",
    },
}
_WHOLE = ("patient ID", "Study Instance UID", "Series Instance UID", "SOP Instance UID", "SOP Class UID")


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common find",
                "dicom-common find PatientName='SMITH*' StudyDate=20240101-",
                "dicom-common find --level series 'ModalitiesInStudy=CT\\MR' --limit 20 --json",
                "dicom-common find 'AccessionNumber=\"\"'",
            ],
        }
    )
)
@click.argument("keys", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--level", type=click.Choice(list(_COLUMNS)), default="study", show_default=True, help="The level of the results."
)
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most so many; by default all.")
@click.option("--offset", type=click.IntRange(min=0), default=0, metavar="N", help="Pass over the first N.")
@tenant_option
@as_json
@pass_session
def find(  # noqa: PLR0913 - each is an option
    session: Session,
    *,
    keys: Sequence[str],
    level: str,
    limit: int | None,
    offset: int,
    tenant: str | None,
    as_json: bool,
) -> None:
    r"""Search the index.

    A KEY is the keyword or the tag of an attribute; a VALUE may have wildcards (* and ?) or be a range of dates or
    times (20240101-20241231), as in PS3.4 C.2.2.2. A backslash stands between several values, of which any is enough
    ('CT\MR'), and two quotation marks ('""') ask for what has no value; a shell takes both in quotes. All keys have to
    match. Nothing found is no error.
    """
    from dicom_common.dicom import parse_query  # noqa: PLC0415 - the help does not need it

    pairs = [_pair(key) for key in keys]
    whose = session.tenant(tenant)
    query = parse_query(whose, Level[level.upper()], pairs, limit=limit, offset=offset, empty_value_matching=True)
    services = session.existing
    named = " ".join(key for key, _ in pairs)
    with session.auditing(AuditKind.QUERIED, whose, command="find", level=level, keys=named) as deed:
        deed.query = "&".join(keys)
        matches = services.db.find(query)
        deed.details["matches"] = str(len(matches))
        deed.record()
    if as_json:
        for match in matches:
            print_json({keyword: _as_json(value) for keyword, value in match.items()})
        return
    columns = _COLUMNS[level]
    if matches:
        rows = [[_shown(match.get(keyword)) for keyword in columns] for match in matches]
        print_table(list(columns.values()), rows, whole=_WHOLE)
    note(f"{len(matches)} match{'' if len(matches) == 1 else 'es'}")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"{key} is not a search key: write KEY=VALUE, such as PatientID=4711.")
    return key, value


def _as_json(value: Any) -> Any:
    if isinstance(value, PersonName):
        return str(value)
    if isinstance(value, RequestAttributes):
        return value._asdict()
    return [_as_json(item) for item in value] if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    plain = _as_json(value)
    return "\\".join(map(str, plain)) if isinstance(plain, list) else "" if plain is None else str(plain)


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common metadata 1.2.826.0.1.3680043 > study.json",
                "dicom-common metadata 1.2.826.0.1.3680043 1.2.826.0.1.3680044 | jq '.[].\"00080018\".Value[0]'",
            ],
        }
    )
)
@instances
@tenant_option
@pass_session
def metadata(session: Session, study: str, series: str | None, instance: str | None, tenant: str | None) -> None:
    """Print DICOM JSON (PS3.18 Annex F).

    One JSON array of the instances of a study, a series, or of one instance, as it was taken when the instances were
    stored; pixel data and other large values are references.
    """
    services, whose, on_terminal = session.existing, session.tenant(tenant), sys.stdout.isatty()
    told = {"command": "metadata", "series": series, "instance": instance}
    with session.auditing(AuditKind.INSTANCES_ACCESSED, whose, **told) as deed:
        deed.about(services, study)
        # A terminal gets no control characters: with escapes it is the same document.
        made = None if instance or on_terminal else _document(services, whose, study, series)
        if made is not None:
            text = made.plain()
        else:
            objects = services.db.metadata(whose, study, series, instance)
            first = next(objects, None)
            if first is None:
                raise nothing_stored(study, series, instance)
            text = _array(chain([first], objects), escape=on_terminal)
        deed.record()
    sys.stdout.buffer.writelines(text)
    sys.stdout.buffer.flush()


def _array(objects: Iterator[bytes], *, escape: bool) -> Iterator[bytes]:
    from dicom_common.pipeline import valid_objects  # noqa: PLC0415 - imports pydicom

    separator = b"["
    for one in valid_objects(objects):
        yield separator + (json.dumps(json.loads(one)).encode() if escape else one)
        separator = b",\n"
    yield b"]\n" if separator == b",\n" else b"[]\n"


def _document(services: Services, tenant: str, study: str, series: str | None) -> Document | None:
    """Return the metadata document, if there is one that is true: one object is read, in place of many rows."""
    from dicom_common.pipeline import MetadataDocuments  # noqa: PLC0415 - imports pydicom

    return MetadataDocuments(services).kept(tenant, study, series)
