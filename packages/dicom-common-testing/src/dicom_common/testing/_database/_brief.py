"""Searches that an index answers at once: the contract of `BriefSearches`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dicom_common.core import BriefSearches, Database, Level, Like, Match, OneOf, Query, QueryError
from dicom_common.testing._contract import ability
from dicom_common.testing._instances import make_entry, make_instance

__all__ = ["BriefContract"]

_TRIES = 20
"""An index may want to have answered a search before it answers it briefly."""


class BriefContract:
    """What is found briefly is what is found."""

    @ability(BriefSearches)
    @pytest.mark.parametrize("case_level", Level)
    def test_what_is_found_briefly_is_what_is_found(self, database: Database, case_level: Level) -> None:
        database.add([make_entry(make_instance(n, study=n % 9, series=n % 3)) for n in range(90)])
        patient_ids = [str(one["PatientID"]) for one in database.find(Query(tenant="local", level=Level.PATIENT))]
        whole = Query(tenant="local", level=case_level, limit=100)
        queries = [
            whole,
            replace(whole, conditions=(Like("PatientID", "*"),)),
            replace(whole, conditions=(OneOf("PatientID", tuple(patient_ids)),)),
            *(replace(whole, conditions=(OneOf("PatientID", (one,)),)) for one in (*patient_ids, "nobody")),
            *(replace(whole, conditions=(OneOf("PatientID", (patient_ids[0],)),), limit=n) for n in (0, 1, None)),
            replace(whole, conditions=(OneOf("PatientID", (patient_ids[0],)),), offset=1),
            replace(whole, conditions=(OneOf("PatientID", (patient_ids[0],)),), fields=("PatientID",)),
        ]
        for query in queries:
            expected = database.find(query)
            for _ in range(_TRIES):
                found = _briefly(database, query)
                assert found is None or found == expected
                database.find(query)

    @ability(BriefSearches)
    def test_it_sees_what_was_committed_before(self, database: Database) -> None:
        query = Query(tenant="local", level=Level.INSTANCE, conditions=(OneOf("SeriesInstanceUID", ("1.2.3.1.1",)),))
        query = replace(query, limit=100)
        for number in range(1, 9):
            database.add([make_entry(make_instance(number))])
            for _ in range(_TRIES):
                found = _briefly(database, query)
                assert found is None or len(found) == number
                database.find(query)
        database.remove("local", "1.2.3.1")
        assert _briefly(database, query) in (None, [])

    @ability(BriefSearches)
    def test_another_tenant_finds_nothing(self, database: Database) -> None:
        database.add([make_entry(make_instance(1)), make_entry(make_instance(2), tenant="second")])
        query = Query(tenant="local", level=Level.INSTANCE, conditions=(OneOf("SOPInstanceUID", ("1.2.3.1.1.1",)),))
        query = replace(query, limit=10)
        for tenant, count in (("local", 1), ("second", 0), ("third", 0)):
            for _ in range(_TRIES):
                found = _briefly(database, replace(query, tenant=tenant))
                assert found is None or len(found) == count
                database.find(replace(query, tenant=tenant))

    @ability(BriefSearches)
    def test_an_invalid_search_is_refused_as_by_find(self, database: Database) -> None:
        with pytest.raises(QueryError, match="NoAttribute"):
            _briefly(database, Query(tenant="local", level=Level.STUDY, conditions=(OneOf("NoAttribute", ("1",)),)))


def _briefly(database: Database, query: Query) -> list[Match] | None:
    assert isinstance(database, BriefSearches)
    return database.find_briefly(query)
