"""Which instances a C-MOVE or C-GET is for (PS3.4 C.4.2.1.4, C.4.3.1.3)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from dicom_common.core import Condition, Database, Level, Match, OneOf, Query, QueryError, Stored
from dicom_common.dicom import is_valid_uid
from dicom_common.dimse._find import UNIQUE, Model, level_of, refuse_lower_keys, require_upper_keys
from dicom_common.dimse._identifiers import Identifier, StatusError

__all__ = ["wanted_instances"]

_MISMATCH, _UNABLE, _TOO_MANY = 0xA900, 0xC000, 0xA701
_ISSUER = 0x00100021
_KEYWORDS = {
    Level.PATIENT: "PatientID",
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.INSTANCE: "SOPInstanceUID",
}


def wanted_instances(  # noqa: PLR0913 - whose, what is asked for, and what it is judged by
    db: Database, tenant: str, identifier: Identifier, model: Model, *, relational: bool, most: int
) -> list[Stored]:
    """Return the instances that an identifier asks for; none where nothing matches.

    Each unique key of the identifier counts, also those of the levels above: a study is not sent as another patient's.

    Args:
        db: the index.
        tenant: whose.
        identifier: what was sent.
        model: the information model of the SOP class.
        relational: whether relational retrieval was agreed on: the keys of the levels above may be missing.
        most: the most instances.

    Raises:
        StatusError: A900, the identifier does not fit the model, or matches everything; A701, too many instances match.
        BackendError: the index failed.
    """
    level = level_of(identifier, model)
    if not relational:
        require_upper_keys(identifier, model, level)
    refuse_lower_keys(identifier, level)
    conditions = tuple(_conditions(identifier, level))
    query = Query(tenant=tenant, level=level, conditions=conditions, fields=())
    try:
        matches = db.find(query)
    except QueryError as error:
        raise StatusError(_UNABLE, str(error)) from None
    if level is Level.PATIENT:
        matches = _studies(db, tenant, matches)
    if level is Level.INSTANCE:
        stored = db.stored(tenant, [str(match["SOPInstanceUID"]) for match in matches])
        found: Iterator[Stored] = (stored[uid] for match in matches if (uid := str(match["SOPInstanceUID"])) in stored)
    else:
        found = chain.from_iterable(_below(db, tenant, match) for match in matches)
    instances = list(islice(found, most + 1))
    if len(instances) > most:
        raise StatusError(_TOO_MANY, f"More than {most} instances: split the request.")
    return instances


def _conditions(identifier: Identifier, level: Level) -> Iterator[Condition]:
    """Make a condition of each unique key: one value, or at the level itself a list of UIDs."""
    for at, tag in UNIQUE.items():
        if at > level or (at < level and tag not in identifier):
            continue
        values = tuple(value for value in identifier.text(tag).split("\\") if value)
        if not values:
            if at < level:
                continue
            raise StatusError(_MISMATCH, "The unique key of the request's level needs a value.", tag)
        if any(character in value for value in values for character in "*?"):
            raise StatusError(_MISMATCH, "A unique key must not have wildcards.", tag)
        if at is Level.PATIENT:
            yield OneOf(_KEYWORDS[at], (identifier.text(tag),))
            continue
        if not all(is_valid_uid(value, strict=False) for value in values):
            raise StatusError(_MISMATCH, "A unique key has a value that is not a UID.", tag)
        yield OneOf(_KEYWORDS[at], tuple(dict.fromkeys(values)))
    if issuer := identifier.text(_ISSUER):
        yield OneOf("IssuerOfPatientID", (issuer,))


def _studies(db: Database, tenant: str, patients: list[Match]) -> list[Match]:
    """Return the studies of the one patient that was found."""
    if not patients:
        return []
    if len(patients) > 1:
        raise StatusError(
            _MISMATCH, "Several patients have this ID: add Issuer of Patient ID.", UNIQUE[Level.PATIENT], _ISSUER
        )
    patient = patients[0]
    conditions = [OneOf("PatientID", (str(patient["PatientID"]),))]
    issuer = patient.get("IssuerOfPatientID")
    found = db.find(Query(tenant=tenant, level=Level.STUDY, conditions=tuple(conditions), fields=()))
    return [match for match in found if match.get("IssuerOfPatientID") == issuer]


def _below(db: Database, tenant: str, match: Match) -> Iterator[Stored]:
    series = match.get("SeriesInstanceUID")
    return db.instances(tenant, str(match["StudyInstanceUID"]), None if series is None else str(series))
