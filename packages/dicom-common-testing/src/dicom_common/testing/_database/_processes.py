"""The part of the contract of an index that is about many writers, and about writers that are killed."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

import pytest

from dicom_common.core import AddStatus, Database, Entry, Event, Level, Outcome
from dicom_common.testing._contract import across_processes
from dicom_common.testing._database._checks import assert_consistent, rows
from dicom_common.testing._instances import make_entry, make_instance
from dicom_common.testing._processes import child

__all__ = ["ProcessesContract"]

Open = Callable[[], Database]
_STUDIES, _SERIES, _NUMBERS = 4, 2, 6
_BATCH = 5
_GUARD = 120
"""Seconds after which a child that hangs fails the test."""


def _overlapping(seed: int) -> Iterator[list[Entry]]:
    """Make batches of instances of the same few studies: each writer adds all, in an order of its own."""
    shuffled = random.Random(seed)
    every = [
        make_entry(
            make_instance(n, study=study, series=series, patient_id=f"P{study % 2}"),
            key=f"local/{study}/{series}/{n}/{seed}",
        )
        for study in range(_STUDIES)
        for series in range(_SERIES)
        for n in range(_NUMBERS)
    ]
    shuffled.shuffle(every)
    for start in range(0, len(every), 7):
        yield every[start : start + 7]


def _events_of_added(entries: Sequence[Entry]) -> Callable[[Sequence[Outcome]], list[Event]]:
    def events(outcomes: Sequence[Outcome]) -> list[Event]:
        return [
            Event(tenant="local", topic="added", key=entry.instance.sop_uid, body=b"{}")
            for entry, outcome in zip(entries, outcomes, strict=True)
            if outcome.status is AddStatus.ADDED
        ]

    return events


def _add_all(database: Database, seed: int) -> int:
    """Add all batches of a writer; return how many instances were new."""
    added = 0
    for batch in _overlapping(seed):
        outcomes = database.add(batch, events=_events_of_added(batch))
        added += sum(outcome.status is AddStatus.ADDED for outcome in outcomes)
    return added


def _writer(answers: Connection, open_database: Open, seed: int) -> None:
    database = open_database()
    try:
        answers.send(_add_all(database, seed))
    finally:
        database.close()


def _endless_writer(answers: Connection, open_database: Open, start: int) -> None:
    """Add batches until killed; tell of each only when `add` has returned."""
    database = open_database()
    for batch in range(start, start + 1_000_000):
        entries = [make_entry(make_instance(batch * _BATCH + n, study=batch % 3)) for n in range(_BATCH)]
        database.add(entries, events=_events_of_added(entries))
        answers.send(batch)


def _remover(answers: Connection, open_database: Open) -> None:
    database = open_database()
    for number in range(1_000_000):
        entries = [make_entry(make_instance(n, study=7), key=f"local/{number}/{n}") for n in range(_BATCH)]
        database.add(entries)
        database.remove("local", "1.2.3.7", None, f"1.2.3.7.1.{number % _BATCH}")
        database.add([make_entry(make_instance(1, study=7, revision=number), key=f"local/r{number}", replace=True)])
        answers.send(number)


def _assert_all_there(database: Database, added: int) -> None:
    assert added == _STUDIES * _SERIES * _NUMBERS
    instances = rows(database, Level.INSTANCE)
    assert len(instances) == added
    assert_consistent(database)
    events = database.pending(10_000, relay="test", lease=60)
    assert sorted(event.key for event in events) == sorted(str(row["SOPInstanceUID"]) for row in instances)
    # Of each instance one key is in use, and those that lost the race are all discarded.
    in_use = {one.key for one in database.walk()}
    assert len(in_use) == added
    assert in_use.isdisjoint(database.discarded(10_000))


class ProcessesContract:
    """Many threads, many processes, and processes that are killed."""

    crash_rounds = 4
    """How many processes are killed in the middle of their work."""

    def test_threads_that_add_the_same_studies_leave_each_instance_once(self, database: Database) -> None:
        with ThreadPoolExecutor(6) as pool:
            added = sum(pool.map(lambda seed: _add_all(database, seed), range(6)))
        _assert_all_there(database, added)

    @across_processes
    @pytest.mark.kills
    def test_processes_that_add_the_same_studies_leave_each_instance_once(
        self, database: Database, open_database: Open
    ) -> None:
        with (
            child(_writer, open_database, 1) as first,
            child(_writer, open_database, 2) as second,
        ):
            added = _add_all(database, 3) + sum(first.until_dead()) + sum(second.until_dead())
        _assert_all_there(database, added)

    def test_readers_go_on_while_others_write(self, database: Database) -> None:
        done = threading.Event()
        seen: list[int] = []

        def read() -> None:
            while not done.is_set():
                seen.append(len(rows(database, Level.INSTANCE)))

        reader = threading.Thread(target=read)
        reader.start()
        try:
            for seed in range(3):
                _add_all(database, seed)
        finally:
            done.set()
            reader.join(_GUARD)
        assert not reader.is_alive(), "a reader hangs"
        assert seen == sorted(seen)
        assert len(rows(database, Level.INSTANCE)) == _STUDIES * _SERIES * _NUMBERS

    @across_processes
    @pytest.mark.kills
    def test_what_was_added_survives_a_kill_and_a_batch_is_there_whole_or_not_at_all(self, open_database: Open) -> None:
        chance = random.Random(2)
        acknowledged: list[int] = []
        for kill in range(self.crash_rounds):
            with child(_endless_writer, open_database, kill * 1000) as running:
                after = chance.randrange(1, 15)
                for batch in running.until_dead():
                    acknowledged.append(batch)
                    if batch - kill * 1000 >= after:
                        running.process.kill()  # somewhere in the next batch; what it still says was acknowledged, too
        database = open_database()
        try:
            there = {int(str(row["InstanceNumber"])) for row in rows(database, Level.INSTANCE)}
            assert there >= {batch * _BATCH + n for batch in acknowledged for n in range(_BATCH)}
            assert len(there) == _BATCH * len({number // _BATCH for number in there})
            assert len(acknowledged) * _BATCH <= len(there) <= (len(acknowledged) + self.crash_rounds) * _BATCH
            assert database.backlog().events == len(there)
            assert_consistent(database)
        finally:
            database.close()

    @across_processes
    @pytest.mark.kills
    def test_a_kill_while_instances_are_removed_and_replaced_leaves_all_in_agreement(self, open_database: Open) -> None:
        chance = random.Random(3)
        for _ in range(max(self.crash_rounds // 2, 1)):
            with child(_remover, open_database) as running:
                after = chance.randrange(2, 12)
                for number in running.until_dead():
                    if number >= after:
                        running.process.kill()
            database = open_database()
            try:
                assert_consistent(database)
                in_use = {one.key for one in database.walk()}
                assert in_use.isdisjoint(database.discarded(10_000))
                database.remove("local", "1.2.3.7")
                database.deleted(database.discarded(10_000))
            finally:
                database.close()
