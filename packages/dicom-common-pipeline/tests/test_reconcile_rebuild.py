"""An index that is made anew from the storage equals the one that was lost."""

from __future__ import annotations

import random

import pytest
from pipeline_site import Make, Site
from reconciled_site import KINDS, age, everything, forget, lose_index, reconcile

from dicom_common.host import Services
from dicom_common.pipeline import Action, Difference
from dicom_common.pipeline._discarded import delete_discarded


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


def test_rows_of_all_tenants_are_compared(site: Site, make: Make) -> None:
    for tenant in ("a", "b"):
        site.store(make(), tenant=tenant)
    lose_index(site)
    assert len(reconcile(site, rebuild=True)) == 2
    assert {row.tenant for row in site.rows} == {"a", "b"}
