"""The part of the contract of an index that front ends live on: chosen fields, metadata of matches, kept frames."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from dicom_common.core import (
    ATTRIBUTES,
    AddStatus,
    Database,
    KeptFrames,
    Level,
    Match,
    OneOf,
    Query,
    QueryError,
    RequestAttributes,
)
from dicom_common.testing._contract import ability
from dicom_common.testing._database._corpus import CORPUS
from dicom_common.testing._instances import make_entry, make_instance

__all__ = ["FrontEndContract"]

_UNIQUE = {
    Level.PATIENT: {"PatientID", "IssuerOfPatientID"},
    Level.STUDY: {"StudyInstanceUID"},
    Level.SERIES: {"SeriesInstanceUID"},
    Level.INSTANCE: {"SOPInstanceUID"},
}
_COMPUTED = {
    Level.PATIENT: ("NumberOfPatientRelatedStudies", "NumberOfPatientRelatedInstances"),
    Level.STUDY: ("ModalitiesInStudy", "SOPClassesInStudy", "NumberOfStudyRelatedSeries"),
    Level.SERIES: ("NumberOfSeriesRelatedInstances",),
    Level.INSTANCE: (),
}


def _always(level: Level) -> set[str]:
    return {keyword for at, keywords in _UNIQUE.items() if at <= level for keyword in keywords}


class FrontEndContract:
    """Chosen fields, metadata of matches, and kept frames."""

    @pytest.mark.parametrize("case_level", Level)
    def test_an_answer_has_the_fields_that_are_asked_for_and_the_unique_keys(
        self, database: Database, case_level: Level
    ) -> None:
        requests = (RequestAttributes("STEP", None), RequestAttributes(None, "PROCEDURE"))
        database.add([make_entry(one) for one in CORPUS])
        database.add([make_entry(make_instance(1, study=90, request_attributes=requests))])
        whole = database.find(Query(tenant="local", level=case_level))
        assert len(whole) > 1
        computed = [keyword for at in Level if at <= case_level for keyword in _COMPUTED[at]]
        every = [attribute.keyword for attribute in ATTRIBUTES if attribute.level <= case_level] + computed
        choices = [(), tuple(every), tuple(reversed(every[::3])), *[(one,) for one in every], (every[0], every[0])]
        for fields in choices:
            found = database.find(Query(tenant="local", level=case_level, fields=fields))
            expected = set(fields) | _always(case_level)
            assert [set(one) for one in found] == [expected] * len(whole), fields
            assert found == [{keyword: one[keyword] for keyword in expected} for one in whole]

    def test_fields_change_nothing_of_what_is_found(self, database: Database) -> None:
        database.add([make_entry(make_instance(n, study=n % 4, series=n % 2)) for n in range(40)])
        wanted = tuple(f"1.2.3.{n}" for n in (1, 2, 3))
        query = Query(
            tenant="local",
            level=Level.INSTANCE,
            conditions=(OneOf("StudyInstanceUID", wanted), OneOf("InstanceNumber", tuple(range(30)))),
            fields=("Rows", "ModalitiesInStudy"),
            limit=5,
            offset=3,
        )
        found = database.find(query)
        expected = database.find(replace(query, fields=None))
        assert [one["SOPInstanceUID"] for one in found] == [one["SOPInstanceUID"] for one in expected]
        assert all(one["ModalitiesInStudy"] == ("CT",) for one in found)
        assert database.count(query) == database.count(replace(query, fields=None)) > 5

    @pytest.mark.parametrize(
        ("case_level", "case_fields", "case_told"),
        [
            (Level.STUDY, ("NoAttribute",), "NoAttribute"),
            (Level.STUDY, ("PatientName", "pk"), "pk"),
            (Level.STUDY, ("SeriesNumber",), "SeriesNumber"),
            (Level.PATIENT, ("ModalitiesInStudy",), "ModalitiesInStudy"),
            (Level.SERIES, ("SOPInstanceUID",), "SOPInstanceUID"),
            (Level.INSTANCE, ("patient.patient_id; DROP TABLE study",), "DROP"),
            (Level.INSTANCE, ["PatientName"], "tuple"),
            (Level.INSTANCE, "PatientName", "tuple"),
            (Level.INSTANCE, (1,), "int"),
        ],
    )
    def test_a_field_that_no_answer_has_is_refused_by_name(
        self, database: Database, case_level: Level, case_fields: tuple[str, ...], case_told: str
    ) -> None:
        query = Query(tenant="local", level=case_level, fields=case_fields)
        with pytest.raises(QueryError, match=case_told):
            database.find(query)
        with pytest.raises(QueryError, match=case_told):
            database.count(query)

    def test_the_metadata_of_matches_come_in_their_order(self, database: Database) -> None:
        made = [make_instance(n, study=s, series=e) for s in (2, 1) for e in (2, 1) for n in (3, 1, 2)]
        database.add([make_entry(one, metadata=one.sop_uid.encode()) for one in made])
        database.add([make_entry(one, tenant="other", metadata=b"of another tenant") for one in made])
        for fields in ((), ("PatientName", "Rows"), None):
            matches = database.find(Query(tenant="local", level=Level.INSTANCE, fields=fields))
            found = database.metadata_of("local", Level.INSTANCE, matches)
            assert found == [cast("str", one["SOPInstanceUID"]).encode() for one in matches]
            backwards = database.metadata_of("local", Level.INSTANCE, list(reversed(matches)))
            assert backwards == list(reversed(found))
        # Above instances, it is the first one below, in the order of a search.
        all_series = database.find(Query(tenant="local", level=Level.SERIES, fields=()))
        assert database.metadata_of("local", Level.SERIES, all_series) == [
            f"{one['SeriesInstanceUID']}.1".encode() for one in all_series
        ]
        studies = database.find(Query(tenant="local", level=Level.STUDY, fields=()))
        assert database.metadata_of("local", Level.STUDY, studies) == [
            f"{one['StudyInstanceUID']}.1.1".encode() for one in studies
        ]
        assert database.metadata_of("local", Level.STUDY, studies + studies) == 2 * database.metadata_of(
            "local", Level.STUDY, studies
        )

    def test_the_metadata_of_a_patient_are_those_of_its_first_study(self, database: Database) -> None:
        made = [
            make_instance(1, study=1, patient_id="A", issuer_of_patient_id="X"),
            make_instance(1, study=2, patient_id="A"),
            make_instance(1, study=3, patient_id=""),
            make_instance(1, study=4, patient_id="A"),
        ]
        database.add([make_entry(one, metadata=one.study_uid.encode()) for one in made])
        patients = database.find(Query(tenant="local", level=Level.PATIENT, fields=()))
        found = dict(
            zip(
                [(one["PatientID"], one["IssuerOfPatientID"]) for one in patients],
                database.metadata_of("local", Level.PATIENT, patients),
                strict=True,
            )
        )
        assert found == {("A", "X"): b"1.2.3.1", ("A", None): b"1.2.3.2", ("", None): None}

    def test_a_series_uid_in_two_studies_is_two_series(self, database: Database) -> None:
        made = [make_instance(1, study=1), replace(make_instance(1, study=2), series_uid="1.2.3.1.1")]
        database.add([make_entry(one, metadata=one.study_uid.encode()) for one in made])
        matches = database.find(Query(tenant="local", level=Level.SERIES, fields=()))
        assert len({one["SeriesInstanceUID"] for one in matches}) == 1
        assert database.metadata_of("local", Level.SERIES, matches) == [
            cast("str", one["StudyInstanceUID"]).encode() for one in matches
        ]

    def test_the_metadata_of_what_is_gone_are_none(self, database: Database) -> None:
        database.add([make_entry(make_instance(1)), make_entry(make_instance(1, study=2))])
        of_level = {level: database.find(Query(tenant="local", level=level)) for level in Level}
        database.remove("local", "1.2.3.2")
        for level in (Level.STUDY, Level.SERIES, Level.INSTANCE):
            found = database.metadata_of("local", level, of_level[level])
            assert [one is None for one in found] == [one["StudyInstanceUID"] == "1.2.3.2" for one in of_level[level]]
            assert database.metadata_of("nobody", level, of_level[level]) == [None, None]
            assert database.metadata_of("local", level, []) == []
        traps: list[Match] = [{"SOPInstanceUID": "' OR 1=1--"}, {"SOPInstanceUID": "%"}, {}]
        assert database.metadata_of("local", Level.INSTANCE, traps) == [None] * 3

    def test_many_metadata_at_once(self, database: Database) -> None:
        made = [make_instance(n, study=n % 700) for n in range(1400)]
        database.add([make_entry(one, metadata=one.sop_uid.encode()) for one in made])
        for level in (Level.STUDY, Level.SERIES, Level.INSTANCE):
            matches = database.find(Query(tenant="local", level=level, fields=()))
            found = database.metadata_of("local", level, matches)
            assert len(found) == len(matches)
            assert all(
                one is not None and one.decode().startswith(f"{match['StudyInstanceUID']}.")
                for one, match in zip(found, matches, strict=True)
            )

    # Kept frames, where a database keeps them

    @ability(KeptFrames)
    def test_frames_are_kept_with_an_instance_and_go_with_it(self, database: Database) -> None:
        index = _keeping(database)
        first, second = make_instance(1), make_instance(2)
        large = bytes(range(256)) * 1000
        database.add([
            make_entry(first, frames=b"\0\xff first"), make_entry(second), make_entry(make_instance(3), frames=large)
        ])  # fmt: skip
        place = (first.study_uid, first.series_uid)
        found = index.frames("local", *place, first.sop_uid)
        assert found is not None
        assert (found[0].key, found[0].sha256, found[1]) == (make_entry(first).key, first.sha256, b"\0\xff first")
        assert found[0] == database.stored("local", [first.sop_uid])[first.sop_uid]
        assert _frames(index, 2) == b""
        assert _frames(index, 3) == large
        assert index.frames("other", *place, first.sop_uid) is None
        assert index.frames("local", "1.2.3.2", "1.2.3.1.1", first.sop_uid) is None
        assert index.frames("local", "1.2.3.1", "1.2.3.1.2", first.sop_uid) is None
        assert index.frames("local", *place, "1.2.3.1.1.99") is None
        database.remove("local", "1.2.3.1", "1.2.3.1.1", "1.2.3.1.1.1")
        assert index.frames("local", *place, first.sop_uid) is None

    @ability(KeptFrames)
    def test_frames_are_replaced_with_their_instance_and_not_without(self, database: Database) -> None:
        index = _keeping(database)
        old, new = make_instance(1), make_instance(1, revision=1)
        database.add([make_entry(old, frames=b"old")])
        assert database.add([make_entry(new, key="local/refused", frames=b"refused")])[0].status is AddStatus.CONFLICT
        assert database.add([make_entry(old, frames=b"again")])[0].status is AddStatus.SAME
        assert _frames(index, 1) == b"old"
        entry = make_entry(new, key="local/new", replace=True, frames=b"new")
        assert database.add([entry])[0].status is AddStatus.REPLACED
        assert _frames(index, 1) == b"new"
        third = make_entry(make_instance(1, revision=2), key="local/third", replace=True)
        assert database.add([third])[0].status is AddStatus.REPLACED
        assert _frames(index, 1) == b""

    @ability(KeptFrames)
    def test_frames_that_are_found_later_are_kept(self, database: Database) -> None:
        index = _keeping(database)
        made = [make_instance(n) for n in range(5)]
        database.add([make_entry(one, frames=b"known" if n == 3 else b"") for n, one in enumerate(made)])
        database.add([make_entry(made[0], tenant="other", key="zzz/other")])
        waiting = list(index.without_frames())
        assert [(one.tenant, one.sop_uid) for one in waiting] == [
            *[("local", made[n].sop_uid) for n in (0, 1, 2, 4)],
            ("other", made[0].sop_uid),
        ]
        assert [one.key for one in index.without_frames(after=waiting[1].key)] == [one.key for one in waiting[2:]]
        changed = replace(waiting[1], sha256="0" * 64)
        gone = replace(waiting[2], key="local/gone")
        found = index.keep_frames([(waiting[0], b"found"), (changed, b"of other bytes"), (gone, b"gone")])
        assert found == 1
        kept = index.frames("local", waiting[0].study_uid, waiting[0].series_uid, waiting[0].sop_uid)
        assert kept == (waiting[0], b"found")
        assert [one.key for one in index.without_frames()] == [one.key for one in waiting[1:]]
        assert index.keep_frames([(one, one.key.encode()) for one in waiting[1:]]) == 4
        assert list(index.without_frames()) == []
        assert index.keep_frames([]) == 0
        assert [one.sop_uid for one in database.instances("local", "1.2.3.1")] == [one.sop_uid for one in made]

    @ability(KeptFrames)
    def test_the_walk_over_what_has_no_frames_is_complete(self, database: Database) -> None:
        index = _keeping(database)
        database.add([
            make_entry(make_instance(n), key=f"local/{n:05}", frames=b"x" if n % 2 else b"") for n in range(1203)
        ])  # fmt: skip
        assert [one.key for one in index.without_frames()] == [f"local/{n:05}" for n in range(0, 1203, 2)]


def _keeping(database: Database) -> KeptFrames:
    assert isinstance(database, KeptFrames)
    return database


def _frames(index: KeptFrames, number: int) -> bytes:
    found = index.frames("local", "1.2.3.1", "1.2.3.1.1", f"1.2.3.1.1.{number}")
    assert found is not None
    return found[1]
