"""The part of the contract of an index that is about searches that cannot be answered, and about very large ones."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from dicom_common.core import ATTRIBUTES, Absent, AnyOf, Database, Interval, Level, Like, OneOf, Query, QueryError
from dicom_common.dicom import parse_query
from dicom_common.testing._database._checks import UID_OF
from dicom_common.testing._database._corpus import CORPUS
from dicom_common.testing._instances import make_entry, make_instance

__all__ = ["RefusingContract"]

_LONGEST = 65_534
"""Bytes of an element of VR UI."""
_DAY = date(2026, 1, 1)
_REFUSED: tuple[tuple[str, Any], ...] = (
    ("NoSuchAttribute", OneOf("NoSuchAttribute", ("x",))),
    ("RequestAttributesSequence", OneOf("RequestAttributesSequence", ("x",))),
    ("patient_id", OneOf("patient_id", ("x",))),
    ("PatientID = PatientID --", OneOf("PatientID = PatientID --", ("x",))),
    ("x" * 100, OneOf("x" * 100_000, ("x",))),
    ("\\ud800", OneOf("\ud800", ("x",))),
    ("int", OneOf(5, ("x",))),  # type: ignore[arg-type]  # wrong on purpose
    ("NoneType", Absent(None)),  # type: ignore[arg-type]  # the same
    ("NotKept", Absent("NotKept")),
    # Text is text.
    *(("PatientID", OneOf("PatientID", (value,))) for value in (b"P1", None, 4711, 1.5, ["P1"], True)),  # type: ignore[arg-type]
    *(("StudyInstanceUID", OneOf("StudyInstanceUID", ("1.2", value))) for value in (b"1.2", None, 12)),  # type: ignore[arg-type]
    *(
        (keyword, OneOf(keyword, (value,)))
        for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "ImageType", "Modality")
        for value in ("a\0b", "\0", "a\ud800", "\udfff\U0001f600")
    ),
    *(("AccessionNumber", Like("AccessionNumber", value)) for value in ("a\0*", "\ud800*", b"a*", None)),  # type: ignore[arg-type]
    ("PatientID", OneOf("PatientID", "P1")),  # type: ignore[arg-type]  # one text is not a tuple of texts
    ("PatientID", OneOf("PatientID", None)),  # type: ignore[arg-type]
    ("PatientID", OneOf("PatientID", ())),
    ("PatientID", OneOf("PatientID", ("x" * 20_000,))),
    # Numbers are within the range of their VR.
    *(
        ("SeriesNumber", OneOf("SeriesNumber", (value,)))
        for value in ("x", "", "1_0", " 1", 2**31, -(2**31) - 1, "99999999999999999999", 10**400, float("nan"), 1.5)
    ),
    *(("SeriesNumber", OneOf("SeriesNumber", (value,))) for value in (float("inf"), None, b"1", [1], True)),  # type: ignore[arg-type]
    *(("Rows", OneOf("Rows", (value,))) for value in (-1, 2**16, "1e400", "nan", 0.5)),
    *(("SliceThickness", OneOf("SliceThickness", (value,))) for value in ("1e400", float("-inf"), 10**309, "\u0661")),
    *(("WindowCenter", OneOf("WindowCenter", (value,))) for value in ("NaN", float("nan"), "1,5")),
    ("SeriesNumber", OneOf("SeriesNumber", tuple(range(65)))),
    # Patterns are of text, and not too long.
    ("StudyDate", Like("StudyDate", "2026*")),
    ("StudyInstanceUID", Like("StudyInstanceUID", "1.2.*")),
    ("SeriesNumber", Like("SeriesNumber", "1*")),
    ("PatientName", Like("PatientName", "a*" * 17)),
    ("PatientName", Like("PatientName", "a" * 1025 + "*")),
    ("PatientName", OneOf("PatientName", tuple(f"name {n}" for n in range(65)))),
    # Ranges are of dates and times.
    ("StudyDate", OneOf("StudyDate", ("20260101",))),
    ("PatientID", Interval(("PatientID",), None, None)),
    ("StudyDate and SeriesTime", Interval(("StudyDate", "SeriesTime"), None, None)),
    ("range", Interval((), None, None)),
    ("StudyDate", Interval(("StudyDate",), (), None)),
    ("StudyDate", Interval(("StudyDate",), (_DAY, _DAY), None)),
    *(("StudyDate", Interval(("StudyDate",), None, (value,))) for value in ("20260101", 20260101, None, time(1))),  # type: ignore[arg-type]
    *(("StudyTime", Interval(("StudyTime",), (value,), None)) for value in (_DAY, 1, time(1, tzinfo=UTC))),  # type: ignore[arg-type]
    ("StudyDate", Interval(("StudyDate",), (datetime(2026, 1, 1, tzinfo=UTC),), None)),
    # Alternatives are of one attribute.
    ("alternatives", AnyOf(())),
    ("alternatives", AnyOf((OneOf("PatientID", ("1",)), OneOf("StudyID", ("1",))))),
    ("alternatives", AnyOf((AnyOf((Absent("StudyID"),)),))),  # type: ignore[arg-type]
    ("alternatives", AnyOf(tuple(Like("StudyID", f"{n}*") for n in range(65)))),
    ("PatientID", AnyOf((Absent("PatientID"), OneOf("PatientID", ("\0",))))),
    ("condition", "PatientID=1"),
)

_KEYS: tuple[Any, ...] = (
    *(attribute.keyword for attribute in ATTRIBUTES),
    *(f"{attribute.tag:08x}" for attribute in ATTRIBUTES),
    *("ModalitiesInStudy", "RequestAttributesSequence.ScheduledProcedureStepID", "00400275.00401001"),
    *("NumberOfFramez", "00091001", "PatientID.", "", ".", "\0", "\ud800", "x" * 5000, b"PatientID", None, 1),
)
_ALPHABET = (
    "*", "?", "\\", '""', "-", "=", "^", ",", ".", ":", " ", "\0", "\ud800", "\udc00", "%", "_", "[", "|", "'", "\n",
    "\U0001f600", "é", "山", "0", "1", "9", "20260101", "1200", "1.2.3.1", "CT", "doe", "P1", "e400", "nan", "x" * 300,
)  # fmt: skip
_ODD: tuple[Any, ...] = (None, b"P1", 1, 1.5, ["P1"], ("P1",), {}, _DAY, True, "x" * 70_000, "1\\" * 9000, "*" * 5000)


class RefusingContract:
    """What is refused, in the same words by every index; and what is not, however large."""

    def test_what_cannot_be_searched_is_refused_by_name(self, database: Database) -> None:
        database.add([make_entry()])
        answers = []
        for name, condition in _REFUSED:
            query = Query(tenant="local", level=Level.STUDY, conditions=(condition,))
            for ask in (database.find, database.count):
                try:
                    ask(query)
                except QueryError as error:
                    if name not in str(error) or len(str(error)) > 400:
                        answers.append(f"{condition!r}: {error}")
                else:
                    answers.append(f"{condition!r} is answered")
        assert answers == []

    @pytest.mark.parametrize(
        ("case_limit", "case_offset"),
        [(-1, 0), (None, -1), (2**63, 0), (1, 2**70), (1.5, 0), ("1", 0), (True, 0), (None, None)],
    )
    def test_a_page_is_of_whole_numbers(self, database: Database, case_limit: Any, case_offset: Any) -> None:
        database.add([make_entry()])
        with pytest.raises(QueryError, match="limit and offset"):
            database.find(Query(tenant="local", level=Level.STUDY, limit=case_limit, offset=case_offset))
        largest = Query(tenant="local", level=Level.STUDY, limit=2**63 - 1, offset=0)
        assert len(database.find(largest)) == 1

    def test_too_many_conditions_are_refused(self, database: Database) -> None:
        database.add([make_entry()])
        many = tuple(Like("StudyDescription", f"{n}*") for n in range(1000))
        with pytest.raises(QueryError, match="128"):
            database.find(Query(tenant="local", level=Level.STUDY, conditions=many))

    def test_a_list_of_uids_may_fill_an_element(self, database: Database) -> None:
        database.add([make_entry(make_instance(n, study=s)) for s in (1, 2, 3) for n in (1, 2)])
        long = [f"1.2.826.0.1.3680043.8.498.{10**37 + n}" for n in range(3000)]
        for others, sep in ((long, "\\"), (long, ","), ([str(n % 10) for n in range(30_000)], "\\")):
            uids = ["1.2.3.1", "1.2.3.3", "1.2.3.1.1.2"]
            size = sum(len(uid) + 1 for uid in uids)
            for uid in others:
                if (size := size + len(uid) + 1) > _LONGEST:
                    break
                uids.append(uid)
            text = sep.join(uids)
            assert _LONGEST - 70 < len(text) <= _LONGEST or others is not long
            found = database.find(parse_query("local", Level.STUDY, {"StudyInstanceUID": text}, limit=1, offset=1))
            assert [row["StudyInstanceUID"] for row in found] == ["1.2.3.3"]
            for level, keys, expected in (
                (Level.STUDY, {"SOPInstanceUID": text}, ["1.2.3.1"]),
                (Level.PATIENT, {"StudyInstanceUID": text, "PatientID": "MADE*"}, ["MADE-UP-1", "MADE-UP-3"]),
                (Level.SERIES, {"StudyInstanceUID": text, "Modality": "CT\\MR"}, ["1.2.3.1.1", "1.2.3.3.1"]),
                (Level.INSTANCE, {"StudyInstanceUID": text, "SOPInstanceUID": text}, ["1.2.3.1.1.2"]),
            ):
                query = parse_query("local", level, keys)
                assert [str(row[UID_OF[level]]) for row in database.find(query)] == expected
                assert database.count(query) == len(expected)

    def test_a_longer_list_is_refused(self, database: Database) -> None:
        database.add([make_entry()])
        many = tuple(f"1.2.3.{10**20 + n}" for n in range(2700))
        for keyword in ("StudyInstanceUID", "AccessionNumber"):
            with pytest.raises(QueryError, match=keyword):
                database.find(Query(tenant="local", level=Level.STUDY, conditions=(OneOf(keyword, many),)))
            with pytest.raises(QueryError, match=keyword):
                parse_query("local", Level.STUDY, {keyword: "\\".join(many)})

    @pytest.mark.parametrize("case_seed", range(3))
    def test_whatever_is_asked_the_answer_is_rows_or_a_refusal(self, database: Database, case_seed: int) -> None:
        database.add([make_entry(instance) for instance in CORPUS])
        chance = random.Random(case_seed)
        answered = longest = 0
        for _ in range(150):
            level, keys, page = _question(chance)
            try:
                query = parse_query(
                    "local", level, keys, empty_value_matching=True, unknown=chance.choice(("refuse", "ignore")), **page
                )
                found = database.find(query)
                if query.limit is None and not query.offset:
                    assert database.count(query) == len(found)
            except QueryError as error:
                longest = max(longest, len(str(error)))
            else:
                answered += 1
        assert answered > 30
        assert 0 < longest < 500


def _question(chance: random.Random) -> tuple[Level, Mapping[Any, Any], dict[str, Any]]:
    """Make up a question of one to three keys."""
    keys: dict[Any, Any] = {}
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        odd = chance.random() < 0.1
        value = chance.choice(_ODD) if odd else "".join(chance.choices(_ALPHABET, k=chance.randint(0, 5)))
        keys[chance.choice(_KEYS)] = value
    page = {} if chance.random() < 0.5 else {"limit": chance.choice((0, 1, 5)), "offset": chance.choice((0, 3))}
    return chance.choice(list(Level)), keys, page
