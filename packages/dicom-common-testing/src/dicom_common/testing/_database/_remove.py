"""The part of the contract of an index that is about removing, and about keys whose objects are to be deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import date
from typing import Any

import pytest

from dicom_common.core import ATTRIBUTES, AddStatus, Database, Event, Level, PersonName, Removed
from dicom_common.testing._database._checks import assert_consistent, rows, uids
from dicom_common.testing._database._corpus import CORPUS
from dicom_common.testing._instances import make_entry, make_instance

__all__ = ["RemovingContract"]


class RemovingContract:
    """Removing instances, and the list of discarded keys."""

    def test_removing_an_instance_leaves_the_others(self, database: Database) -> None:
        entries = [make_entry(make_instance(n, series=s)) for s in (1, 2) for n in (1, 2)]
        database.add(entries)
        removed = database.remove("local", "1.2.3.1", "1.2.3.1.1", "1.2.3.1.1.2")
        assert [one.key for one in removed] == [entries[1].key]
        assert database.discarded(10) == [entries[1].key]
        assert uids(database, Level.INSTANCE) == ["1.2.3.1.1.1", "1.2.3.1.2.1", "1.2.3.1.2.2"]
        assert_consistent(database)

    def test_parents_without_children_go_too(self, database: Database) -> None:
        database.add([make_entry(make_instance(n, study=s, series=n, patient_id="P")) for s in (1, 2) for n in (1, 2)])
        database.remove("local", "1.2.3.1", "1.2.3.1.1")
        assert uids(database, Level.SERIES) == ["1.2.3.1.2", "1.2.3.2.1", "1.2.3.2.2"]
        assert_consistent(database)
        database.remove("local", "1.2.3.1", "1.2.3.1.2", "1.2.3.1.2.2")
        assert uids(database, Level.STUDY) == ["1.2.3.2"]
        assert_consistent(database)
        assert len(database.remove("local", "1.2.3.2")) == 2
        assert [rows(database, level) for level in Level] == [[], [], [], []]
        assert len(database.discarded(10)) == 4

    def test_what_another_one_replaces_and_removes_is_seen_at_once(
        self, database: Database, open_database: Callable[[], Database]
    ) -> None:
        first = make_entry(key="local/first.dcm")
        second = make_entry(make_instance(revision=1), key="local/second.dcm", replace=True, metadata=b'{"second":{}}')

        def known() -> tuple[object, ...]:
            stored = database.stored("local", [first.instance.sop_uid])
            metadata = list(database.metadata("local", first.instance.study_uid))
            owners = list(database.owners([first.key, second.key]))
            return [one.key for one in stored.values()], owners, metadata, uids(database, Level.INSTANCE)

        database.add([first])
        assert known() == ([first.key], [first.key], [first.metadata], [first.instance.sop_uid])
        with closing(open_database()) as other:
            other.add([second])
            assert known() == ([second.key], [second.key], [second.metadata], [first.instance.sop_uid])
            other.remove("local", first.instance.study_uid)
        assert known() == ([], [], [], [])

    def test_removing_what_is_not_there_is_no_error(self, database: Database) -> None:
        assert database.remove("local", "1.2.3.1") == []
        database.add([make_entry()])
        assert database.remove("local", "1.2.3.2") == []
        assert database.remove("other", "1.2.3.1") == []
        assert database.remove("local", "1.2.3.1", "1.2.3.1.2", "1.2.3.1.1.1") == []

    def test_the_events_of_a_removal_are_in_its_transaction(self, database: Database) -> None:
        entries = [make_entry(make_instance(n, series=s)) for s in (1, 2) for n in (1, 2, 3)]
        database.add(entries)
        told: list[Removed] = []

        def events(removed: Sequence[Removed]) -> list[Event]:
            told[:] = removed
            return [Event(tenant=one.tenant, topic="t", key="k", body=one.instance.sop_uid.encode()) for one in removed]

        removed = database.remove("local", "1.2.3.1", "1.2.3.1.1", events=events)
        waiting = database.pending(10, relay="a", lease=60)
        assert [event.body.decode() for event in waiting] == [one.sop_uid for one in removed]
        assert [one.key for one in told] == [entry.key for entry in entries[:3]]
        assert [one.series for one in told] == [None, None, None]
        assert [one.received for one in told] == [entry.received for entry in entries[:3]]
        told.clear()
        database.remove("local", "1.2.3.1", "1.2.3.1.2", "1.2.3.1.2.2", events=events)
        assert told[0].series == rows(database, Level.SERIES)[0]
        assert told[0].series["NumberOfSeriesRelatedInstances"] == 2
        assert len(database.pending(10, relay="a", lease=60)) == 4

    def test_a_removal_of_which_no_event_can_be_made_removes_nothing(self, database: Database) -> None:
        database.add([make_entry(make_instance(n)) for n in (1, 2)])

        def events(removed: Sequence[Removed]) -> list[Event]:
            raise RuntimeError(len(removed))

        with pytest.raises(RuntimeError, match="2"):
            database.remove("local", "1.2.3.1", events=events)
        assert uids(database, Level.INSTANCE) == ["1.2.3.1.1.1", "1.2.3.1.1.2"]
        assert database.discarded(10) == []
        assert database.backlog().events == 0
        assert database.remove("local", "1.2.3.9", events=events) == []
        assert_consistent(database)

    def test_what_was_removed_is_told_as_the_index_knew_it(self, database: Database) -> None:
        told: list[Removed] = []

        def events(removed: Sequence[Removed]) -> list[Event]:
            told.extend(removed)
            return []

        own: dict[str, Any] = {
            "patient_id": "OTHER",
            "patient_name": PersonName("Other^O", "他"),
            "study_description": "its own",
        }
        other = make_instance(9, study=1, **own)
        database.add([make_entry(instance) for instance in (*CORPUS, other)])
        for number in range(1, 8):
            database.remove("local", f"1.2.3.{number}", events=events)
        assert rows(database, Level.STUDY) == []
        expected = {instance.sop_uid: instance for instance in (*CORPUS, other)}
        assert {one.instance.sop_uid for one in told} == set(expected)
        for one in told:
            instance = expected[one.instance.sop_uid]
            for name in (a.field for a in ATTRIBUTES if a.field != "study_id"):  # which the corpus has too long to keep
                assert getattr(one.instance, name) == getattr(instance, name), name
            assert one.instance.sha256 == instance.sha256
            assert one.instance.size == instance.size
            day = instance.study_date
            assert one.instance.study_date_origin == (day.strftime("%Y%m%d") if day else "")

    def test_a_parent_goes_back_to_what_the_remaining_instances_say(self, database: Database) -> None:
        made = [
            make_instance(
                n, instance_creation_date=date(2026, 1, n), patient_name=PersonName(f"name {n}"), modality=f"M{n}",
                study_description=f"study {n}", series_description=f"series {n}", sop_class_uid=f"1.2.9.{n}",
            )
            for n in (1, 2, 3)
        ]  # fmt: skip
        database.add([make_entry(one) for one in made])
        for gone, left in ((3, 2), (1, 2)):
            database.remove("local", "1.2.3.1", None, f"1.2.3.1.1.{gone}")
            (series,) = rows(database, Level.SERIES)
            assert series["PatientName"] == PersonName(f"name {left}")
            assert series["StudyDescription"] == f"study {left}"
            assert (series["SeriesDescription"], series["Modality"]) == (f"series {left}", f"M{left}")
            assert series["ModalitiesInStudy"] == (f"M{left}",)
            assert f"1.2.9.{gone}" not in series["SOPClassesInStudy"]  # type: ignore[operator]  # it is a tuple
            assert_consistent(database)

    def test_what_was_removed_can_come_back_under_another_key(self, database: Database) -> None:
        entry = make_entry()
        database.add([entry])
        database.remove("local", "1.2.3.1")
        (refused,) = database.add([entry])
        assert refused.status is AddStatus.RETIRED
        assert rows(database, Level.STUDY) == []
        (taken,) = database.add([make_entry(key="local/again.dcm")])
        assert taken.status is AddStatus.ADDED

    def test_a_discarded_key_is_not_taken_even_after_its_object_is_deleted(self, database: Database) -> None:
        entry = make_entry()
        assert database.discard([entry.key]) == [entry.key]
        assert database.add([entry])[0].status is AddStatus.RETIRED
        database.deleted([entry.key])
        assert database.discarded(10) == []
        assert database.add([entry])[0].status is AddStatus.RETIRED
        # The bytes of this last try lie under the key: they are to be deleted, too.
        assert database.discarded(10) == [entry.key]

    def test_a_key_that_a_row_refers_to_is_not_discarded(self, database: Database) -> None:
        entry = make_entry()
        database.add([entry])
        assert database.discard([entry.key, "local/orphan.dcm", "local/orphan.dcm"]) == ["local/orphan.dcm"]
        assert database.discarded(10) == ["local/orphan.dcm"]

    def test_discarding_again_is_no_error_and_after_the_deletion_begins_anew(self, database: Database) -> None:
        for _ in range(2):
            assert database.discard(["local/a"]) == ["local/a"]
        assert database.discarded(10) == ["local/a"]
        database.deleted(["local/a", "local/never-heard-of"])
        assert database.discarded(10) == []
        assert database.discard(["local/a"]) == ["local/a"]
        assert database.discarded(10) == ["local/a"]

    def test_discarded_keys_are_given_out_up_to_the_limit(self, database: Database) -> None:
        keys = [f"local/{n:04}" for n in range(1100)]
        assert database.discard(keys) == keys
        assert len(database.discarded(700)) == 700
        database.deleted(database.discarded(700))
        assert sorted(database.discarded(5000)) == keys[700:]
        assert database.discard([]) == []

    @pytest.mark.parametrize("case_same_batch", [True, False])
    def test_a_key_in_use_survives_an_entry_that_is_not_taken(
        self, database: Database, *, case_same_batch: bool
    ) -> None:
        good, bad = make_entry(), make_entry(make_instance(revision=1), key=make_entry().key)
        for batch in [[good, bad]] if case_same_batch else [[good], [bad]]:
            outcomes = database.add(batch)
        assert outcomes[-1].status is AddStatus.CONFLICT
        assert database.discarded(10) == []
