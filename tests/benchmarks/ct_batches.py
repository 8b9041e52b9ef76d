"""What the benchmarks of the index share: batches as a CT sends them, studies to search, and the searches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import date, time as time_of_day, timedelta
from typing import Any

from dicom_common.core import Database, Entry, Level, PersonName, Query, RequestAttributes
from dicom_common.db.sql import Row, Session, SqlDatabase
from dicom_common.dicom import parse_query
from dicom_common.testing import make_entry, make_instance

__all__ = ["BATCH", "FINDS", "QUERIES", "entries", "fill", "said_by", "timed"]

BATCH = 1000
STUDIES, FINDS = 2000, 100
QUERIES = {
    "PatientID": {"PatientID": "P77"},
    "StudyDate range": {"StudyDate": "20220101-20220301"},
    "PatientName prefix": {"PatientName": "made^up12*"},
    "ModalitiesInStudy": {"ModalitiesInStudy": "MR"},
}
# About what the DICOM JSON of a CT slice takes.
_METADATA = b'{"00080018":{"vr":"UI","Value":["%s"]},"00091001":{"vr":"LT","Value":["' + b"x" * 6000 + b'"]}}'


def entries(batch: int) -> list[Entry]:
    """Make a batch as a CT sends it: ten series of a hundred images each."""
    made = []
    for number in range(BATCH):
        study, series = batch * 5 + number // 200, number // 100 % 2
        instance = make_instance(
            number % 100, study=study, series=series, patient_birth_date=date(1970, 1, 1), patient_sex="M",
            patient_name=PersonName(f"Made^Up{study}"), accession_number=f"A{study}", study_id=f"S{study}",
            referring_physician_name=PersonName("House^Gregory"), study_description="CT of something",
            series_description=f"Axial {series}", manufacturer="Nobody", institution_name="Nowhere",
            station_name="CT1", body_part_examined="HEAD", protocol_name="Head", series_date=date(2026, 1, 1),
            series_time=time_of_day(9, 1), request_attributes=(RequestAttributes(f"SPS{study}", f"RP{study}"),),
            image_type=("ORIGINAL", "PRIMARY", "AXIAL"), instance_creation_date=date(2026, 1, 1),
            instance_creation_time=time_of_day(9, number % 60, 1, number), acquisition_date=date(2026, 1, 1),
            acquisition_time=time_of_day(9, number % 60), content_date=date(2026, 1, 1),
            content_time=time_of_day(9, number % 60, 2), slice_thickness=1.25, spacing_between_slices=1.25,
            image_position_patient=(-125.0, -125.0, number * 1.25), image_orientation_patient=(1.0, 0, 0, 0, 1.0, 0),
            slice_location=number * 1.25, samples_per_pixel=1, photometric_interpretation="MONOCHROME2", rows=512,
            columns=512, bits_allocated=16, bits_stored=12, high_bit=11, pixel_representation=0,
            window_center=(40.0,), window_width=(400.0,), rescale_intercept=-1024.0, rescale_slope=1.0,
        )  # fmt: skip
        made.append(make_entry(instance, metadata=_METADATA % instance.sop_uid.encode()))
    return made


def fill(database: Database) -> None:
    """Add studies of five images each."""
    made = [
        make_entry(
            make_instance(
                number, study=study, patient_id=f"P{study % 1500}", modality=("CT", "MR", "US")[study % 3],
                study_date=date(2020, 1, 1) + timedelta(days=study % 1800), accession_number=f"A{study}",
            )
        )
        for study in range(STUDIES) for number in range(5)
    ]  # fmt: skip
    for start in range(0, len(made), BATCH):
        database.add(made[start : start + BATCH])


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class _Recorder:
    """A session that notes what it is asked."""

    def __init__(self, session: Session) -> None:
        self._session, self.said = session, list[tuple[str, Any]]()

    def rows(self, text: str, bound: Any) -> Sequence[Row]:
        self.said.append((text, bound))
        return self._session.rows(text, bound)


def said_by(database: SqlDatabase, keys: dict[str, str]) -> tuple[Query, list[tuple[str, Any]]]:
    """Return a search for the first page, and the statements that it makes, with their parameters."""
    query = parse_query("local", Level.STUDY, keys, limit=50)
    database.find(query)  # so that the tenant is known
    with database._dialect.reading() as session:
        recorder = _Recorder(session)
        database._search.find(recorder, database._tenants[query.tenant], query)  # type: ignore[arg-type]  # it reads only
    assert recorder.said[0][0].startswith("SELECT")
    return query, recorder.said
