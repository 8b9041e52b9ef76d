"""The part of the contract of an index that is about searching and listing."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest

from dicom_common.core import ATTRIBUTES, Database, Level, Like, OneOf, PersonName, Query
from dicom_common.dicom import parse_query
from dicom_common.testing._database._checks import UID_OF, assert_consistent, rows, uids
from dicom_common.testing._database._corpus import CORPUS, SEARCHES
from dicom_common.testing._database._corpus_values import VALUE_SEARCHES
from dicom_common.testing._instances import make_entry, make_instance

__all__ = ["FindingContract"]

_COMPUTED = {
    Level.PATIENT: {f"NumberOfPatientRelated{what}" for what in ("Studies", "Series", "Instances")},
    Level.STUDY: {"NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "ModalitiesInStudy",
                  "SOPClassesInStudy"},
    Level.SERIES: {"NumberOfSeriesRelatedInstances"},
    Level.INSTANCE: set(),
}  # fmt: skip

_TRAPS = (
    "' OR '1'='1", "' OR 1=1--", "%", "_", "\\", "\\'", "[", "]", "*'*", '"; DROP TABLE study; --', "x" * 10_000,
    "\u2018 OR \u20191\u2019=\u20191", "\u201d; DROP", "\uff07 OR 1=1", "%s", "%(tenant)s", "%%", ":tenant", "$1",
    "?", "{0}", "\n", "\u202e", "\U0001f600", "NULL", "0", "''",
)  # fmt: skip
"""Values that end a literal, start a comment, or name a parameter, in one database's way or another's."""
_LITERALS = ("%", "_", "\\", "\\%", "|", "|%", "[", "]", "[a]", "^", "!", "'", "\u2019", "%s", ":a", "山")


class FindingContract:
    """Searching and listing instances."""

    def test_the_corpus_of_searches(self, database: Database) -> None:
        # One test for all: the corpus is added once. What differs is named.
        database.add([make_entry(instance) for instance in CORPUS])
        database.add([make_entry(instance, tenant="other") for instance in reversed(CORPUS)])
        differences = []
        for search in (*SEARCHES, *VALUE_SEARCHES):
            query = parse_query(
                "local", search.level, search.keys, limit=search.limit, offset=search.offset, empty_value_matching=True
            )
            found = tuple(str(row[UID_OF[search.level]]) for row in database.find(query))
            total = database.count(query)
            unlimited = search.limit is None and not search.offset
            if found != search.expected or (unlimited and total != len(search.expected)):
                differences.append(f"{search}: found {found} of {total}, expected {search.expected}")
            if unlimited:  # a database may look up a page in another way than the whole answer
                page = tuple(str(row[UID_OF[search.level]]) for row in database.find(replace(query, limit=2)))
                if page != search.expected[:2]:
                    differences.append(f"{search}: found {page} as its first page")
        assert differences == []
        assert_consistent(database)

    @pytest.mark.parametrize(
        "case_keys",
        [
            {"PatientName": "common*"},
            {"PatientName": "common*", "StudyDate": "20260103-"},
            {"PatientName": "com?on*b*"},
            {"PatientName": "=名*"},
            {"ReferringPhysicianName": "ref*", "ModalitiesInStudy": "MR"},
            {"ModalitiesInStudy": "CT"},
            {"ModalitiesInStudy": "?T"},
            {"Modality": "MR", "StudyDate": "20260105-20260120"},
        ],
    )
    def test_the_pages_of_what_many_have_are_those_of_the_whole_answer(
        self, database: Database, case_keys: dict[str, str]
    ) -> None:
        # A database may look for a page in another way than for all, and for what many have otherwise than for a few.
        database.add(
            [
                make_entry(
                    make_instance(
                        study=study,
                        series=series,
                        patient_name=PersonName(
                            "Rare^X" if study % 9 == 0 else f"Common^{'AB'[study % 2]}{study}", "名^x"
                        ),
                        referring_physician_name=PersonName(f"Ref^{study % 3}"),
                        study_date=None if study % 11 == 0 else date(2026, 1, 1 + study * 7 % 25),
                        modality=("CT", "MR", "PT")[(study + series) % 3],
                    )
                )
                for study in range(120)
                for series in range(1 + study % 3)
            ]
        )
        for level in (Level.STUDY, Level.SERIES, Level.INSTANCE):
            if level is not Level.STUDY and "PatientName" not in case_keys and "Modality" not in case_keys:
                continue
            whole = database.find(parse_query("local", level, case_keys))
            assert len(whole) > 20
            assert database.count(parse_query("local", level, case_keys)) == len(whole)
            for limit, offset in ((3, 0), (5, 7), (7, len(whole) - 4)):
                page = database.find(parse_query("local", level, case_keys, limit=limit, offset=offset))
                assert page == whole[offset : offset + limit]

    def test_a_row_has_all_attributes_of_its_level_and_above(self, database: Database) -> None:
        database.add([make_entry()])
        for level in Level:
            (row,) = rows(database, level)
            expected = {attribute.keyword for attribute in ATTRIBUTES if attribute.level <= level}
            for above in Level:
                expected |= _COMPUTED[above] if above <= level else set()
            assert set(row) == expected

    def test_pages_put_together_are_the_whole_answer(self, database: Database) -> None:
        database.add([make_entry(make_instance(n % 7, study=n % 5, series=n % 3)) for n in range(60)])
        for level in Level:
            whole = uids(database, level)
            query = [Query(tenant="local", level=level, limit=4, offset=offset) for offset in range(0, len(whole), 4)]
            assert [str(row[UID_OF[level]]) for page in query for row in database.find(page)] == whole

    def test_a_value_is_never_a_part_of_the_question(self, database: Database) -> None:
        values = ["plain", *_TRAPS]
        database.add([make_entry(make_instance(1, study=n, patient_id=value)) for n, value in enumerate(values)])
        for n, value in enumerate(values):
            query = Query(tenant="local", level=Level.STUDY, conditions=(OneOf("PatientID", (value,)),))
            assert [row["StudyInstanceUID"] for row in database.find(query)] == [f"1.2.3.{n}"], value
            assert database.count(query) == 1
        every = Query(tenant="local", level=Level.STUDY, conditions=(OneOf("PatientID", tuple(values)),))
        assert database.count(every) == len(values)

    def test_everything_but_star_and_question_mark_is_literal_in_a_pattern(self, database: Database) -> None:
        texts = [f"before {value} behind" for value in ("a", "", *_LITERALS)]
        database.add([make_entry(make_instance(1, study=n, study_description=one)) for n, one in enumerate(texts)])
        for value in _LITERALS:
            for pattern in (f"before {value} *", f"*{value} behind", f"?*{value}?*", f"before {value}?behind"):
                query = Query(tenant="local", level=Level.STUDY, conditions=(Like("StudyDescription", pattern),))
                found = {str(row["StudyDescription"]) for row in database.find(query)}
                meaning = re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."))
                assert found == {one for one in texts if meaning.fullmatch(one)}, pattern
                assert f"before {value} behind" in found

    def test_many_uids_in_one_list(self, database: Database) -> None:
        database.add([make_entry(make_instance(1, study=n)) for n in range(3)])
        many = tuple(f"1.2.3.{n}" for n in range(3000))
        query = Query(tenant="local", level=Level.STUDY, conditions=(OneOf("StudyInstanceUID", many),))
        assert database.count(query) == 3
        database.add([make_entry(make_instance(n, study=9)) for n in range(1500)])
        wanted = [f"1.2.3.9.1.{n}" for n in range(2000)]
        assert len(database.stored("local", wanted)) == 1500
        assert len(database.owners(make_entry(make_instance(n, study=9)).key for n in range(2000))) == 1500

    def test_instances_and_metadata_come_in_the_order_of_a_search(self, database: Database) -> None:
        instances = [make_instance(n, series=s) for n in (3, 1, 2, 10) for s in (2, 1, 10)]
        database.add([make_entry(one, metadata=one.sop_uid.encode()) for one in instances])
        expected = uids(database, Level.INSTANCE)
        assert expected[:5] == ["1.2.3.1.1.1", "1.2.3.1.1.2", "1.2.3.1.1.3", "1.2.3.1.1.10", "1.2.3.1.2.1"]
        assert [one.sop_uid for one in database.instances("local", "1.2.3.1")] == expected
        assert [one.decode() for one in database.metadata("local", "1.2.3.1")] == expected
        of_series = [one.sop_uid for one in database.instances("local", "1.2.3.1", "1.2.3.1.2")]
        assert of_series == [uid for uid in expected if uid.startswith("1.2.3.1.2.")]
        assert list(database.metadata("local", "1.2.3.1", "1.2.3.1.2", "1.2.3.1.2.3")) == [b"1.2.3.1.2.3"]
        assert [one.sop_uid for one in database.instances("local", "1.2.3.1", None, "1.2.3.1.2.3")] == ["1.2.3.1.2.3"]
        assert list(database.instances("local", "1.2.3.1", "1.2.3.1.1", "1.2.3.1.2.3")) == []
        assert list(database.instances("local", "1.2.3.99")) == []

    def test_a_long_listing_is_complete_while_instances_come_and_go(self, database: Database) -> None:
        database.add([make_entry(make_instance(n)) for n in range(700)])
        listing = database.metadata("local", "1.2.3.1")
        first = next(listing)
        database.remove("local", "1.2.3.1", "1.2.3.1.1", "1.2.3.1.1.699")
        database.add([make_entry(make_instance(1000))])
        assert len([first, *listing]) >= 699

    def test_a_walk_meets_every_instance_of_every_tenant_in_the_order_of_keys(self, database: Database) -> None:
        keys = [f"{tenant}/{name}" for tenant in ("b", "a") for name in ("Z", "a", "é", "山", "\U0001f600", "a/b", "~")]
        database.add([
            make_entry(make_instance(n), tenant=key[0], key=key) for n, key in enumerate(keys)
        ])  # fmt: skip
        ordered = sorted(keys, key=str.encode)
        assert [one.key for one in database.walk()] == ordered
        assert [one.key for one in database.walk(after=ordered[4])] == ordered[5:]
        assert [one.key for one in database.walk(after="zzz")] == []

    def test_a_walk_is_complete_over_many_pages(self, database: Database) -> None:
        database.add([make_entry(make_instance(n), key=f"local/{n:05}") for n in range(1203)])
        assert [one.key for one in database.walk(after="local/00001")] == [f"local/{n:05}" for n in range(2, 1203)]
