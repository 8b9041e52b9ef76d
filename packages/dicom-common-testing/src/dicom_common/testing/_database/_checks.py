"""What the tests of an index ask it, and what must hold whatever was added and removed."""

from __future__ import annotations

from collections import Counter
from typing import cast

from dicom_common.core import Database, DerivedRows, Level, Match, Query, Value
from dicom_common.dicom import parse_query

__all__ = ["UID_OF", "assert_consistent", "rows", "uids"]

UID_OF = {
    Level.PATIENT: "PatientID",
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.INSTANCE: "SOPInstanceUID",
}


def rows(database: Database, level: Level, tenant: str = "local") -> list[Match]:
    """Return all rows of a level."""
    return database.find(Query(tenant=tenant, level=level))


def uids(database: Database, level: Level, tenant: str = "local") -> list[str]:
    """Return what the rows of a level are called, in the order of the answer."""
    return [str(row[UID_OF[level]]) for row in rows(database, level, tenant)]


def _who(row: Match) -> tuple[Value, ...]:
    """Tell which patient: without a Patient ID, the one of this study."""
    return row["PatientID"], row["IssuerOfPatientID"], "" if row["PatientID"] else row["StudyInstanceUID"]


def assert_consistent(database: Database, tenant: str = "local") -> None:
    """Assert that every count, and every list of what is in a study, agrees with the rows themselves.

    Where the database can compare its rows with its instances, it must find nothing.
    """
    if isinstance(database, DerivedRows):
        assert not [one for one in database.compare_rows(repair=False) if one.wrong]
    patients, studies, series, instances = (rows(database, level, tenant) for level in Level)
    of_series = Counter((row["StudyInstanceUID"], row["SeriesInstanceUID"]) for row in instances)
    of_study = Counter(row["StudyInstanceUID"] for row in instances)
    assert len({row["SOPInstanceUID"] for row in instances}) == len(instances)
    assert {
        (row["StudyInstanceUID"], row["SeriesInstanceUID"]): row["NumberOfSeriesRelatedInstances"] for row in series
    } == of_series
    assert len(series) == len(of_series)
    assert {row["StudyInstanceUID"]: row["NumberOfStudyRelatedInstances"] for row in studies} == of_study
    assert len(studies) == len(of_study)
    assert {row["StudyInstanceUID"]: row["NumberOfStudyRelatedSeries"] for row in studies} == Counter(
        row["StudyInstanceUID"] for row in series
    )
    of_all = [Counter(map(_who, some)) for some in (studies, series, instances)]
    expected = [(*who[:2], *(of_each[who] for of_each in of_all)) for who in of_all[0]]
    counts = [f"NumberOfPatientRelated{what}" for what in ("Studies", "Series", "Instances")]
    counted = [tuple(row[key] for key in ("PatientID", "IssuerOfPatientID", *counts)) for row in patients]
    assert sorted(counted, key=str) == sorted(expected, key=str)
    for study in studies:
        of_this = [row for row in series if row["StudyInstanceUID"] == study["StudyInstanceUID"]]
        below = [row for row in instances if row["StudyInstanceUID"] == study["StudyInstanceUID"]]
        modalities = {str(row["Modality"]) for row in of_this if row["Modality"] is not None}
        assert study["ModalitiesInStudy"] == tuple(sorted(modalities))
        assert study["SOPClassesInStudy"] == tuple(sorted({str(row["SOPClassUID"]) for row in below}))
    for modality in {row["Modality"] for row in series if row["Modality"] is not None}:
        found = database.find(
            parse_query(tenant, Level.STUDY, {"ModalitiesInStudy": str(modality)}, limit=len(studies))
        )
        assert [row["StudyInstanceUID"] for row in found] == [
            row["StudyInstanceUID"] for row in studies if modality in cast("tuple[str, ...]", row["ModalitiesInStudy"])
        ]
