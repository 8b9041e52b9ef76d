"""`echo` and `query`: is a peer there, and what does it have?"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import click

from dicom_common.cli import (
    CommandError,
    ExitCode,
    Session,
    as_json as as_json_option,
    below,
    note,
    pass_session,
    print_json,
    print_line,
    print_table,
)
from dicom_common.core import AuditKind, BackendError, Level, RefusedError, UnavailableError
from dicom_common.dimse._calling._command_peer import client_of, peer, uri_of

__all__ = ["echo", "query"]

_COLUMNS = {
    "patient": {
        "PatientID": "patient ID",
        "PatientName": "name",
        "PatientBirthDate": "born",
        "PatientSex": "sex",
    },
    "study": {
        "StudyDate": "date",
        "PatientID": "patient ID",
        "PatientName": "name",
        "ModalitiesInStudy": "modalities",
        "StudyDescription": "description",
        "NumberOfStudyRelatedInstances": "instances",
        "StudyInstanceUID": "Study Instance UID",
    },
    "series": {
        "Modality": "modality",
        "SeriesNumber": "number",
        "SeriesDescription": "description",
        "NumberOfSeriesRelatedInstances": "instances",
        "SeriesInstanceUID": "Series Instance UID",
    },
    "instance": {
        "InstanceNumber": "number",
        "SOPClassUID": "SOP Class UID",
        "SOPInstanceUID": "SOP Instance UID",
    },
}
_ABOVE = {
    "series": {"StudyInstanceUID": "0020000D"},
    "instance": {"StudyInstanceUID": "0020000D", "SeriesInstanceUID": "0020000E"},
}
"""The unique keys of the levels above, which a query below studies needs (PS3.4 C.4.1.3.1.1), with their tags."""
_DAY = re.compile("[0-9]{8}")
_WHOLE = ("patient ID", "Study Instance UID", "Series Instance UID", "SOP Instance UID", "SOP Class UID")


@click.command(
    epilog=below(
        {
            "Examples": ["dicom-common echo ct1", "dicom-common --config site.toml echo workstation --json"],
            "With --json, one line": ['{"peer", "ae_title", "seconds"}'],
        }
    )
)
@peer
@as_json_option
@pass_session
def echo(session: Session, peer: str, *, as_json: bool) -> int:
    """Verify that a peer answers and accepts our associations (C-ECHO).

    PEER is the NAME of a table [dimse.peers.NAME] with host and port.

    Exits 2 if the peer cannot be reached, or rejects the association.
    """
    client, _ = client_of(session, peer)
    begin = time.monotonic()
    client.echo()
    seconds = round(time.monotonic() - begin, 3)
    if as_json:
        print_json({"peer": peer, "ae_title": client.destination.ae_title, "seconds": seconds})
    else:
        print_line(f"{client.destination} answered in {seconds * 1000:.0f} ms.")
    return ExitCode.OK


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common query pacs PatientName='SMITH*' StudyDate=20240101-",
                "dicom-common query pacs --level series StudyInstanceUID=1.2.826.0.1.3680043",
                "dicom-common query pacs PatientID=4711 --field InstitutionName --json",
            ],
            "With --json, one line for each match": ["{KEYWORD: [VALUE, ...], ...}"],
        }
    )
)
@peer
@click.argument("keys", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--level", type=click.Choice(list(_COLUMNS)), default="study", show_default=True, help="The Query/Retrieve Level."
)
@click.option("--field", "fields", multiple=True, metavar="KEY", help="A further attribute to return; may be repeated.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many; by default all.")
@as_json_option
@pass_session
def query(  # noqa: PLR0913 - each is an option
    session: Session,
    *,
    peer: str,
    keys: Sequence[str],
    level: str,
    fields: Sequence[str],
    limit: int | None,
    as_json: bool,
) -> int:
    r"""Search a peer (C-FIND).

    PEER is the NAME of a table [dimse.peers.NAME]. A KEY is the keyword or tag of an attribute, or a path of them into
    a sequence; a VALUE may have wildcards (* and ?) or be a range of dates or times, as in PS3.4 C.2.2.2. All keys have
    to match. Below the study level, the unique keys of the higher levels are required. A search without a match
    succeeds.

    Exits 2 if the peer cannot be reached, refuses or fails.
    """
    pairs = dict(_pair(key) for key in keys)
    client, settings = client_of(session, peer)
    columns = {**_COLUMNS[level], **{field: field for field in fields}}
    told = {"command": "query", "peer": peer, "level": level, "keys": " ".join(pairs)}
    with session.auditing(AuditKind.QUERIED, settings.tenant or None, **told) as deed:
        deed.query, deed.destination = "&".join(keys), uri_of(client.destination)
        rows, number = [], 0
        with _telling_what_is_missing(level, pairs):
            for match in client.find(Level[level.upper()], pairs, tuple(columns), limit=limit):
                number += 1
                if as_json:
                    print_json({keyword: list(values) for keyword, values in match.items()})
                else:
                    rows.append([_shown(keyword, match.get(keyword, ())) for keyword in columns])
        deed.details["matches"] = str(number)
    if not as_json:
        if rows:
            print_table(list(columns.values()), rows, whole=_WHOLE)
        note(f"{number} match{'' if number == 1 else 'es'}")
    return ExitCode.OK


@contextmanager
def _telling_what_is_missing(level: str, pairs: Mapping[str, str]) -> Iterator[None]:
    """Say which unique keys a query that failed was without. It is asked all the same: some peers do not need them."""
    try:
        yield
    except (UnavailableError, RefusedError):
        raise
    except BackendError as error:
        missing = [key for key, tag in _ABOVE.get(level, {}).items() if not (pairs.get(key) or pairs.get(tag))]
        if not missing:
            raise
        wanted = " and ".join(f"{key}=UID" for key in missing)
        raise CommandError(f"{error} A query with --level {level} needs {wanted}.") from error


def _shown(keyword: str, values: Sequence[str]) -> str:
    if keyword.endswith("Date"):
        values = [f"{day[:4]}-{day[4:6]}-{day[6:]}" if _DAY.fullmatch(day) else day for day in values]
    return "\\".join(values)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"{key} is not a search key: write KEY=VALUE, such as PatientID=4711.")
    return key, value
