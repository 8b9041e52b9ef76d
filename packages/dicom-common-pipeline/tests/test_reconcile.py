"""Storage and index brought together again: each difference, made for real; and an index made anew."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from pipeline_site import Make, Site

from dicom_common.core import Level, Query, UnavailableError
from dicom_common.host import Services
from dicom_common.pipeline import Action, DeadLetters, Difference, DifferenceKind, Progress, Reconciliation
from dicom_common.pipeline._reconcile._needed import Need, NeededObjects
from dicom_common.pipeline._remove import delete_discarded

KINDS = DifferenceKind


def reconcile(site: Site, *, jobs: int = 1, settings: Any = None, **options: Any) -> list[Difference]:
    return list(Reconciliation(site.config(**(settings or {})), jobs=jobs, **options).run())


def lose_index(site: Site) -> None:
    for file in site.data.glob("index.sqlite*"):
        file.unlink()


def forget(site: Site, sop_uid: str) -> str:
    """Take a row out of the index as if it had never been written; the object stays. Returns its key."""
    with Services(site.config()) as services:
        row = services.db.stored("local", [sop_uid])[sop_uid]
        data = b"".join(services.storage.read(row.key))
        services.db.remove("local", row.study_uid, row.series_uid, row.sop_uid)
        services.storage.delete(row.key)
        services.db.deleted([row.key])
        key = row.key.replace(".dcm", "~left.dcm")
        services.storage.write(key, data)
    return key


def everything(site: Site) -> dict[str, Any]:
    with Services(site.config()) as services:
        rows = list(services.db.walk())
        return {
            "levels": {level: services.db.find(Query(tenant="local", level=level)) for level in Level},
            "rows": rows,
            "metadata": [
                document for row in rows for document in services.db.metadata(row.tenant, row.study_uid, row.series_uid)
            ],
        }


@pytest.fixture
def filled(site: Site, make: Make) -> Site:
    for first in range(1, 13, 4):
        site.store(*(make(sop, series=sop % 3 + 1, study=sop % 2 + 1) for sop in range(first, first + 4)))
    return site


@pytest.mark.parametrize("seed", range(3))
def test_an_index_that_is_rebuilt_after_a_random_history_has_the_same_rows(site: Site, make: Make, seed: int) -> None:
    chance = random.Random(seed)
    for step in range(12):
        batch = [
            make(
                chance.randint(1, 3),
                series=chance.randint(1, 2),
                study=chance.randint(1, 3),
                patient=chance.choice(("", "A", "B", "A\\B")),
                payload=bytes([step, number]),
                PatientName=chance.choice(("", "One^A", "Two^B")),
                StudyDescription=chance.choice(("", "first", "second")),
                Modality=chance.choice(("", "CT", "MR")),
                InstanceCreationDate=chance.choice(("", "20200101", "20210101", "20990101")),
            )
            for number in range(chance.randint(1, 4))
        ]
        site.store(*batch, ingest__duplicates="replace")
        if step % 4 == 3:
            with Services(site.config()) as services:
                row = chance.choice(list(services.db.walk()))
                services.db.remove("local", row.study_uid, row.series_uid, chance.choice((row.sop_uid, None)))
                delete_discarded(services)
    before = everything(site)
    assert reconcile(site) == []
    lose_index(site)
    assert {one.action for one in reconcile(site, rebuild=True)} == {"indexed"}
    assert everything(site) == before
    assert reconcile(site) == []


def test_rows_that_are_not_what_their_instances_say_are_told_and_repaired(filled: Site) -> None:
    before = everything(filled)
    with closing(sqlite3.connect(filled.data / "index.sqlite", isolation_level=None)) as index:
        index.execute("UPDATE study SET instances = 99 WHERE study_uid = '2.25.1.1'")
        index.execute("UPDATE patient SET patient_sex = 'X'")
    study, person = "local/2.25.1.1", "local"
    told = [
        Difference(KINDS.DERIVED, study, Action.NONE, "1 rows"),
        Difference(KINDS.DERIVED, person, Action.NONE, "the row of a patient"),
    ]
    assert reconcile(filled) == told
    work = Reconciliation(filled.config(), jobs=1, repair=True)
    assert [one.action for one in work.run()] == ["repaired", "repaired"]
    assert (work.progress.wrong_rows, work.progress.differences) == (2, {KINDS.DERIVED: 2})
    assert everything(filled) == before
    assert reconcile(filled) == []


@pytest.mark.parametrize("digests", [True, False])
def test_what_agrees_has_no_difference(filled: Site, digests: bool) -> None:
    told: list[int] = []
    run = Reconciliation(filled.config(), digests=digests, jobs=1, on_progress=lambda p: told.append(p.compared))
    assert list(run.run()) == []
    assert run.progress.compared == told[-1] == 12
    assert run.progress.bytes_verified == (sum(row.size for row in filled.rows) if digests else 0)
    assert not (filled.data / "reconcile.sqlite").exists()


def test_nothing_at_all_has_no_difference(site: Site) -> None:
    assert reconcile(site) == []
    assert reconcile(site, rebuild=True) == []


def test_an_orphan_is_told_and_indexed_with_its_events_on_repair(filled: Site) -> None:
    key = forget(filled, "2.25.1.2.2.1")
    before = len(filled.events("dicom_image_queue"))
    assert reconcile(filled) == [Difference(KINDS.ORPHAN, key, Action.NONE)]
    assert reconcile(filled, repair=True) == [Difference(KINDS.ORPHAN, key, Action.INDEXED)]
    assert len(filled.events("dicom_image_queue")) == before + 1
    assert reconcile(filled, repair=True) == []
    filled.assert_consistent()


def test_a_stray_is_told_and_discarded_on_repair(filled: Site) -> None:
    row = filled.rows[0]
    stray = row.key.replace(".dcm", "~0123456789abcdef.dcm")
    with Services(filled.config()) as services:
        services.storage.write(stray, b"".join(services.storage.read(row.key)))
    assert reconcile(filled) == [Difference(KINDS.STRAY, stray, Action.NONE)]
    assert reconcile(filled, repair=True) == [Difference(KINDS.STRAY, stray, Action.DISCARDED)]
    assert stray not in filled.objects
    assert reconcile(filled) == []
    filled.assert_consistent()


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_stray_that_may_be_the_only_good_copy_is_never_discarded(filled: Site, damage: str) -> None:
    row = filled.rows[0]
    stray = row.key.replace(".dcm", "~0123456789abcdef.dcm")
    file = filled.data / "objects" / row.key
    data = file.read_bytes()
    (filled.data / "objects" / stray).write_bytes(data)
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    found = {(difference.kind, difference.key, difference.action) for difference in reconcile(filled, repair=True)}
    assert found == {(KINDS(damage), row.key, "none"), (KINDS.STRAY, stray, "none")}
    assert filled.objects[stray] == data


def test_what_is_no_instance_is_told_with_its_reason_and_left_alone(filled: Site) -> None:
    made = {"local/x/readme.txt": b"hello", "UPPER/x.dcm": b"x", "local/y.dcm": b""}
    with Services(filled.config()) as services:
        for key, data in made.items():
            services.storage.write(key, data)
        services.storage.write("local/metadata/20260102/2.25.json", b"[]")  # a document: no business of this
    for options in ({}, {"repair": True}, {"rebuild": True}):
        found = reconcile(filled, **options)
        assert {(difference.kind, difference.key, difference.action) for difference in found} == {
            (KINDS.UNREADABLE, key, "none") for key in made
        }
        assert all(difference.detail for difference in found)
    assert filled.objects.items() >= made.items()


def test_an_object_that_is_missing_is_told_and_never_repaired(filled: Site) -> None:
    row = filled.rows[3]
    (filled.data / "objects" / row.key).unlink()
    for options in ({}, {"repair": True}, {"digests": False}):
        assert reconcile(filled, **options) == [Difference(KINDS.MISSING, row.key, Action.NONE)]
    assert row in filled.rows


def test_damage_is_told_by_digest_or_size_and_never_repaired(filled: Site) -> None:
    flipped, short = filled.rows[2], filled.rows[5]
    for row, end in ((flipped, b"\x7f"), (short, b"")):
        file = filled.data / "objects" / row.key
        file.write_bytes(file.read_bytes()[:-1] + end)
    by_digest = [Difference(KINDS.DAMAGED, row.key, Action.NONE) for row in (flipped, short)]
    assert sorted(reconcile(filled), key=str) == sorted(by_digest, key=str)
    assert sorted(reconcile(filled, repair=True, jobs=2), key=str) == sorted(by_digest, key=str)
    assert reconcile(filled, digests=False) == [Difference(KINDS.DAMAGED, short.key, Action.NONE)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_index_that_is_rebuilt_equals_the_old_one_without_new_events(filled: Site, make: Make, jobs: int) -> None:
    filled.store(make(1, series=9, patient="P2"), make(2, series=9))  # a study with two patients
    before = everything(filled)
    lose_index(filled)
    found = reconcile(filled, rebuild=True, jobs=jobs)
    assert {(difference.kind, difference.action) for difference in found} == {(KINDS.ORPHAN, "indexed")}
    assert everything(filled) == before
    assert filled.events("dicom_image_queue") == []
    assert reconcile(filled) == []


def test_rows_that_were_lost_are_rebuilt_beside_those_that_were_not(filled: Site) -> None:
    key = forget(filled, "2.25.1.2.2.1")
    assert reconcile(filled, rebuild=True) == [Difference(KINDS.ORPHAN, key, Action.INDEXED)]
    filled.assert_consistent()


def age(site: Site, key: str, seconds: int) -> None:
    file = site.data / "objects" / key
    os.utime(file, (file.stat().st_mtime - seconds,) * 2)


@pytest.mark.parametrize("policy", ["reject", "replace"])
def test_of_two_objects_of_an_instance_a_rebuild_takes_the_first_or_by_policy_the_last(
    site: Site, make: Make, policy: str
) -> None:
    [first] = site.store(make(payload=b"old!"))
    lose_index(site)
    [second] = site.store(make(payload=b"new!"))
    lose_index(site)
    age(site, first.key or "", 60)
    found = reconcile(site, rebuild=True, settings={"ingest__duplicates": policy})
    [row] = site.rows
    assert row.key == (first.key if policy == "reject" else second.key)
    assert len(found) == 2
    assert reconcile(site, rebuild=True, restart=True, settings={"ingest__duplicates": policy}) == (
        [Difference(KINDS.STRAY, second.key or "", Action.NONE)]
        if policy == "reject"
        else [Difference(KINDS.STRAY, first.key or "", Action.NONE)]
    )
    assert [row.key for row in site.rows] == [row.key]


def test_a_rebuild_never_puts_an_older_object_in_the_place_of_the_one_that_is_indexed(site: Site, make: Make) -> None:
    [first] = site.store(make(payload=b"old!"))
    lose_index(site)
    [second] = site.store(make(payload=b"new!"))
    age(site, first.key or "", 60)
    found = reconcile(site, rebuild=True, repair=True, settings={"ingest__duplicates": "replace"})
    assert found == [Difference(KINDS.STRAY, first.key or "", Action.NONE)]
    assert [row.key for row in site.rows] == [second.key]
    assert len(site.objects) == 2


def test_an_orphan_of_another_patient_follows_the_policy_on_repair(site: Site, make: Make) -> None:
    site.store(make(1))
    site.store(make(2, patient="P2"))
    key = forget(site, "2.25.1.1.1.2")
    reject = {"ingest__other_patient": "reject"}
    [found] = reconcile(site, repair=True, settings=reject)
    assert (found.kind, found.key, found.action) == (KINDS.STRAY, key, "discarded")


class Interrupt(Exception):  # noqa: N818 - it is no error
    pass


@pytest.mark.parametrize("options", [{"repair": True}, {"rebuild": True}])
def test_an_interrupted_run_goes_on_and_tells_everything_in_the_end(
    site: Site, make: Make, options: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_common.pipeline._reconcile._reconcile._BATCH", 4)
    site.store(*(make(sop) for sop in range(1, 21)))
    orphans = [forget(site, f"2.25.1.1.1.{sop}") for sop in range(3, 15)]
    missing = site.rows[0].key
    (site.data / "objects" / missing).unlink()
    expected = {(KINDS.ORPHAN, key, "indexed") for key in orphans} | {(KINDS.MISSING, missing, "none")}

    read: list[Progress] = []
    for stop in itertools.count(1):
        seen = itertools.count(1)

        def interrupt(progress: Progress, stop: int = stop, seen: Iterator[int] = seen) -> None:
            read.append(progress)
            if next(seen) == 2 and stop < 6:
                raise Interrupt

        run = Reconciliation(site.config(), jobs=1, on_progress=interrupt, **options)
        try:
            found = list(run.run())
        except Interrupt:
            continue
        break
    assert stop > 3
    assert {(difference.kind, difference.key, difference.action) for difference in found} == expected
    assert len(found) == len(expected)
    assert len(site.rows) == 20
    assert sum(progress.compared for progress in {id(p): p for p in read}.values()) < 2 * 20 + 4 * 6


def test_another_kind_of_run_does_not_go_on_from_one_that_was_interrupted(filled: Site) -> None:
    row = filled.rows[0]
    (filled.data / "objects" / row.key).unlink()

    def interrupt(_: Progress) -> None:
        raise Interrupt

    with pytest.raises(Interrupt):
        list(Reconciliation(filled.config(), jobs=1, on_progress=interrupt).run())
    for options in ({"repair": True}, {"digests": False}, {"restart": True}, {}):
        assert reconcile(filled, **options) == [Difference(KINDS.MISSING, row.key, Action.NONE)]


def test_two_runs_at_once_are_refused(filled: Site) -> None:
    file = filled.rows[0].key
    (filled.data / "objects" / file).unlink()
    first = Reconciliation(filled.config(), jobs=1).run()
    assert next(first).kind == KINDS.MISSING
    with pytest.raises(UnavailableError, match="Another reconciliation is running"):
        reconcile(filled)
    assert list(first) == []
    assert len(reconcile(filled)) == 1


def test_a_journal_that_is_broken_is_told(filled: Site) -> None:
    (filled.data / "reconcile.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(Exception, match="Delete it and try again"):
        reconcile(filled)


_KILLED = """
import os, signal, sys
from dicom_common.host import Config
from dicom_common.pipeline import Reconciliation
from dicom_common.pipeline._reconcile import _reconcile
_reconcile._BATCH = 3
turns = int(sys.argv[2])
def on_progress(progress):
    global turns
    turns -= 1
    if turns < 0:
        os.kill(os.getpid(), signal.SIGKILL)
