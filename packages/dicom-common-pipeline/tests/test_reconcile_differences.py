"""Each difference between storage and index, made for real: told, and repaired where nothing is lost by it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from pipeline_site import Make, Site
from reconciled_site import KINDS, everything, forget, reconcile

from dicom_common.host import Services
from dicom_common.pipeline import Action, Difference, Reconciliation


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


def test_an_orphan_is_told_and_indexed_with_its_events_on_repair(filled: Site) -> None:
    key = forget(filled, "2.25.1.2.2.1")
    before = len(filled.events("dicom_image_queue"))
    assert reconcile(filled) == [Difference(KINDS.ORPHAN, key, Action.NONE)]
    assert reconcile(filled, repair=True) == [Difference(KINDS.ORPHAN, key, Action.INDEXED)]
    assert len(filled.events("dicom_image_queue")) == before + 1
    assert reconcile(filled, repair=True) == []
    filled.assert_consistent()


def test_an_orphan_of_another_patient_follows_the_policy_on_repair(site: Site, make: Make) -> None:
    site.store(make(1))
    site.store(make(2, patient="P2"))
    key = forget(site, "2.25.1.1.1.2")
    reject = {"ingest__other_patient": "reject"}
    [found] = reconcile(site, repair=True, settings=reject)
    assert (found.kind, found.key, found.action) == (KINDS.STRAY, key, "discarded")


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
