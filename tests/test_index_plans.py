"""The plans of what an index is asked, as each database explains them, with so many studies that it matters.

Every search begins with the index of its key, and none reads or sorts a whole table, whatever the planner has to know
for that.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pytest
from population import TENANT, entries_of, population, thin
from sql_targets import Bare, MysqlTarget, PostgresTarget, Said, SqliteTarget, Target, recording, said_by

from dicom_common.core import Entry, Event, Level
from dicom_common.db.sql import SqlDatabase
from dicom_common.dicom import parse_query

STUDIES = 10_000
EVENTS = 5000
P, S, E, I = Level.PATIENT, Level.STUDY, Level.SERIES, Level.INSTANCE  # noqa: E741 - the letters of the levels
LARGE = (
    "patient", "study", "series", "instance", "instance_json", "series_class", "study_modality", "request_item",
    "discarded_key",
)  # fmt: skip
SAMPLE = next(islice(population(), 5000, None))
MANY = ",".join(study.uid for study in islice(population(), 0, 5000, 100))
"""More UIDs than are parameters of their own."""
UID, SERIES = SAMPLE.uid, f"{SAMPLE.uid}.1"
SERVERS: dict[str, Callable[[str, int], Target]] = {"postgres": PostgresTarget, "mysql": MysqlTarget}


@dataclass(frozen=True)
class Index:
    """A filled index, and the bare driver beside it."""

    target: Target
    database: SqlDatabase
    bare: Bare

    def plan(self, said: Said) -> list[str]:
        return self.bare.explain(*said)


@pytest.fixture(
    scope="module", params=["sqlite", *(pytest.param(name, marks=pytest.mark.service(name)) for name in SERVERS)]
)
def index(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    service_finder: Callable[[str], Any],
) -> Iterator[Index]:
    name = f"plans_{uuid.uuid4().hex[:12]}"
    if request.param == "sqlite":
        target: Target = SqliteTarget(tmp_path_factory.mktemp("plans"))
    else:
        target = SERVERS[request.param](*service_finder(request.param))
    with closing(target.open(name)) as database:
        entries = (entry for study in islice(population(), STUDIES) for entry in entries_of(thin(study)))
        while batch := list(islice(entries, 1000)):
            database.add(batch, events=_events)
        database.discard([f"gone/{number}" for number in range(EVENTS)])
        database.deleted([f"gone/{number}" for number in range(EVENTS // 2)])
        target.analyze(name)
        with closing(target.bare(name)) as bare:
            yield Index(target, database, bare)
    target.drop(name)


def _events(outcomes: Any) -> list[Event]:
    return [Event(tenant=TENANT, topic="t", key="k", body=b"{}") for _ in outcomes[: EVENTS * 1000 // (3 * STUDIES)]]


def reads_all(step: str) -> bool:
    """Tell whether a step of a plan reads a whole large table, or a whole index of one."""
    words = step.split()
    if step.startswith(("SCAN ", "Seq Scan on ")):
        name = words[1] if words[0] == "SCAN" else words[3]
        return _table(name) in LARGE
    if words[0] in ("ALL", "index"):
        return _table(words[2]) in LARGE
    return False


def _table(name: str) -> str:
    """Return the table of an alias."""
    stem, _, number = name.rpartition("_")
    return stem if number.isdecimal() else name


def sorts(step: str) -> bool:
    return step.startswith(("Sort", "Incremental Sort")) or "TEMP B-TREE FOR ORDER BY" in step or "filesort" in step


MONTH = {"StudyDate": "20160301-20160331"}
BY_KEY: list[tuple[Level, dict[str, str], str]] = [
    (S, {"PatientID": SAMPLE.patient_id}, "patient_1|uq_patient_tenant_fk_patient_id|tenant_fk"),
    (S, MONTH, "study_order"),
    (S, {"ModalitiesInStudy": "MR"}, "study_modality_order"),
    (S, {"ModalitiesInStudy": "NM"}, "study_modality_order"),
    (S, {"ModalitiesInStudy": "MR", **MONTH}, "study_modality_order"),
    (S, {"PatientName": "Schmidt^Anna*"}, "patient_name_alphabetic"),
    (S, {"PatientName": "Schmidt^Anna*", **MONTH}, "patient_name_alphabetic"),
    (S, {"PatientName": "=山田^太郎"}, "patient_name_ideographic"),
    (S, {"AccessionNumber": "ACC000005000"}, "study_accession"),
    (S, {"ReferringPhysicianName": "Torres^Jan*"}, "referring_physician_name_alphabetic"),
    (S, {"StudyID": "S0005000"}, "study_id"),
    (S, {"StudyInstanceUID": UID}, "study_1|uq_study_tenant_fk_study_uid|tenant_fk"),
    (S, {"StudyInstanceUID": MANY}, "study_1|uq_study_tenant_fk_study_uid|tenant_fk"),
    (S, {"StudyInstanceUID": MANY, "ModalitiesInStudy": "CT\\MR"}, "study_1|uq_study_tenant_fk_study_uid|tenant_fk"),
    (S, {"PatientID": f"{SAMPLE.patient_id}\\{SAMPLE.patient_id}x*"}, "patient_1|uq_patient_tenant_fk|tenant_fk"),
    (S, {"SeriesInstanceUID": SERIES}, "series_1|uq_series|tenant_fk"),
    (S, {"SOPInstanceUID": f"{SERIES}.1"}, "instance_1|uq_instance|tenant_fk"),
    (S, {"00400275.00400009": "SPS0005000"}, "request_step"),
    (S, {"00400275.00401001": "RP0005000"}, "request_procedure"),
    (E, {"SeriesInstanceUID": SERIES}, "series_1|uq_series|tenant_fk"),
    (E, {"StudyInstanceUID": UID}, "study_1|uq_study|tenant_fk"),
    (E, {"Modality": "NM"}, "study_modality_order"),
    (E, {"PerformedProcedureStepStartDate": "20160301"}, "series_step"),
    (I, {"SOPInstanceUID": f"{SERIES}.1"}, "instance_1|uq_instance|tenant_fk"),
    (I, {"StudyInstanceUID": UID, "SeriesInstanceUID": SERIES}, "series_1|uq_series|tenant_fk"),
    (P, {"PatientID": SAMPLE.patient_id}, "patient_1|uq_patient|tenant_fk"),
    (P, {"PatientName": "Schmidt^Anna*"}, "patient_name_alphabetic"),
]


@pytest.mark.parametrize(("level", "keys", "names"), BY_KEY, ids=lambda value: str(value)[:40])
def test_a_search_and_its_count_begin_with_the_index_of_the_key(
    index: Index, level: Level, keys: dict[str, str], names: str
) -> None:
    page = said_by(index.database, parse_query(TENANT, level, keys, limit=50))
    count = said_by(index.database, parse_query(TENANT, level, keys), count=True)
    # To count a third of all, reading all is the right way.
    for said in page if keys == {"ModalitiesInStudy": "MR"} else (*page, *count):
        plan = index.plan(said)
        assert [step for step in plan if reads_all(step)] == [], (said[0], plan)
    plans = [step for said in page for step in index.plan(said)]
    assert any(name in step for step in plans for name in names.split("|")), plans


@pytest.mark.parametrize(
    ("level", "keys"),
    [
        (S, {}),
        (S, {"StudyDate": "20150101-20201231"}),
        (S, {"ModalitiesInStudy": "MR"}),
        (S, {"ModalitiesInStudy": "MR", "StudyDate": "20150101-20201231"}),
        (S, {"PatientName": "S*"}),
        (S, {"PatientName": "S*", "StudyDate": "20150101-20201231"}),
        (P, {}),
        (P, {"PatientName": "S*"}),
    ],
    ids=str,
)
def test_a_page_of_what_many_have_is_read_in_its_order_and_nothing_is_sorted(
    index: Index, level: Level, keys: dict[str, str]
) -> None:
    said = said_by(index.database, parse_query(TENANT, level, keys, limit=50))
    (page,) = [one for one in said if "ORDER BY" in one[0]]
    plan = index.plan(page)
    assert [step for step in plan if reads_all(step) or sorts(step)] == [], (page[0], plan)


@pytest.mark.parametrize(
    "keys",
    [{"PatientID": SAMPLE.patient_id}, MONTH, {"ModalitiesInStudy": "MR"}, {"PatientName": "Schmidt^Anna*"}],
    ids=str,
)
def test_a_plan_that_postgres_makes_for_all_values_uses_the_index_too(index: Index, keys: dict[str, str]) -> None:
    explain = getattr(index.bare, "explain_generic", None)
    if explain is None:
        pytest.skip("only PostgreSQL keeps plans")
    for text, bound in said_by(index.database, parse_query(TENANT, S, keys, limit=50)):
        plan = explain(text, bound)
        assert [step for step in plan if reads_all(step)] == [], (text, plan)


def test_nothing_that_an_ingest_a_relay_or_a_removal_asks_reads_a_whole_table(index: Index) -> None:
    database = index.database
    more: list[Entry] = [entry for study in islice(population(), 20, 30) for entry in entries_of(thin(study))]
    with recording(database) as said:
        database.add([*more, *islice(entries_of(SAMPLE), 5)], events=_events)
        database.stored(TENANT, [entry.instance.sop_uid for entry in more])
        database.owners([entry.key for entry in more])
        list(islice(database.walk(after="local/2016"), 600))
        list(database.instances(TENANT, UID))
        list(database.instances(TENANT, UID, SERIES, f"{SERIES}.1"))
        list(database.metadata(TENANT, UID, SERIES))
        database.published(database.pending(100, relay="plans", lease=60))
        database.pending(0, relay="plans", lease=0)
        database.deleted(database.discarded(10))
        database.discard([more[0].key, "gone/new"])
        database.remove(TENANT, UID, None, f"{SERIES}.1")
        database.remove(TENANT, more[0].instance.study_uid)
    asked = [one for one in said if one[0].startswith(("SELECT", "UPDATE", "DELETE"))]
    assert len({text for text, _ in asked}) > 25
    for one in {text: (text, bound) for text, bound in asked}.values():
        plan = index.plan(one)
        assert [step for step in plan if reads_all(step)] == [], (one[0], plan)