config = Config.load(overrides={"data": sys.argv[1]}, variables={})
for difference in Reconciliation(config, rebuild=True, jobs=1, on_progress=on_progress).run():
    pass
"""


@pytest.mark.kills
@pytest.mark.parametrize("turns", [1, 5])
def test_a_rebuild_that_is_killed_goes_on_and_the_index_equals_the_old_one(filled: Site, turns: int) -> None:
    before = everything(filled)
    lose_index(filled)
    command = [sys.executable, "-c", _KILLED, str(filled.data), str(turns)]
    assert subprocess.run(command, timeout=60, check=False).returncode == -signal.SIGKILL
    reconcile(filled, rebuild=True)
    assert everything(filled) == before
    assert reconcile(filled) == []


def test_a_repair_while_instances_are_taken_in_harms_none(site: Site, make: Make) -> None:
    stop = threading.Event()
    problems: list[object] = []

    def repair() -> None:
        while not stop.is_set():
            problems.extend(
                difference
                for difference in reconcile(site, repair=True, restart=True)
                if difference.kind in (KINDS.MISSING, KINDS.DAMAGED, KINDS.UNREADABLE)
            )

    thread = threading.Thread(target=repair)
    thread.start()
    answers = [
        answer
        for first in range(1, 60, 3)
        for answer in site.store(
            *(make(sop, payload=bytes([who]) * 2) for who in (1, 2) for sop in range(first, first + 3)),
            ingest__duplicates="replace",
        )
    ]
    stop.set()
    thread.join()
    assert problems == []
    assert {str(answer.status) for answer in answers} <= {"stored", "replaced", "duplicate"}
    assert len(site.rows) == 60
    assert reconcile(site, repair=True) == []
    assert set(site.objects.values()) == {make(sop, payload=b"\2\2") for sop in range(1, 61)}
    site.assert_consistent()


def test_rows_of_all_tenants_are_compared(site: Site, make: Make) -> None:
    for tenant in ("a", "b"):
        site.store(make(), tenant=tenant)
    lose_index(site)
    assert len(reconcile(site, rebuild=True)) == 2
    assert {row.tenant for row in site.rows} == {"a", "b"}


def refuse_the_message(site: Site) -> None:
    """Do as a worker that cannot deal with the one message that waits."""
    with (
        Services(site.config()) as services,
        services.broker.consume(["storage_queue"], "dicom-common-workers") as consumer,
    ):
        [delivery] = consumer.receive(1, timeout=5)
        services.broker.publish("storage_queue.dead", [delivery.message])
        consumer.acknowledge([delivery])


def test_the_object_of_a_dead_letter_is_kept_as_long_as_the_letter_waits(site: Site, make: Make) -> None:
    queued = {"ingest__mode": "queued"}
    site.store(make())
    [result] = site.store(make(payload=b"other"), **queued)
    key = str(result.key)

    def strays() -> list[tuple[str, str]]:
        found = list(Reconciliation(site.config(), repair=True, jobs=1, restart=True).run())
        assert {(each.kind, each.key) for each in found} == {(DifferenceKind.STRAY, key)}
        return [(each.action, each.detail) for each in found]

    [(action, detail)] = strays()
    assert (action, detail) == ("none", Need.QUEUED)

    refuse_the_message(site)
    assert strays() == [("none", Need.DEAD_LETTER)]
    assert key in site.objects

    with Services(site.config()) as services, DeadLetters(services.broker, ["storage_queue"]) as letters:
        list(letters.drop(letters.read()))
    assert strays() == [("discarded", "")]
    assert key not in site.objects


def test_no_stray_is_discarded_while_another_one_has_the_dead_letters(
    site: Site, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_common.pipeline._events._dead_letters._JOIN_SECONDS", 0.3)
    site.store(make())
    [result] = site.store(make(payload=b"other"), ingest__mode="queued")
    refuse_the_message(site)

    with Services(site.config()) as services, DeadLetters(services.broker, ["storage_queue"]) as letters:
        assert len(letters.read()) == 1
        [found] = reconcile(site, repair=True)

    assert (found.kind, found.action, found.detail) == (KINDS.STRAY, "none", Need.LETTERS_IN_USE)
    assert result.key in site.objects


def test_the_object_of_a_dead_letter_of_another_patient_is_kept_too(site: Site, make: Make) -> None:
    site.store(make(1))
    [result] = site.store(make(2, patient="P2"), ingest__mode="queued")
    refuse_the_message(site)
    reject = {"ingest__other_patient": "reject"}
    [found] = reconcile(site, repair=True, settings=reject)
    assert (found.kind, found.action, found.detail) == (KINDS.STRAY, "none", Need.DEAD_LETTER)
    assert result.key in site.objects

    with Services(site.config()) as services, DeadLetters(services.broker, ["storage_queue"]) as letters:
        list(letters.drop(letters.read()))
    [found] = reconcile(site, repair=True, settings=reject)
    assert (found.kind, found.action) == (KINDS.STRAY, "discarded")
    assert result.key not in site.objects


def test_an_object_whose_message_is_still_to_be_published_is_kept(site: Site, make: Make) -> None:
    [first] = site.store(make())
    key = str(first.key).replace(".dcm", "~0123456789abcdef.dcm")
    with Services(site.config()) as services:  # as a receiver in the middle of a batch
        services.storage.write(key, make(payload=b"newer"))
        services.storage.write(key.replace("~0", "~f"), make())  # one that died, and whose sender came again
    queued = {"ingest__mode": "queued"}
    found, copy = sorted(reconcile(site, repair=True, settings=queued), key=lambda each: each.key)
    assert (found.key, found.action, found.detail) == (key, "none", Need.MESSAGE_UNDERWAY)
    assert (copy.key, copy.action) == (key.replace("~0", "~f"), "discarded")
    assert sorted(site.objects) == sorted([str(first.key), key])

    age(site, key, 2 * 3600)
    [found] = reconcile(site, repair=True, settings=queued)
    assert (found.key, found.action) == (key, "discarded")


class Waiting:
    """A broker that goes on to the real one, but says what waits for workers before and behind who reads letters."""

    def __init__(self, real: Any, before: int, behind: int) -> None:
        self._real, self._count, self._behind = real, before, behind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def consume(self, topics: Sequence[str], group: str) -> Any:
        self._count = self._behind
        return self._real.consume(topics, group)

    def backlog(self, topic: str, group: str) -> int:
        if topic != "storage_queue":
            return int(self._real.backlog(topic, group))
        if self._count < 0:
            raise UnavailableError("the broker is away")
        return self._count


@pytest.mark.parametrize(
    ("before", "behind", "why"),
    [(1, 0, Need.QUEUED), (0, 1, Need.QUEUED), (-1, -1, Need.UNKNOWN), (0, 0, None)],
    ids=["processed-meanwhile", "replayed-meanwhile", "away", "nothing"],
)
def test_what_waits_before_or_behind_the_reading_of_letters_may_be_any_object(
    site: Site, before: int, behind: int, why: Need | None
) -> None:
    services = site.services()
    services.broker.create_topics(["storage_queue", "storage_queue.dead"])
    services._opened["broker"] = Waiting(services.broker, before, behind)
    assert NeededObjects(services).why("local/any.dcm", datetime(2026, 1, 1, tzinfo=UTC)) is why
