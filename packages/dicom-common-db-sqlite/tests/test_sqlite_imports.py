"""What opening and using an index imports, in a process of its own: no SQLAlchemy where the SQL is frozen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

USUAL = """
import json, sys
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from dicom_common.core import Event, Interval, Level, Like, OneOf, Query, ReceivedObject
from dicom_common.db.sqlite import Settings, SqliteDatabase
from dicom_common.testing import make_entry, make_instance, make_received

def events(outcomes):
    return [Event(tenant="local", topic="t", key="k", body=b""), make_received()]

day = (date(2026, 1, 1),)
entries = [make_entry(make_instance(n, study=int(sys.argv[2]))) for n in range(3)]
with closing(SqliteDatabase(Settings(path=Path(sys.argv[1])))) as database:
    database.add(entries, events=events)
    database.add(entries[:1], events=events)
    for level in Level:
        for limit, offset in ((None, 0), (10, 0), (10, 10)):
            database.find(Query(tenant="local", level=level, limit=limit, offset=offset))
        database.count(Query(tenant="local", level=level))
    for condition in (
        OneOf("PatientID", ("P1",)),
        Like("PatientName", "doe*"),
        Interval(("StudyDate",), day, day),
        OneOf("AccessionNumber", ("A",)),
        OneOf("ModalitiesInStudy", ("CT",)),
        OneOf("StudyInstanceUID", ("1.2.3.1",)),
    ):
        database.find(Query(tenant="local", level=Level.STUDY, conditions=(condition,), limit=10))
    (stored,) = database.stored("local", [entries[0].instance.sop_uid]).values()
    place = (stored.tenant, stored.study_uid, stored.series_uid, stored.sop_uid)
    assert list(database.instances(*place)) == list(database.owners([stored.key]).values()) == [stored]
    assert len(list(database.metadata(*place[:2]))) == len(list(database.walk())) == 3
    assert database.revisions(*place[:2]) == list(database.changed_series(before=datetime.max.replace(tzinfo=UTC)))
    database.published(database.pending(10, relay="r", lease=0))
    assert database.backlog().events == 0
    assert len(database.read_log(ReceivedObject, "local")) == 1
    database.remove(*place)
    database.deleted(database.discarded(10))
    database.check()
    assert sum(one.wrong for one in database.compare_rows(repair=True)) == 0
    database.remove(*place[:2])
print(json.dumps(sorted(sys.modules)))
"""
RARE = """
import json, sys
from pathlib import Path
from dicom_common.core import Level, OneOf, Query
from dicom_common.db.sqlite import Settings, SqliteDatabase
database = SqliteDatabase(Settings(path=Path(sys.argv[1])))
database.find(Query(tenant="local", level=Level.PATIENT, conditions=(OneOf("StudyID", ("1", "2", "3")),)))
database.add([])
database.close()
print(json.dumps(sorted(sys.modules)))
"""


def imported(program: str, path: Path, study: int) -> set[str]:
    words = [sys.executable, "-c", program, str(path), str(study)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return {".".join(name.split(".")[:3]) for name in json.loads(done.stdout)}


def test_a_new_index_and_one_that_is_up_to_date_need_neither_sqlalchemy_nor_alembic(tmp_path: Path) -> None:
    for study in (1, 2):
        assert not {"alembic", "sqlalchemy"} & imported(USUAL, tmp_path / "index.sqlite", study)


def test_a_search_that_is_not_frozen_imports_no_alembic_and_no_other_dialect(tmp_path: Path) -> None:
    imported(USUAL, tmp_path / "index.sqlite", 1)
    modules = imported(RARE, tmp_path / "index.sqlite", 2)
    assert "alembic" not in modules
    assert "sqlalchemy.dialects.sqlite" in modules
    assert {f"sqlalchemy.dialects.{name}" for name in ("postgresql", "mysql", "oracle", "mssql")} & modules == set()
