"""The part of the contract of an index that is about a crowd: many processes at the same few studies, all at once."""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from itertools import repeat
from multiprocessing.synchronize import Barrier
from typing import Any, NamedTuple

from dicom_common.core import AddStatus, Database, Entry, Event, Level, Match, Outcome, PersonName
from dicom_common.testing._contract import across_processes
from dicom_common.testing._database._checks import assert_consistent, rows
from dicom_common.testing._instances import make_entry, make_instance
from dicom_common.testing._processes import HANG, run_children

__all__ = ["CrowdContract"]

_PROCESSES, _STUDIES, _PATIENTS = 8, 50, 10
_STEADY, _REPLACED, _FLEETING = 1, 2, 3
"""Series: what is added and never touched again, what is replaced over and over, what is removed and added again."""
_NUMBERS = {_STEADY: 4, _REPLACED: 2, _FLEETING: 3}
_BATCH = 24
_RECEIVED = datetime(2026, 2, 1, tzinfo=UTC)
_SHARED_STUDIES, _TURNS = 2 * _PATIENTS, 3
"""Of those who only add."""


class _Told(NamedTuple):
    """What a process of the crowd says at its end."""

    offered: list[str]
    """The storage keys of all entries that it has tried to add."""
    outcomes: Counter[AddStatus]
    written: dict[str, list[str]]
    """By SOP Instance UID, the digests with which it has put an instance into the index."""


def _entry(who: int, turn: int, study: int, series: int, number: int) -> Entry:
    """Make an entry of which every level says from which instance, and which revision of it, the attributes came."""
    revision = who * 1000 + turn + 1 if series == _REPLACED else 0
    name = f"{study}.{series}.{number}.{revision}"
    instance = make_instance(
        number,
        study=study,
        series=series,
        revision=revision,
        patient_id=f"P{study % _PATIENTS}",
        patient_name=PersonName(f"From^{name}"),
        study_description=name,
        series_description=name,
        modality=("CT", "MR", "PT")[(study + number) % 3],
        # A new revision may be older than what it replaces: the attributes then go back to another instance's.
        instance_creation_date=date(2026, 1, 1 + (revision * 7 + number) % 28),
        instance_creation_time=time(8, study % 60, number),
        slice_location=float(revision),
    )
    key = f"local/{name}/{who}.{turn}"
    return make_entry(instance, key=key, received=_RECEIVED, replace=series == _REPLACED)


def _work(open_database: Callable[[], Database], who: int, start: Barrier) -> _Told:
    """Add, replace and remove, at the same time as all others; whatever error there is ends the test."""
    chance = random.Random(who)
    database = open_database()
    told = _Told([], Counter(), {})
    try:
        start.wait(HANG)
        for turn, batch in enumerate(_batches(chance, who)):
            outcomes = database.add(batch, events=_events_of(batch))
            for entry, outcome in zip(batch, outcomes, strict=True):
                told.offered.append(entry.key)
                told.outcomes[outcome.status] += 1
                if outcome.status in (AddStatus.ADDED, AddStatus.REPLACED):
                    told.written.setdefault(entry.instance.sop_uid, []).append(entry.instance.sha256)
            if turn % 2 == who % 2:
                _remove_some(database, chance)
    finally:
        database.close()
    return told


