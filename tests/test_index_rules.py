"""The rules of the index as functions, against the index in SQLite: the same answers, whatever comes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path

import pytest

from dicom_common.core import AddStatus, Entry, Event, Level, Outcome, PersonName, Query, Removed, RequestAttributes
from dicom_common.db.sqlite import Settings, SqliteDatabase
from dicom_common.dicom import parse_query
from dicom_common.testing import CORPUS, SEARCHES, VALUE_SEARCHES, make_entry, make_instance
from dicom_common.toolkit.index_rules import (
    add_entries,
    count_rows,
    derive_rows,
    entry_from_text,
    entry_text,
    find_rows,
    in_order,
    may_relay,
    removed_from,
    stored_of,
)

UIDS = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    with closing(SqliteDatabase(Settings(path=tmp_path / "index.sqlite"))) as database:
        yield database


def test_the_corpus_of_searches_has_its_answers() -> None:
    patients = derive_rows([make_entry(instance) for instance in CORPUS])
    for search in (*SEARCHES, *VALUE_SEARCHES):
        query = parse_query(
            "local", search.level, search.keys, limit=search.limit, offset=search.offset, empty_value_matching=True
        )
        found = tuple(str(row[UIDS[search.level]]) for row in find_rows(patients, query))
        assert found == search.expected, search
        if search.limit is None and not search.offset:
            assert count_rows(patients, query) == len(search.expected)


def test_an_entry_comes_back_from_its_text() -> None:
    for instance in CORPUS:
        entry = make_entry(instance, frames=b"\0\xff")
        assert entry_from_text(entry_text(entry)) == entry


def random_entry(chance: random.Random, number: int) -> Entry:
    """Make an entry that has much in common with the others."""
    pick = chance.choice
    instance = make_instance(
        chance.randint(1, 6),
        study=chance.randint(1, 3),
        series=chance.randint(1, 2),
        revision=chance.randint(1, 3),
        patient_id=pick(("A", "B", "", "A")),
        issuer_of_patient_id=pick((None, "X")),
        patient_name=pick((None, PersonName("Made^Up1"), PersonName("Made^Up2", "名"))),
        study_date=pick((None, date(2026, 1, 1), date(2026, 1, 2), date(2030, 1, 1))),
        study_time=pick((None, time(8), time(9, 0, 0, 5))),
        study_description=pick((None, "", "head")),
        series_number=pick((None, 1, 2)),
        modality=pick((None, "CT", "MR")),
        content_date=pick((None, date(2026, 1, 1), date(2025, 5, 5))),
        request_attributes=pick(((), (RequestAttributes("1", None), RequestAttributes(None, "2")))),
    )
    return make_entry(
        replace(instance, series_uid="1.2.3.9.9") if chance.random() < 0.1 else instance,
        key=f"local/{chance.randint(1, 40)}.dcm",
        received=datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=chance.randint(0, 20)),
        replace=chance.random() < 0.5,
        accept_other_patient=chance.random() < 0.7,
        keeps_key=chance.random() < 0.3,
        metadata=b"{}" if number % 2 else b'{"a":1}',
    )


class Model:
    """An index of documents in a page: what a backend does with the rules."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], Entry] = {}
        self.discarded: list[str] = []

    def add(self, batch: list[Entry]) -> list[Outcome]:
        added = add_entries(
            batch,
            known=self.entries.values(),
            retired=set(self.discarded),
            referred=lambda keys: [one.key for one in self.entries.values() if one.key in keys],
        )
        self.entries |= added.written
        self.discarded = [key for key in self.discarded if key not in added.discarded] + sorted(added.discarded)
        return list(added.outcomes)

    def remove(self, study_uid: str) -> list[Removed]:
        gone = {uid for (_, uid), one in self.entries.items() if one.instance.study_uid == study_uid}
        removed = removed_from(self.entries.values(), gone)
        self.entries = {name: one for name, one in self.entries.items() if name[1] not in gone}
        referred = {one.key for one in self.entries.values()}
        self.discarded += sorted({one.key for one in removed} - referred - set(self.discarded))
        return removed


def note(told: list[Removed], removed: Sequence[Removed]) -> list[Event]:
    told.extend(removed)
    return []


@pytest.mark.parametrize("seed", range(8))
def test_batches_and_removals_leave_what_they_leave_in_sqlite(database: SqliteDatabase, seed: int) -> None:
    chance, model = random.Random(seed), Model()
    met: set[AddStatus] = set()
    for round_ in range(12):
        batch = [random_entry(chance, round_ * 10 + number) for number in range(chance.randint(1, 8))]
        outcomes = model.add(batch)
        assert outcomes == database.add(batch)
        met.update(one.status for one in outcomes)
        if chance.random() < 0.2:
            study = f"1.2.3.{chance.randint(1, 3)}"
            told: list[Removed] = []
            database.remove("local", study, events=partial(note, told))
            ours = model.remove(study)
            assert [(one.key, one.series) for one in ours] == [(one.key, one.series) for one in told]
        assert sorted(model.discarded) == sorted(database.discarded(1000))
        everything = list(model.entries.values())
        patients = derive_rows(everything)
        for level in Level:
            query = Query(tenant="local", level=level)
            assert find_rows(patients, query) == database.find(query)
        assert [stored_of(one) for one in in_order(everything) if one.instance.study_uid == "1.2.3.1"] == list(
            database.instances("local", "1.2.3.1")
        )
    assert len(met) >= 5, "the batches have too little in them"


def test_the_outbox_has_one_relay_at_a_time() -> None:
    assert may_relay(None, 0, "a", 10)
    assert may_relay("a", 20, "a", 10)
    assert not may_relay("a", 20, "b", 10)
    assert may_relay("a", 10, "b", 10)


def test_numbers_are_kept_as_in_every_index(database: SqliteDatabase) -> None:
    wild = make_instance(
        1,
        series_number=10**30,
        rows=-(10**10),
        slice_thickness=float("nan"),
        patient_weight=float("inf"),
        slice_location=-0.0,
        window_center=(-0.0, 1.0),
        window_width=(float("nan"), 1.0),
        size=1 << 40,
        content_date=date(9999, 12, 31),
        acquisition_date=date(1, 1, 1),
    )
    entry = entry_from_text(entry_text(make_entry(wild)))
    database.add([make_entry(wild)])
    query = Query(tenant="local", level=Level.INSTANCE)
    (ours,), (theirs,) = find_rows(derive_rows([entry]), query), database.find(query)
    assert {name: repr(value) for name, value in ours.items()} == {name: repr(value) for name, value in theirs.items()}
    assert entry.instance.size == 1 << 40
