"""The plans of the usual searches, as SQLite explains them: each begins with an index that fits, none reads all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from dicom_common.core import Level
from dicom_common.db.sql._freeze import statements
from dicom_common.db.sql._statements import Lookup, Statement
from dicom_common.db.sqlite import Settings, SqliteDatabase
from dicom_common.dicom import parse_query
from dicom_common.testing import CORPUS, make_entry

P, S, E, I = Level.PATIENT, Level.STUDY, Level.SERIES, Level.INSTANCE  # noqa: E741 - the letters of the levels

MANY = ",".join(f"1.2.3.{number}" for number in range(900))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteDatabase]:
    database = SqliteDatabase(Settings(path=tmp_path_factory.mktemp("plans") / "index.sqlite"))
    database.add([make_entry(instance) for instance in CORPUS])
    yield database
    database.close()


def plan_of(
    database: SqliteDatabase, level: Level, keys: dict[str, str], *, count: bool = False, limit: int | None = 50
) -> list[str]:
    query = parse_query("local", level, keys, limit=limit, empty_value_matching=True)
    statement, parameters = database._search.plan(1, query, count=count)
    with closing(sqlite3.connect(database.path)) as bare:
        explained = bare.execute("EXPLAIN QUERY PLAN " + statement.text, statement.bound(parameters))
        return [str(row[3]) for row in explained]


@pytest.mark.parametrize(
    ("level", "keys", "index"),
    [
        (S, {}, "study_order (tenant_fk=?)"),
        (E, {}, "study_order (tenant_fk=?)"),
        (I, {}, "study_order (tenant_fk=?)"),
        (P, {}, "patient_order (tenant_fk=?)"),
        (S, {"PatientID": "P1"}, "sqlite_autoindex_patient_1 (tenant_fk=? AND patient_id=?)"),
        (S, {"PatientID": "P1", "StudyDate": "20200101-"}, "sqlite_autoindex_patient_1 (tenant_fk=? AND patient_id=?)"),
        (S, {"PatientID": "P*"}, "sqlite_autoindex_patient_1 (tenant_fk=? AND patient_id>? AND patient_id<?)"),
        (S, {"StudyDate": "20260101-20260102"}, "study_order (tenant_fk=? AND study_date>? AND study_date<?)"),
        (
            S,
            {"StudyDate": "20260101-", "ModalitiesInStudy": "CT"},
            "study_modality_order (tenant_fk=? AND modality=? AND",
        ),
        (S, {"StudyTime": "10-12"}, "study_time (tenant_fk=? AND study_time>? AND study_time<?)"),
        (S, {"AccessionNumber": "A"}, "study_accession (tenant_fk=? AND accession_number=?)"),
        (S, {"AccessionNumber": "A", "StudyDate": "20260101"}, "study_accession (tenant_fk=? AND accession_number=?)"),
        (S, {"StudyID": "1"}, "study_id (tenant_fk=? AND study_id=?)"),
        (S, {"StudyInstanceUID": "1.2,1.3"}, "sqlite_autoindex_study_1 (tenant_fk=? AND study_uid=?)"),
        (S, {"PatientID": "P1\\P2"}, "sqlite_autoindex_patient_1 (tenant_fk=? AND patient_id=?)"),
        (S, {"PatientID": "P1\\P2*"}, "sqlite_autoindex_patient_1 (tenant_fk=? AND patient_id>? AND patient_id<?)"),
        (S, {"AccessionNumber": "A1*\\A2"}, "study_accession (tenant_fk=? AND accession_number=?)"),
        (P, {"AccessionNumber": "A1*\\A2"}, "study_accession (tenant_fk=? AND accession_number=?)"),
        (S, {"StudyInstanceUID": MANY}, "sqlite_autoindex_study_1 (tenant_fk=? AND study_uid=?)"),
        (S, {"StudyInstanceUID": MANY, "ModalitiesInStudy": "CT"}, "sqlite_autoindex_study_1 (tenant_fk=? AND study_u"),
        (S, {"SOPInstanceUID": MANY}, "sqlite_autoindex_instance_1 (tenant_fk=? AND sop_uid=?)"),
        (I, {"SeriesInstanceUID": MANY}, "sqlite_autoindex_series_1 (tenant_fk=? AND series_uid=?)"),
        (S, {"PatientID": '""'}, "sqlite_autoindex_patient_1 (tenant_fk=? AND patient_id=?)"),
        (S, {"StudyDate": '""'}, "study_order (tenant_fk=? AND study_date>? AND study_date<?)"),
        (S, {"AccessionNumber": '""'}, "study_order (tenant_fk=?)"),
        (S, {"ModalitiesInStudy": "CT\\MR"}, "sqlite_autoindex_study_modality_1 (study_fk=? AND modality=?)"),
        (S, {"PatientName": "doe*"}, "patient_name_alphabetic (tenant_fk=? AND patient_name_alphabetic>?"),
        (S, {"PatientName": "doe*"}, "patient_name_ideographic (tenant_fk=? AND patient_name_ideographic>?"),
        (S, {"PatientName": "doe*"}, "study_patient (patient_fk=?)"),
        (S, {"ReferringPhysicianName": "doe"}, "referring_physician_name_alphabetic (tenant_fk=? AND"),
        (S, {"ModalitiesInStudy": "CT"}, "study_modality_order (tenant_fk=? AND modality=?)"),
        (S, {"Modality": "CT"}, "study_modality_order (tenant_fk=? AND modality=?)"),
        (S, {"ModalitiesInStudy": "C*"}, "study_order (tenant_fk=?)"),
        (S, {"PatientID": "P1", "ModalitiesInStudy": "CT"}, "sqlite_autoindex_study_modality_1 (study_fk=? AND"),
        (S, {"SOPInstanceUID": "1.2"}, "sqlite_autoindex_instance_1 (tenant_fk=? AND sop_uid=?)"),
        (S, {"SeriesInstanceUID": "1.2"}, "sqlite_autoindex_series_1 (tenant_fk=? AND series_uid=?)"),
        (S, {"SOPClassUID": "1.2"}, "sqlite_autoindex_series_class_1 (series_fk=? AND sop_class_uid=?)"),
        (S, {"00400275.00400009": "X"}, "request_step (tenant_fk=? AND scheduled_procedure_step_id=?)"),
        (S, {"00400275.00401001": "X"}, "request_procedure (tenant_fk=? AND requested_procedure_id=?)"),
        (E, {"PerformedProcedureStepStartDate": "20260101"}, "series_step (tenant_fk=? AND performed_procedure"),
        (E, {"StudyInstanceUID": "1.2"}, "series_order (study_fk=?)"),
        (E, {"Modality": "CT"}, "study_modality_order (tenant_fk=? AND modality=?)"),
        (E, {"Modality": "CT"}, "series_order (study_fk=?)"),
        (I, {"Modality": "CT"}, "study_modality_order (tenant_fk=? AND modality=?)"),
        (I, {"SeriesInstanceUID": "1.2", "StudyInstanceUID": "1.1"}, "instance_order (series_fk=?)"),
        (I, {"StudyInstanceUID": "1.1"}, "sqlite_autoindex_study_1 (tenant_fk=? AND study_uid=?)"),
        (I, {"SOPInstanceUID": "1.2"}, "sqlite_autoindex_instance_1 (tenant_fk=? AND sop_uid=?)"),
        (I, {"PatientID": "P1"}, "sqlite_autoindex_patient_1 (tenant_fk=? AND patient_id=?)"),
    ],
)
def test_the_first_page_of_a_search_uses_its_index(
    database: SqliteDatabase, level: Level, keys: dict[str, str], index: str
) -> None:
    plan = plan_of(database, level, keys)
    assert any(index in step for step in plan), plan
    # The list that is asked for is read as a whole, and no table.
    assert [step for step in plan if step.startswith("SCAN") and "VIRTUAL TABLE" not in step] == []


@pytest.mark.parametrize(
    ("level", "keys", "index"),
    [
        (S, {"PatientID": "P1"}, "sqlite_autoindex_patient_1 (tenant_fk=? AND patient_id=?)"),
        (S, {"StudyDate": "20260101-20260102"}, "study_order (tenant_fk=? AND study_date>? AND study_date<?)"),
        (E, {"Modality": "CT"}, "series_modality (tenant_fk=? AND modality=?)"),
        (E, {"SeriesNumber": "1"}, "series_number (tenant_fk=? AND series_number=?)"),
        (I, {"SOPClassUID": "1.2"}, "instance_class (tenant_fk=? AND sop_class_uid=?)"),
        (I, {"InstanceNumber": "7"}, "instance_number (tenant_fk=? AND instance_number=?)"),
    ],
)
def test_a_count_and_a_whole_answer_use_their_index(
    database: SqliteDatabase, level: Level, keys: dict[str, str], index: str
) -> None:
    for plan in (plan_of(database, level, keys, count=True), plan_of(database, level, keys, limit=None)):
        assert any(index in step for step in plan), plan
        assert [step for step in plan if step.startswith("SCAN")] == []


def test_a_page_in_the_order_of_dates_is_not_sorted(database: SqliteDatabase) -> None:
    for keys in ({}, {"StudyDate": "20260101-20260102"}, {"ModalitiesInStudy": "CT"}, {"ModalitiesInStudy": "C*"}):
        assert [step for step in plan_of(database, S, keys) if "TEMP B-TREE" in step] == []
    for level in (E, I):  # sorted within a study only: the page ends the walk
        for keys in ({}, {"Modality": "CT"}):
            sorts = [step for step in plan_of(database, level, keys) if "TEMP B-TREE FOR ORDER BY" in step]
            assert sorts == []


def for_three(database: SqliteDatabase) -> Iterator[Statement]:
    """Return all statements that a database keeps; look-ups for three values."""
    for one in statements(database):
        if isinstance(one, Lookup):
            yield from (statement for statement, _ in one.parts([1, 2, 3], {}))
        else:
            yield one


def test_no_statement_reads_all_of_a_large_table(database: SqliteDatabase) -> None:
    for place in ((None, None), ("1.2", None), (None, "1.2"), ("1.2", "1.3")):
        database.remove("local", "1.2.999", *place)
    small = {"tenant", "schema_version", "outbox_lease"}
    walked = {"outbox"}  # in the order of its row ids, up to the limit; and counted
    found = list(for_three(database))
    assert len(found) > 40
    with closing(sqlite3.connect(database.path)) as bare:
        for statement in found:
            values = [1] * statement.text.count("?")
            for row in bare.execute("EXPLAIN QUERY PLAN " + statement.text, values):
                step = str(row[3])
                is_read = step.startswith("SCAN") and "VIRTUAL TABLE" not in step  # which is the list that is asked for
                assert not is_read or step.split()[1] in small | walked, (statement.text, step)