def _only_add(open_database: Callable[[], Database], who: int, start: Barrier) -> None:
    """Add what no other worker adds, to the studies of all: nothing is discarded, so nothing keeps the others out."""
    database = open_database()
    try:
        start.wait(HANG)
        for turn in range(_TURNS):
            # One of the two studies of each patient: others may be at the same study, or at the patient's other one.
            studies = [study for study in range(_SHARED_STUDIES) if (study // _PATIENTS + who + turn) % 2]
            # Each turn is later than the one before; who has the latest instance of a turn differs by study.
            numbers = [turn * _PROCESSES + (who + study) % _PROCESSES + 1 for study in studies]
            added = [_entry(who, turn, *place) for place in zip(studies, repeat(_STEADY), numbers, strict=False)]
            assert {outcome.status for outcome in database.add(added, events=_events_of(added))} == {AddStatus.ADDED}
    finally:
        database.close()


def _batches(chance: random.Random, who: int) -> Iterator[list[Entry]]:
    """Make batches: each instance of a steady series comes from several processes, in an order of each one's own."""
    places = [
        (study, series, number)
        for study in range(_STUDIES)
        for series, numbers in _NUMBERS.items()
        for number in range(1, numbers + 1)
        if series != _STEADY or (study + number + who) % 3 == 0
    ]
    chance.shuffle(places)
    for turn, first in enumerate(range(0, len(places), _BATCH)):
        yield [_entry(who, turn, *place) for place in places[first : first + _BATCH]]


def _events_of(entries: Sequence[Entry]) -> Callable[[Sequence[Outcome]], list[Event]]:
    def events(outcomes: Sequence[Outcome]) -> list[Event]:
        return [
            Event(tenant="local", topic="added", key=entry.instance.sop_uid, body=b"{}")
            for entry, outcome in zip(entries, outcomes, strict=True)
            if outcome.status is AddStatus.ADDED
        ]

    return events


def _remove_some(database: Database, chance: random.Random) -> None:
    """Remove an instance and a series of those that may go."""
    study, number = chance.randrange(_STUDIES), chance.randint(1, _NUMBERS[_FLEETING])
    series = f"1.2.3.{study}.{_FLEETING}"
    database.remove("local", f"1.2.3.{study}", series, f"{series}.{number}")
    study = chance.randrange(_STUDIES)
    database.remove("local", f"1.2.3.{study}", f"1.2.3.{study}.{_FLEETING}")


def _latest(instances: Sequence[Match], keyword: str) -> dict[Any, str]:
    """For each value of a keyword, name the instance from which the attributes must have come."""
    newest: dict[Any, Match] = {}
    for row in instances:
        at = row[keyword]
        if at not in newest or _rank(row) > _rank(newest[at]):
            newest[at] = row
    return {at: _name(row) for at, row in newest.items()}


def _rank(row: Match) -> tuple[Any, ...]:
    return (row["InstanceCreationDate"], row["InstanceCreationTime"], row["SOPInstanceUID"])


def _name(row: Match) -> str:
    study, series, number = str(row["SOPInstanceUID"]).split(".")[3:]
    revision = row["SliceLocation"]
    assert isinstance(revision, float)
    return f"{study}.{series}.{number}.{revision:.0f}"


def _assert_attributes_of_the_latest(database: Database) -> None:
    """The attributes of each level came from the latest instance below it, in whatever order they arrived."""
    instances = rows(database, Level.INSTANCE)
    assert {row["SeriesInstanceUID"]: row["SeriesDescription"] for row in rows(database, Level.SERIES)} == _latest(
        instances, "SeriesInstanceUID"
    )
    assert {row["StudyInstanceUID"]: row["StudyDescription"] for row in rows(database, Level.STUDY)} == _latest(
        instances, "StudyInstanceUID"
    )
    assert {row["PatientID"]: str(row["PatientName"]) for row in rows(database, Level.PATIENT)} == {
        patient: f"From^{name}" for patient, name in _latest(instances, "PatientID").items()
    }


class CrowdContract:
    """Eight processes that add, replace and remove instances of the same fifty studies at the same time."""

    @across_processes
    def test_eight_processes_at_the_same_fifty_studies_leave_every_row_once_and_every_count_exact(
        self, database: Database, open_database: Callable[[], Database]
    ) -> None:
        start = multiprocessing.get_context("spawn").Barrier(_PROCESSES)
        # An error that reached one of them would come out here.
        told = run_children(_work, [(open_database, who, start) for who in range(_PROCESSES)])

        instances = rows(database, Level.INSTANCE)
        assert_consistent(database)  # no row twice, and every count as a full walk has it
        expected = {
            f"1.2.3.{study}.{series}.{number}"
            for study in range(_STUDIES)
            for series in (_STEADY, _REPLACED)
            for number in range(1, _NUMBERS[series] + 1)
        }
        there = {str(row["SOPInstanceUID"]) for row in instances}
        assert there >= expected
        assert all(uid.split(".")[4] == str(_FLEETING) for uid in there - expected)

        # What is there is what somebody was told to have put there.
        in_use = {one.sop_uid: one for one in database.walk()}
        assert in_use.keys() == there
        for uid, stored in in_use.items():
            assert any(stored.sha256 in one.written.get(uid, ()) for one in told), uid
        # An instance that was not removed was new exactly once, with one event.
        added = Counter(event.key for event in database.pending(100_000, relay="test", lease=60))
        assert {uid: added[uid] for uid in expected} == dict.fromkeys(expected, 1)
        assert added.total() == sum(one.outcomes[AddStatus.ADDED] for one in told)
        # Every key that was offered is in use, or its object is to be deleted.
        keys = {one.key for one in in_use.values()}
        discarded = database.discarded(100_000)
        assert keys.isdisjoint(discarded)
        assert {key for one in told for key in one.offered} == keys | set(discarded)

        _assert_attributes_of_the_latest(database)

    @across_processes
    def test_eight_processes_that_add_to_the_same_studies_keep_the_attributes_of_the_latest_instance(
        self, database: Database, open_database: Callable[[], Database]
    ) -> None:
        start = multiprocessing.get_context("spawn").Barrier(_PROCESSES)
        run_children(_only_add, [(open_database, who, start) for who in range(_PROCESSES)])

        assert len(rows(database, Level.INSTANCE)) == _PATIENTS * _TURNS * _PROCESSES
        assert_consistent(database)
        _assert_attributes_of_the_latest(database)
