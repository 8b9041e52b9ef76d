"""The plans of the usual searches, as the server explains them: each begins with an index that fits, none reads all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import MySQLdb
import pytest

from dicom_common.core import Level, PersonName
from dicom_common.db.mysql import MysqlDatabase, Settings
from dicom_common.dicom import parse_query
from dicom_common.testing import Endpoint, make_entry, make_instance

pytestmark = pytest.mark.service("mysql")
P, S, E, I = Level.PATIENT, Level.STUDY, Level.SERIES, Level.INSTANCE  # noqa: E741 - the letters of the levels
STUDIES = 2000
_TABLES = "patient, study, series, instance, study_modality, series_class, request_item"


@pytest.fixture(scope="module")
def database(service_finder: Callable[[str], Endpoint]) -> Iterator[MysqlDatabase]:
    """As many studies as it takes for an index to be worth it."""
    host, port = service_finder("mysql")
    name = f"plans_{uuid4().hex}"
    made = [
        make_entry(
            make_instance(
                0, study=n, patient_id=f"P{n}", patient_name=PersonName(f"Name{n:05}"), accession_number=f"A{n}",
                study_date=date(2015, 1, 1) + timedelta(days=n), study_id=f"S{n}", modality=("CT", "MR")[n % 2],
            )
        )
        for n in range(STUDIES)
    ]  # fmt: skip
    with closing(MySQLdb.connect(host=host, port=port, user="root", autocommit=True)) as connection:
        connection.query(f"CREATE DATABASE {name}")
        with closing(MysqlDatabase(Settings(host=host, port=port, user="root", database=name))) as database:
            database.add(made)
            with database._dialect.reading() as session:
                session.rows(f"ANALYZE TABLE {_TABLES}", ())
            yield database
        connection.query(f"DROP DATABASE {name}")


def plan_of(database: MysqlDatabase, level: Level, keys: dict[str, str]) -> list[dict[str, Any]]:
    query = parse_query("local", level, keys, limit=50)
    database.find(query)
    statement, parameters = database._search.plan(database._tenants["local"], query)
    names = ("id", "select_type", "table", "type", "possible_keys", "key", "key_len", "ref", "rows", "extra")
    with database._dialect.reading() as session:
        rows = session.rows(f"EXPLAIN {statement.text}", statement.bound(parameters))
    return [dict(zip(names, row, strict=True)) for row in rows]


@pytest.mark.parametrize(
    ("level", "keys", "index"),
    [
        (S, {}, "study_order"),
        (P, {}, "patient_order"),
        (S, {"PatientID": "P7"}, "uq_patient_tenant_fk_patient_id_issuer_of_patient_id_of_study"),
        (
            S,
            {"PatientID": "P7", "StudyDate": "20150101-"},
            "uq_patient_tenant_fk_patient_id_issuer_of_patient_id_of_study",
        ),
        (S, {"PatientID": "P17*"}, "uq_patient_tenant_fk_patient_id_issuer_of_patient_id_of_study"),
        (S, {"StudyDate": "20160101-20160201"}, "study_order"),
        (S, {"StudyDate": "20160101-20160201", "ModalitiesInStudy": "CT"}, "study_modality_order"),
        (S, {"AccessionNumber": "A7"}, "study_accession"),
        (S, {"StudyID": "S7"}, "study_id"),
        (S, {"StudyInstanceUID": "1.2.3.7"}, "uq_study_tenant_fk_study_uid"),
        (S, {"PatientName": "name0012*"}, "patient_name_alphabetic"),
        (S, {"PatientName": "name00123"}, "patient_name_alphabetic"),
        (S, {"PatientName": "name0012*", "StudyDate": "20150101-"}, "patient_name_alphabetic"),
        (S, {"ModalitiesInStudy": "CT"}, "study_modality_order"),
        (S, {"ModalitiesInStudy": "XX"}, "study_modality_order"),
        (S, {"SOPInstanceUID": "1.2.3.7.1.0"}, "uq_instance_tenant_fk_sop_uid"),
        (E, {"StudyInstanceUID": "1.2.3.7"}, "uq_study_tenant_fk_study_uid"),
        (
            I,
            {"StudyInstanceUID": "1.2.3.7", "SeriesInstanceUID": "1.2.3.7.1"},
            "uq_series_tenant_fk_series_uid_study_fk",
        ),
    ],
)
def test_a_search_begins_with_its_index_and_reads_no_table_as_a_whole(
    database: MysqlDatabase, level: Level, keys: dict[str, str], index: str
) -> None:
    plan = plan_of(database, level, keys)
    assert index in [step["key"] for step in plan], plan
    read_whole = [step for step in plan if step["type"] == "ALL" and not str(step["table"]).startswith("<")]
    assert read_whole == []
    asked_anew = [step for step in plan if step["select_type"] == "DEPENDENT UNION"]
    assert asked_anew == []


def test_a_page_in_the_order_of_dates_is_not_sorted(database: MysqlDatabase) -> None:
    for keys in ({}, {"StudyDate": "20160101-20160201"}, {"ModalitiesInStudy": "CT"}):
        assert [step for step in plan_of(database, S, keys) if "filesort" in str(step["extra"])] == []
