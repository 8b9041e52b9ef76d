"""The part of the contract of an index that is about adding."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, time
from typing import Any

import pytest

from dicom_common.core import AddStatus, Database, Event, Instance, Level, Match, Outcome, PersonName, Query
from dicom_common.testing._database._checks import assert_consistent, rows, uids
from dicom_common.testing._instances import make_entry, make_instance

__all__ = ["AddingContract"]

ADDED, SAME, REPLACED, CONFLICT = AddStatus.ADDED, AddStatus.SAME, AddStatus.REPLACED, AddStatus.CONFLICT
ODD = [
    *("Z\u00fcrich", "山田", "%_\\[]*?'\"", "a\tb", "\U0001f600", "\u2019", " a  b "),
    *("' OR 1=1--", "'; DROP TABLE study; --"),
]


def statuses(outcomes: Sequence[Outcome]) -> list[AddStatus]:
    """Return the statuses of outcomes."""
    return [outcome.status for outcome in outcomes]


class AddingContract:
    """Adding instances."""

    def test_an_added_instance_is_found_again_at_every_level(self, database: Database) -> None:
        entry = make_entry()
        (outcome,) = database.add([entry])
        assert outcome == Outcome(status=ADDED, key=entry.key, sha256=entry.instance.sha256, series_instances=1)
        assert [len(rows(database, level)) for level in Level] == [1, 1, 1, 1]
        stored = database.stored("local", [entry.instance.sop_uid, "1.2.3.4.5"])
        assert list(stored) == [entry.instance.sop_uid]
        assert stored[entry.instance.sop_uid].key == entry.key
        assert stored[entry.instance.sop_uid].size == entry.instance.size
        assert database.owners([entry.key, "another"]) == {entry.key: stored[entry.instance.sop_uid]}
        assert list(database.metadata("local", entry.instance.study_uid)) == [entry.metadata]

    def test_nothing_is_added_of_an_empty_batch(self, database: Database) -> None:
        assert database.add([]) == []
        assert [rows(database, level) for level in Level] == [[], [], [], []]

    def test_adding_the_same_bytes_again_changes_nothing(self, database: Database) -> None:
        entry = make_entry()
        database.add([entry])
        before = [rows(database, level) for level in Level]
        (outcome,) = database.add([entry])
        assert outcome == Outcome(status=SAME, key=entry.key, sha256=entry.instance.sha256, series_instances=1)
        assert [rows(database, level) for level in Level] == before
        assert database.discarded(10) == []

    def test_the_same_bytes_under_another_key_leave_that_key_discarded(self, database: Database) -> None:
        entry = make_entry()
        database.add([entry])
        (outcome,) = database.add([replace(entry, key="local/other.dcm")])
        assert (outcome.status, outcome.key) == (SAME, entry.key)
        assert database.discarded(10) == ["local/other.dcm"]

    def test_other_bytes_under_the_same_uid_are_a_conflict_and_the_first_stay(self, database: Database) -> None:
        first, second = make_entry(make_instance()), make_entry(make_instance(revision=1))
        database.add([first])
        (outcome,) = database.add([second])
        assert (outcome.status, outcome.key, outcome.sha256) == (CONFLICT, first.key, first.instance.sha256)
        assert database.discarded(10) == [second.key]
        assert database.stored("local", [first.instance.sop_uid])[first.instance.sop_uid].key == first.key

    def test_other_bytes_take_the_place_of_the_first_where_the_entry_replaces(self, database: Database) -> None:
        first = make_entry(make_instance(number=1, rows=100))
        second = make_entry(make_instance(number=1, revision=1, rows=200), replace=True, metadata=b'{"second":{}}')
        database.add([first, make_entry(make_instance(number=2))])
        (outcome,) = database.add([second])
        assert (outcome.status, outcome.key, outcome.series_instances) == (REPLACED, second.key, 2)
        assert database.discarded(10) == [first.key]
        assert next(database.metadata("local", "1.2.3.1", None, first.instance.sop_uid)) == b'{"second":{}}'
        assert rows(database, Level.INSTANCE)[0]["Rows"] == 200
        assert_consistent(database)

    def test_a_replacement_that_keeps_its_key_discards_nothing(self, database: Database) -> None:
        database.add([make_entry(make_instance(), key="local/one.dcm")])
        (outcome,) = database.add([make_entry(make_instance(revision=1), key="local/one.dcm", replace=True)])
        assert outcome.status is REPLACED
        assert database.discarded(10) == []

    def test_parents_follow_a_replaced_instance(self, database: Database) -> None:
        old = make_instance(1, study_description="old", modality="CT", sop_class_uid="1.2.9.1")
        new = make_instance(1, revision=1, study_description="new", modality="MR", sop_class_uid="1.2.9.2")
        database.add([make_entry(old)])
        database.add([make_entry(new, replace=True)])
        (study,) = rows(database, Level.STUDY)
        assert (study["StudyDescription"], study["ModalitiesInStudy"]) == ("new", ("MR",))
        assert study["SOPClassesInStudy"] == ("1.2.9.2",)

    def test_a_batch_that_has_an_instance_twice_counts_as_two_batches(self, database: Database) -> None:
        first, other = make_entry(), make_entry(make_instance(revision=1))
        newest = make_entry(make_instance(revision=2), replace=True)
        outcomes = database.add([first, first, other, newest, newest])
        assert statuses(outcomes) == [ADDED, SAME, CONFLICT, REPLACED, SAME]
        assert [outcome.key for outcome in outcomes] == [first.key, first.key, first.key, newest.key, newest.key]
        assert sorted(database.discarded(10)) == sorted([first.key, other.key])
        assert len(rows(database, Level.INSTANCE)) == 1
        assert_consistent(database)

    def test_an_instance_in_another_study_or_series_is_misplaced(self, database: Database) -> None:
        database.add([make_entry(make_instance(1, sop_uid="1.2.9"))])
        elsewhere = [make_instance(1, study=2, sop_uid="1.2.9"), make_instance(1, series=2, sop_uid="1.2.9")]
        outcomes = database.add([make_entry(one, replace=True) for one in elsewhere])
        assert statuses(outcomes) == [AddStatus.MISPLACED, AddStatus.MISPLACED]
        assert uids(database, Level.STUDY) == ["1.2.3.1"]
        assert_consistent(database)

    def test_an_entry_that_keeps_its_key_has_it_discarded_for_the_same_bytes_only(self, database: Database) -> None:
        first = make_entry(make_instance(1, sop_uid="1.2.9"))
        database.add([first])
        same = make_entry(first.instance, key="local/same.dcm", keeps_key=True)
        other = make_entry(make_instance(1, sop_uid="1.2.9", sha256="f" * 64), key="local/other.dcm", keeps_key=True)
        misplaced = make_entry(make_instance(1, study=2, sop_uid="1.2.9"), key="local/lost.dcm", keeps_key=True)
        stranger = make_instance(2, patient_id="B")
        refused = make_entry(stranger, key="local/b.dcm", accept_other_patient=False, keeps_key=True)
        outcomes = database.add([same, other, misplaced, refused])
        assert statuses(outcomes) == [SAME, CONFLICT, AddStatus.MISPLACED, AddStatus.OTHER_PATIENT]
        assert database.discarded(10) == ["local/same.dcm"]
        (taken,) = database.add([make_entry(stranger, key="local/b.dcm")])
        assert taken.status is ADDED
        assert_consistent(database)

    def test_a_series_that_occurs_in_two_studies_is_told(self, database: Database) -> None:
        first = make_instance(1, study=1, series_uid="1.2.8")
        second = make_instance(1, study=2, series_uid="1.2.8")
        assert [one.series_in_other_study for one in database.add([make_entry(first)])] == [False]
        assert [one.series_in_other_study for one in database.add([make_entry(second)])] == [True]
        assert uids(database, Level.SERIES) == ["1.2.8", "1.2.8"]
        assert_consistent(database)

    def test_a_study_stays_with_the_patient_that_it_came_with(self, database: Database) -> None:
        own = make_instance(1, patient_id="A", patient_name=PersonName("Own^Name"))
        later = make_instance(
            2, patient_id="B", patient_name=PersonName("Other^Name"), instance_creation_date=date(2026, 1, 1)
        )
        database.add([make_entry(own)])
        (refused,) = database.add([make_entry(later, accept_other_patient=False)])
        assert refused.status is AddStatus.OTHER_PATIENT
        assert database.discarded(10) == [make_entry(later).key]
        retry = make_entry(later, key="local/again.dcm")
        (taken,) = database.add([retry])
        assert (taken.status, taken.patient_differs) == (ADDED, True)
        assert [(row["PatientID"], row["PatientName"]) for row in rows(database, Level.PATIENT)] == [
            ("A", PersonName("Own^Name"))
        ]
        assert {row["PatientID"] for row in rows(database, Level.INSTANCE)} == {"A"}
        assert_consistent(database)

    def test_a_patient_is_the_id_and_its_issuer(self, database: Database) -> None:
        issuers = [None, "HOSP", "CLINIC"]
        database.add([
            make_entry(make_instance(1, study=number, patient_id="1", issuer_of_patient_id=issuer))
            for number, issuer in enumerate(issuers)
        ])  # fmt: skip
        assert [row["IssuerOfPatientID"] for row in rows(database, Level.PATIENT)] == ["CLINIC", "HOSP", None]

    def test_tenants_do_not_see_each_other(self, database: Database) -> None:
        mine, theirs = make_entry(tenant="mine"), make_entry(tenant="theirs")
        assert statuses(database.add([mine, theirs])) == [ADDED, ADDED]
        database.add([make_entry(make_instance(2), tenant="theirs")])
        assert len(rows(database, Level.INSTANCE, "mine")) == 1
        assert len(rows(database, Level.INSTANCE, "theirs")) == 2
        assert rows(database, Level.STUDY, "nobody") == []
        assert database.count(Query(tenant="nobody", level=Level.STUDY)) == 0
        assert database.stored("mine", ["1.2.3.1.1.2"]) == {}
        assert database.stored("nobody", ["1.2.3.1.1.1"]) == {}
        assert [one.tenant for one in database.instances("mine", "1.2.3.1")] == ["mine"]
        assert list(database.metadata("nobody", "1.2.3.1")) == []
        assert [one.key for one in database.remove("mine", "1.2.3.1")] == [mine.key]
        assert len(rows(database, Level.INSTANCE, "theirs")) == 2
        for tenant in ("mine", "theirs"):
            assert_consistent(database, tenant)

    def test_the_order_of_arrival_does_not_matter(self, database: Database) -> None:
        shuffled = random.Random(1)
        instances = [*_siblings(), *_siblings(study=2, same_patient=True)]
        expected: list[list[Match]] = []
        for turn in range(8):
            shuffled.shuffle(instances)
            tenant, cut = f"turn-{turn}", shuffled.randrange(1, len(instances))
            for some in (instances[:cut], instances[cut:]):
                database.add([make_entry(one, tenant=tenant) for one in some])
            found = [rows(database, level, tenant) for level in Level]
            expected = expected or found
            assert found == expected
            assert_consistent(database, tenant)

    def test_parents_have_the_attributes_of_the_instance_that_was_made_last(self, database: Database) -> None:
        database.add([make_entry(one) for one in _siblings()])
        (study,) = rows(database, Level.STUDY)
        assert (study["StudyDescription"], study["PatientName"]) == ("newest", PersonName("newest"))
        assert rows(database, Level.SERIES)[0]["SeriesDescription"] == "newest of 1"

    @pytest.mark.parametrize("case_value", ODD)
    def test_any_text_comes_back_as_it_was(self, database: Database, case_value: str) -> None:
        group = case_value.replace("=", "")  # in a name it is the delimiter of groups
        instance = make_instance(
            1,
            patient_id=case_value,
            patient_name=PersonName(group, group),
            accession_number=case_value,
            image_type=(case_value, "X"),
        )
        database.add([make_entry(instance, metadata=case_value.encode())])
        (row,) = rows(database, Level.INSTANCE)
        assert row["PatientID"] == row["AccessionNumber"] == case_value
        assert row["PatientName"] == PersonName(group, group)
        assert row["ImageType"] == (case_value, "X")
        assert list(database.metadata("local", "1.2.3.1")) == [case_value.encode()]

    def test_text_that_no_column_takes_spoils_nothing(self, database: Database) -> None:
        bad = ["x" * 10_000, "nul\0", "\0", "山" * 10_000, "lone\ud800surrogate", ""]
        entries = [
            make_entry(
                make_instance(
                    1, study=number, patient_id=value, patient_name=PersonName(value), accession_number=value,
                    study_description=value, image_type=(value,) * 300, photometric_interpretation=value,
                )
            )
            for number, value in enumerate(bad)
        ]  # fmt: skip
        assert statuses(database.add(entries)) == [ADDED] * len(bad)
        assert statuses(database.add(entries)) == [SAME] * len(bad)
        assert_consistent(database)

    def test_two_long_patient_ids_stay_two_patients(self, database: Database) -> None:
        database.add([make_entry(make_instance(1, study=n, patient_id="x" * 5000 + str(n))) for n in range(2)])
        assert len(rows(database, Level.PATIENT)) == 2

    def test_numbers_that_no_column_takes_spoil_nothing(self, database: Database) -> None:
        wild: dict[str, Any] = {
            "series_number": 10**30,
            "instance_number": -(10**30),
            "rows": 10**25,
            "number_of_frames": 2**31,
            "slice_thickness": float("nan"),
            "patient_weight": float("inf"),
            "window_center": (float("nan"), 1.0),
            "rescale_slope": 1e308,
        }
        entries = [
            make_entry(make_instance(number, **{name: value})) for number, (name, value) in enumerate(wild.items())
        ]
        assert statuses(database.add(entries)) == [ADDED] * len(wild)
        assert len(rows(database, Level.INSTANCE)) == len(wild)

    def test_a_negative_zero_comes_back_as_zero(self, database: Database) -> None:
        zeros: dict[str, Any] = dict.fromkeys(("slice_location", "patient_weight", "rescale_intercept"), -0.0)
        database.add([make_entry(make_instance(1, **zeros, window_center=(-0.0, 1.0)))])
        (row,) = rows(database, Level.INSTANCE)
        kept = [row[key] for key in ("SliceLocation", "PatientWeight", "RescaleIntercept", "WindowCenter")]
        assert str(kept) == "[0.0, 0.0, 0.0, (0.0, 1.0)]"  # every database alike: SQLite has no other zero

    def test_every_attribute_comes_back_in_its_type(self, database: Database) -> None:
        given = make_instance(
            1, patient_birth_date=date(1970, 1, 2), patient_birth_time=time(23, 59, 59, 999_999), patient_weight=70.25,
            image_position_patient=(1.5, -2.0, 1e-7), window_center=(40.0, 400.0), acquisition_date=date(1, 1, 1),
            acquisition_time=time(0), content_date=date(9999, 12, 31), rescale_slope=-1.5, samples_per_pixel=3,
        )  # fmt: skip
        database.add([make_entry(given)])
        (row,) = rows(database, Level.INSTANCE)
        for keyword, value in {
            "PatientBirthDate": date(1970, 1, 2), "PatientBirthTime": time(23, 59, 59, 999_999), "PatientWeight": 70.25,
            "ImagePositionPatient": (1.5, -2.0, 1e-7), "WindowCenter": (40.0, 400.0), "AcquisitionDate": date(1, 1, 1),
            "AcquisitionTime": time(0), "ContentDate": date(9999, 12, 31), "RescaleSlope": -1.5, "SamplesPerPixel": 3,
            "StudyDate": date(2026, 1, 1), "Columns": None, "ImageType": (), "RequestAttributesSequence": (),
            "PatientSex": None, "IssuerOfPatientID": None, "ReferringPhysicianName": None,
        }.items():  # fmt: skip
            assert row[keyword] == value, keyword
            assert type(row[keyword]) is type(value), keyword

    def test_events_are_made_of_the_outcomes_and_written_with_the_rows(self, database: Database) -> None:
        seen: list[Outcome] = []

        def events(outcomes: Sequence[Outcome]) -> list[Event]:
            seen[:] = outcomes
            return [_event(outcome.key) for outcome in outcomes if outcome.status is ADDED]

        outcomes = database.add([make_entry(), make_entry()], events=events)
        assert seen == outcomes
        assert [event.key for event in database.pending(10, relay="a", lease=60)] == [outcomes[0].key]

    def test_a_failure_while_events_are_made_leaves_nothing(self, database: Database) -> None:
        def events(outcomes: Sequence[Outcome]) -> list[Event]:
            raise LookupError(f"{len(outcomes)} outcomes")

        with pytest.raises(LookupError):
            database.add([make_entry(tenant="new")], events=events)
        assert rows(database, Level.INSTANCE, "new") == []
        assert database.backlog().events == 0
        assert statuses(database.add([make_entry(tenant="new")])) == [ADDED]


def _siblings(study: int = 1, *, same_patient: bool = False) -> list[Instance]:
    """Make instances that disagree in everything above them."""
    made = []
    when = [(None, None), (date(2026, 1, 1), None), (date(2026, 1, 1), time(0)), (date(2026, 1, 2), time(9))]
    for number, (day, moment) in enumerate([*when, (date(2026, 1, 2), time(9))]):
        for series in (1, 2):
            newest = number == 4 and series == 1
            made.append(
                make_instance(
                    number, study=study, series=series, instance_creation_date=day,
                    # Of two that were made at once, the greater UID is the later one.
                    instance_creation_time=time(10) if newest else moment,
                    patient_id="SAME" if same_patient else f"P{study}",
                    patient_name=PersonName("newest" if newest else f"older {number} {series}"),
                    study_description="newest" if newest else f"older {number} {series}",
                    series_description=f"newest of {series}" if number == 4 else f"older {number}",
                    modality="CT" if number == 4 else "MR",
                )
            )  # fmt: skip
    return made


def _event(key: str) -> Event:
    return Event(tenant="local", topic="made-up", key=key, body=b"{}")
