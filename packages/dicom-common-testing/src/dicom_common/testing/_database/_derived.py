"""The part of the contract of an index that is about what it says of patients, studies and series.

That follows from the instances that are there, and from nothing else: not from the order in which they came, nor from
what was there before.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, permutations
from typing import Any

import pytest

from dicom_common.core import AddStatus, Database, Entry, Level, PersonName, RequestAttributes
from dicom_common.testing._database._checks import assert_consistent, rows
from dicom_common.testing._database._model import Model, in_any_order
from dicom_common.testing._instances import make_entry, make_instance

__all__ = ["DerivedContract"]

_DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
_STEPS = 40
_FULL: dict[str, Any] = {
    "patient_name": PersonName("Full^Name", "全名"),
    "patient_birth_date": date(1970, 1, 2),
    "patient_sex": "F",
    "study_date": date(2026, 1, 1),
    "study_time": time(8),
    "accession_number": "ACC",
    "study_description": "Thorax",
    "patient_weight": 70.5,
    "referring_physician_name": PersonName("Refers^Who"),
    "modality": "CT",
    "series_number": 7,
    "request_attributes": (RequestAttributes("STEP", "PROC"), RequestAttributes("STEP-2", None)),
}
_EMPTY: dict[str, Any] = dict.fromkeys(_FULL) | {"request_attributes": (), "patient_name": PersonName()}
_KEYWORDS = {
    "PatientName": "patient_name", "PatientBirthDate": "patient_birth_date", "PatientSex": "patient_sex",
    "StudyDate": "study_date", "StudyTime": "study_time", "AccessionNumber": "accession_number",
    "StudyDescription": "study_description", "PatientWeight": "patient_weight",
    "ReferringPhysicianName": "referring_physician_name", "Modality": "modality", "SeriesNumber": "series_number",
    "RequestAttributesSequence": "request_attributes",
}  # fmt: skip


def _later(number: int, **attributes: Any) -> Entry:
    """Make an instance that is later, by its own clock and by its receipt, than those of a smaller number."""
    made: dict[str, Any] = {"instance_creation_date": date(2026, 2, number), "patient_id": "P"} | attributes
    return make_entry(make_instance(number, **made), received=_DAY + timedelta(seconds=number))


def _patients(database: Database) -> list[tuple[Any, ...]]:
    found = rows(database, Level.PATIENT)
    return [(row["PatientID"], str(row["PatientName"] or ""), row["NumberOfPatientRelatedStudies"]) for row in found]


class DerivedContract:
    """What an index says of patients, studies and series."""

    @pytest.mark.parametrize("case_order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
    @pytest.mark.parametrize("case_same_batch", [True, False])
    def test_an_empty_value_erases_none_and_each_attribute_is_of_the_latest_that_has_it(
        self, database: Database, case_order: Sequence[int], *, case_same_batch: bool
    ) -> None:
        some = {"patient_sex": "O", "study_description": "Second", "series_number": 8}
        made = [_later(1, **_FULL), _later(2, **(_EMPTY | some)), _later(3, **_EMPTY)]
        for batch in [[made[n] for n in case_order]] if case_same_batch else [[made[n]] for n in case_order]:
            database.add(batch)
        expected = _FULL | some
        for level in (Level.SERIES, Level.INSTANCE):
            for row in rows(database, level):
                assert {key: row[key] for key in _KEYWORDS} == {key: expected[f] for key, f in _KEYWORDS.items()}
        assert rows(database, Level.STUDY)[0]["ModalitiesInStudy"] == ("CT",)
        assert_consistent(database)
        database.remove("local", "1.2.3.1", None, "1.2.3.1.1.2")
        (row,) = rows(database, Level.SERIES)
        assert {key: row[key] for key in _KEYWORDS} == {key: _FULL[f] for key, f in _KEYWORDS.items()}
        database.remove("local", "1.2.3.1", None, "1.2.3.1.1.1")
        (row,) = rows(database, Level.SERIES)
        assert {row[key] for key in _KEYWORDS} == {None, ()}
        assert_consistent(database)

    @pytest.mark.parametrize(
        ("case_wins", "case_loses"),
        [
            ({"instance_creation_date": date(2026, 1, 2)}, {"instance_creation_date": date(2026, 1, 1)}),
            ({"instance_creation_date": date(2026, 1, 2)}, {"content_date": date(2026, 1, 1), "content_time": time(9)}),
            ({"acquisition_date": date(2026, 1, 2)}, {"series_date": date(2026, 1, 1)}),
            ({"series_date": date(2026, 1, 2)}, {"study_date": date(2026, 1, 1)}),
            # The first that is there counts, not the latest of them.
            ({"content_date": date(2026, 1, 2)}, {"instance_creation_date": date(2026, 1, 1),
                                                  "content_date": date(2026, 1, 3)}),
            ({"study_date": date(2026, 1, 2), "study_time": time(9)}, {"study_date": date(2026, 1, 2)}),
            # A clock that is ahead of the receipt by more than a day is not believed.
            ({"content_date": date(2026, 1, 2)}, {"instance_creation_date": date(2099, 1, 1)}),
            ({"content_date": date(2026, 1, 2)}, {"instance_creation_date": date(2026, 3, 4),
                                                  "content_date": date(2026, 1, 1)}),
            ({"instance_creation_date": date(2026, 3, 2)}, {"instance_creation_date": date(2026, 2, 28)}),
            ({"instance_creation_date": date(2026, 1, 1)}, {}),
        ],
    )  # fmt: skip
    def test_an_instance_ranks_by_its_own_clock(
        self, database: Database, case_wins: dict[str, Any], case_loses: dict[str, Any]
    ) -> None:
        no_date = {"study_date": None, "study_time": None}
        first = make_instance(1, study_description="wins", **(no_date | case_wins))
        second = make_instance(2, study_description="loses", **(no_date | case_loses))
        database.add([make_entry(first, received=_DAY), make_entry(second, received=_DAY + timedelta(seconds=9))])
        assert rows(database, Level.STUDY)[0]["StudyDescription"] == "wins"

    def test_of_equal_clocks_the_later_receipt_counts_and_then_the_uid(self, database: Database) -> None:
        entries = [
            make_entry(make_instance(number, study=study, study_description=str(number)), received=_DAY + late)
            for study, lates in ((1, (0, 2, 1)), (2, (0, 0, 0)))
            for number, late in zip((1, 2, 3), (timedelta(microseconds=n) for n in lates), strict=True)
        ]
        for entry in reversed(entries):
            database.add([entry])
        assert [row["StudyDescription"] for row in rows(database, Level.STUDY)] == ["2", "3"]

    def test_studies_without_a_patient_id_have_a_patient_each(self, database: Database) -> None:
        people = [("Trauma^Unknown", "M"), ("Doe^Jane", "F"), ("", "F"), ("Doe^Jane", "F")]
        entries = [
            make_entry(make_instance(n, study=study, patient_id="", patient_name=PersonName(name), patient_sex=sex))
            for study, (name, sex) in enumerate(people)
            for n in (1, 2)
        ]
        database.add(entries[:3])
        database.add(entries[3:])
        database.add([make_entry(make_instance(study=9, patient_id="", issuer_of_patient_id="HOSP"))])
        found = {row["StudyInstanceUID"]: (str(row["PatientName"] or ""), row["PatientSex"])
                 for row in rows(database, Level.STUDY)}  # fmt: skip
        assert [found[f"1.2.3.{n}"] for n in range(4)] == people
        assert [count for *_, count in _patients(database)] == [1] * 5
        assert_consistent(database)
        database.remove("local", "1.2.3.1")
        assert len(_patients(database)) == 4
        assert_consistent(database)

    def test_patients_without_an_id_come_in_a_stable_order(self, database: Database) -> None:
        database.add([make_entry(make_instance(study=n, patient_id="")) for n in range(30, 0, -1)])
        names = [row["PatientName"] for row in rows(database, Level.PATIENT)]
        assert names == [PersonName(f"Made^Up{n}") for n in sorted(range(1, 31), key=str)]

    @pytest.mark.parametrize("case_patient_id", ["A\\B", "A\\", "\\B", "A\\B\\C"])
    def test_a_patient_id_of_several_values_is_one_identity(self, database: Database, case_patient_id: str) -> None:
        for study, who in enumerate(("A", case_patient_id, "B", case_patient_id)):
            database.add([make_entry(make_instance(study=study, patient_id=who))])
        assert sorted(who for who, *_ in _patients(database)) == sorted(["A", "B", case_patient_id])
        assert [count for who, _, count in _patients(database) if who == case_patient_id] == [2]

    def test_a_study_whose_instances_are_replaced_moves_with_the_last_and_the_emptied_patient_goes(
        self, database: Database
    ) -> None:
        wrong = {"patient_id": "WRONG", "patient_name": PersonName("Wrong^Will"), "patient_sex": "M"}
        right = {"patient_id": "RIGHT", "patient_name": PersonName("Right^Rita")}
        database.add([_later(n, **wrong) for n in (1, 2, 3)])
        for number in (1, 2):
            database.add([replace(_later(10 + number), replace=True, instance=_corrected(number, right))])
            assert [who for who, *_ in _patients(database)] == ["WRONG"]
            assert_consistent(database)
        database.add([replace(_later(13), replace=True, instance=_corrected(3, right))])
        assert _patients(database) == [("RIGHT", "Right^Rita", 1)]
        assert rows(database, Level.PATIENT)[0]["PatientSex"] is None
        assert_consistent(database)

    @pytest.mark.parametrize("case_others", [[], ["A"], ["B"], ["A", "B"]])
    def test_a_study_goes_to_the_patient_of_the_earliest_instance_that_is_left(
        self, database: Database, case_others: list[str]
    ) -> None:
        database.add([make_entry(make_instance(study=5 + n, patient_id=who)) for n, who in enumerate(case_others)])
        database.add([_later(1, patient_id="A"), _later(2, patient_id="B"), _later(3, patient_id="")])
        counts: list[dict[Any, Any]] = []
        for number in (1, 2, 3):
            database.remove("local", "1.2.3.1", None, f"1.2.3.1.1.{number}")
            counts.append({who: count for who, _, count in _patients(database)})
            assert_consistent(database)
        before = dict.fromkeys(case_others, 1)
        assert counts == [before | {"B": case_others.count("B") + 1}, before | {"": 1}, before]

    def test_an_instance_that_was_received_earlier_takes_the_study_along(self, database: Database) -> None:
        database.add([_later(2, patient_id="A")])
        (outcome,) = database.add([_later(1, patient_id="B")])
        assert (outcome.status, outcome.patient_differs) == (AddStatus.ADDED, True)
        assert [who for who, *_ in _patients(database)] == ["B"]
        (outcome,) = database.add([replace(_later(0 + 3, patient_id="A"), accept_other_patient=False)])
        assert outcome.status is AddStatus.OTHER_PATIENT
        assert_consistent(database)

    @pytest.mark.parametrize("case_groups", [(6,), (1, 1, 1, 1, 1, 1), (2, 4), (3, 3), (5, 1)])
    @pytest.mark.parametrize("case_accepts", [True, False])
    def test_another_patient_is_found_alike_however_the_instances_are_grouped(
        self, database: Database, case_groups: Sequence[int], *, case_accepts: bool
    ) -> None:
        entries = [
            _later(4, patient_id="A"),
            _later(3, patient_id="B"),
            _later(5, patient_id="B"),
            # The first of the study comes again, later: what it belongs to depends on all others.
            replace(_later(9), instance=_corrected(3, {"patient_id": "B"}), replace=True),
            _later(2, patient_id="A"),
            _later(6, patient_id="B"),
        ]
        waiting = iter([replace(entry, accept_other_patient=case_accepts) for entry in entries])
        outcomes = [outcome for size in case_groups for outcome in database.add(list(islice(waiting, size)))]
        differing = [False, True, False, False, False, True] if case_accepts else [False, True, True, True, False, True]
        assert [outcome.patient_differs for outcome in outcomes] == differing
        refused = [outcome.status is AddStatus.OTHER_PATIENT for outcome in outcomes]
        assert refused == [differs and not case_accepts for differs in differing]
        assert [who for who, *_ in _patients(database)] == ["A"]
        assert_consistent(database)

    @pytest.mark.parametrize("case_seed", range(4))
    def test_a_random_history_leaves_what_its_instances_say(
        self, database: Database, open_database: Callable[[], Database], case_seed: int
    ) -> None:
        chance, model = random.Random(case_seed), Model()
        for step in range(_STEPS):
            if chance.random() < 0.7:
                batch = list(_batch(chance, step))
                expected = [model.add(entry) for entry in batch]
                outcomes = database.add(batch)
                assert [(outcome.status, outcome.patient_differs) for outcome in outcomes] == expected
            elif model.entries:
                place = _place(chance, model)
                model.remove(*place)
                database.remove("local", *place)
            for level in Level if step % 4 == 3 else (Level.PATIENT, Level.SERIES):
                assert in_any_order(rows(database, level)) == in_any_order(model.rows(level)), step
        assert_consistent(database)

        # Made anew from what is there, in any order, the rows are the same.
        left = [replace(entry, tenant="anew", key=f"anew/{entry.key}") for entry in model.entries.values()]
        chance.shuffle(left)
        with closing(open_database()) as other:
            while left:
                size = chance.randint(1, 5)
                other.add(left[:size])
                del left[:size]
            for level in Level:
                assert rows(other, level, "anew") == rows(database, level)
            assert_consistent(other, "anew")

    @pytest.mark.parametrize("case_order", list(permutations(range(3))))
    def test_the_patient_does_not_depend_on_the_order_of_indexing(
        self, database: Database, case_order: Sequence[int]
    ) -> None:
        made = [_later(1, patient_id="A"), _later(2, patient_id="B"), _later(3, patient_id="")]
        for at in case_order:
            database.add([made[at]])
        assert [who for who, *_ in _patients(database)] == ["A"]
        assert_consistent(database)


def _corrected(number: int, attributes: dict[str, Any]) -> Any:
    return make_instance(number, revision=1, instance_creation_date=date(2026, 2, number), **attributes)


def _place(chance: random.Random, model: Model) -> tuple[str, str | None, str | None]:
    one = chance.choice(sorted(model.entries))
    instance = model.entries[one].instance
    depth = chance.choice((1, 2, 3, 3, 3))
    return instance.study_uid, instance.series_uid if depth > 1 else None, one if depth > 2 else None


def _batch(chance: random.Random, step: int) -> Iterator[Entry]:
    """Make entries of few studies, whose attributes are there or not, in every combination."""

    def some(*values: Any) -> Any:
        return chance.choice((None, *values))

    for turn in range(chance.choice((1, 1, 2, 6))):
        day = some(date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 2), date(2030, 1, 1))
        instance = make_instance(
            chance.randint(1, 4), study=chance.randint(1, 3), series=chance.randint(1, 2), revision=step * 10 + turn,
            patient_id=chance.choice(("", "A", "A", "B", "A\\B")), issuer_of_patient_id=some(None, None, "HOSP"),
            patient_name=some(PersonName("A^One"), PersonName("B^Two", "二"), PersonName()), patient_sex=some("F", "M"),
            patient_birth_date=some(date(1970, 1, 1)), study_date=some(date(2026, 1, 3), date(2026, 1, 4)),
            study_time=some(time(0), time(10, 30)), accession_number=some("1", "2"), study_description=some("a", "b"),
            patient_weight=some(70.5, 0.0), modality=some("CT", "MR"), series_number=some(0, 2),
            sop_class_uid=chance.choice(("1.2.9.1", "1.2.9.2")), series_description=some("s", "t"),
            series_date=some(date(2026, 1, 5)), instance_creation_date=day, content_date=some(date(2026, 1, 6)),
            instance_creation_time=some(time(11)), content_time=some(time(12), time(12, 0, 0, 1)),
            request_attributes=chance.choice(((), (RequestAttributes("S", None),), (RequestAttributes("T", "P"),) * 2)),
        )  # fmt: skip
        yield make_entry(
            instance,
            key=f"local/{step}/{turn}",
            received=_DAY + timedelta(seconds=chance.randint(0, 9)),
            replace=chance.random() < 0.6,
        )
