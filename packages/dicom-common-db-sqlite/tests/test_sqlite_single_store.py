"""Instances that come one by one: what that costs, and that it makes the rows that any other way makes."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from dicom_common.core import AddStatus, Entry, Event, Outcome, PersonName
from dicom_common.db.sql import Session
from dicom_common.db.sql._known import Found
from dicom_common.db.sqlite import Settings, SqliteDatabase
from dicom_common.testing import make_entry, make_instance, make_received

STATEMENTS = 14
"""With the beginning and the end of the transaction."""
PAGES = 26
"""Of the write-ahead log; half of them are of the instance's own indexes."""
RECEIVED = datetime(2026, 3, 1, tzinfo=UTC)
OWN = {"series_revision": ("revision",), "discarded_key": ("discarded", "deleted")}
"""Columns that say when something was written."""


def next_of_series(number: int) -> Entry:
    """Make an entry that is later than those before it, as the images of a series are."""
    made = make_instance(number, content_date=date(2026, 1, 2), content_time=time(10, number // 60, number % 60))
    return make_entry(made, metadata=b"x" * 2000, received=RECEIVED + timedelta(seconds=number))


def said(_: object) -> list[Any]:
    return [Event(tenant="local", topic="made-up", key="k", body=b"{}"), make_received()]


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[SqliteDatabase]:
    with closing(SqliteDatabase(Settings(path=tmp_path / "index.sqlite"))) as database:
        database.add([make_entry(make_instance(n, study=2, series=n)) for n in range(20)], events=said)
        for number in range(3):
            database.add([next_of_series(number)], events=said)
        yield database


def test_the_next_instance_of_a_series_takes_a_dozen_statements(filled: SqliteDatabase) -> None:
    seen: list[str] = []
    with filled._dialect.reading() as session:
        session.raw.set_trace_callback(seen.append)  # type: ignore[attr-defined]  # SQLite's
    for number in (3, 4, 5):
        seen.clear()
        filled.add([next_of_series(number)], events=said)
        assert len(seen) <= STATEMENTS, seen


def test_the_next_instance_of_a_series_writes_no_index_of_its_parents(filled: SqliteDatabase) -> None:
    log = filled.path.with_name("index.sqlite-wal")
    with filled._dialect.reading() as session:
        session.rows("PRAGMA wal_autocheckpoint=0", ())
        session.rows("PRAGMA wal_checkpoint(TRUNCATE)", ())
    before = log.stat().st_size
    for number in range(10, 30):
        filled.add([next_of_series(number)], events=said)
    assert (log.stat().st_size - before) / (4096 + 24) / 20 <= PAGES


def rows_of(database: SqliteDatabase) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(database.path)) as bare:
        names = [name for (name,) in bare.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {}
        for name in names:
            columns = [str(row[1]) for row in bare.execute(f"PRAGMA table_info({name})")]
            kept = [column for column in columns if column not in OWN.get(name, ())]
            found[name] = sorted(bare.execute(f"SELECT {', '.join(kept)} FROM {name}"), key=repr)
    return found


def make_step(chance: random.Random, number: int, *, steady: bool) -> Callable[[SqliteDatabase], object]:
    """Make a step of a history: mostly the next instance of one of a few series, and now and then something else.

    In a steady one, most instances say the same of their series, study and patient, as those of a modality do.
    """
    study, series = chance.randint(1, 3), chance.randint(1, 2)
    if chance.random() < (0.03 if steady else 0.15):
        place = (f"1.2.3.{study}", chance.choice((None, f"1.2.3.{study}.{series}")))
        return lambda database: [one.key for one in database.remove("local", *place)]
    fields: dict[str, Any] = {
        "content_date": chance.choice((None, date(2026, 1, chance.randint(1, 28)))),
        "study_description": chance.choice((None, "a", "b")),
        "modality": chance.choice(("CT", "CT", "MR", None)),
        "study_date": chance.choice((date(2026, 1, 1), date(2026, 1, 1), None)),
        "patient_id": chance.choice((f"P{study}", f"P{study}", f"P{study}", "OTHER", None)),
        "patient_name": PersonName(chance.choice(("A", "B"))),
        "accession_number": chance.choice((None, "1")),
    }
    if steady and chance.random() < 0.9:
        fields = {"content_date": fields["content_date"], "patient_id": f"P{study}", "accession_number": "1"}
    if chance.random() < 0.1:
        fields["series_uid"] = "1.2.3.9"  # of several studies
    made = make_instance(chance.randint(1, 12), study=study, series=series, revision=chance.randint(0, 1), **fields)
    entry = make_entry(
        made,
        tenant=chance.choice(("local", "local", "other")),
        received=RECEIVED + timedelta(seconds=chance.randint(0, 50)),
        replace=chance.random() < 0.5,
        accept_other_patient=chance.random() < 0.5,
        key=f"key-{number}" if chance.random() < 0.9 else "key-shared",
    )
    return lambda database: database.add([entry])


@pytest.mark.parametrize("steady", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_one_by_one_makes_the_rows_that_the_general_way_makes(tmp_path: Path, seed: int, *, steady: bool) -> None:
    chance = random.Random(seed)
    steps = [make_step(chance, number, steady=steady) for number in range(60)]
    path = tmp_path / "one.sqlite"
    with (
        closing(SqliteDatabase(Settings(path=path))) as one,
        closing(SqliteDatabase(Settings(path=path))) as another,  # as of another process
        closing(SqliteDatabase(Settings(path=tmp_path / "general.sqlite"))) as general,
    ):
        general._addition._known = None
        planned = [fixed_plans(database) for database in (one, another)]
        for step in steps:
            assert step(chance.choice((one, another))) == step(general)
        assert rows_of(one) == rows_of(general)
        assert sum(row.wrong for row in one.compare_rows(repair=False)) == 0
        assert sum(map(len, planned)) >= (8 if steady else 1)


def fixed_plans(database: SqliteDatabase) -> list[AddStatus]:
    """Return a list in which each instance is noted that is written by the fixed plan."""
    noted: list[AddStatus] = []
    known = database._addition._known
    assert known is not None
    write = known.write

    def noting(session: Session, found: Found) -> Outcome | None:
        outcome = write(session, found)
        if outcome is not None:
            noted.append(outcome.status)
        return outcome

    known.write = noting  # type: ignore[method-assign]  # it does what it did
    return noted


def test_what_another_connection_changed_is_seen(filled: SqliteDatabase) -> None:
    with closing(SqliteDatabase(Settings(path=filled.path))) as other:
        other.remove("local", "1.2.3.1")
    (outcome,) = filled.add([next_of_series(50)])
    assert (outcome.status, outcome.series_instances) == (AddStatus.ADDED, 1)
    assert sum(row.wrong for row in filled.compare_rows(repair=False)) == 0


def test_a_key_that_a_row_refers_to_is_not_discarded_with_an_entry_that_is_refused(filled: SqliteDatabase) -> None:
    (stored,) = filled.stored("local", ["1.2.3.1.1.2"]).values()
    refused: dict[str, Any] = {"patient_id": "SOMEBODY"}
    other = make_entry(make_instance(60, **refused), key=stored.key, accept_other_patient=False)
    unused = make_entry(make_instance(61, **refused), key="unused", accept_other_patient=False)
    assert [filled.add([one])[0].status for one in (other, unused)] == [AddStatus.OTHER_PATIENT] * 2
    assert filled.discarded(10) == ["unused"]
