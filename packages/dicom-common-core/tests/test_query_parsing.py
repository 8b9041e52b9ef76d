"""What the matching keys of a request mean (PS3.18 8.3.4, PS3.4 C.2.2.2)."""

from __future__ import annotations

from datetime import date, time

import pytest

from dicom_common.core import Interval, Level, Like, OneOf, Query, QueryError, parse_query

LAST = time(23, 59, 59, 999_999)


def conditions(*pairs: tuple[str, str]) -> tuple[object, ...]:
    return parse_query("local", Level.STUDY, pairs).conditions


def test_the_frame_of_a_query_is_taken_over() -> None:
    query = parse_query("clinic", Level.SERIES, {"PatientID": "1"}, limit=5, offset=10)
    assert query == Query(
        tenant="clinic", level=Level.SERIES, conditions=(OneOf("PatientID", ("1",)),), limit=5, offset=10
    )


@pytest.mark.parametrize(
    ("key", "keyword"),
    [
        ("PatientID", "PatientID"),
        ("00100020", "PatientID"),
        ("0020000d", "StudyInstanceUID"),
        ("0020000D", "StudyInstanceUID"),
        ("00080061", "ModalitiesInStudy"),
        ("RequestAttributesSequence.ScheduledProcedureStepID", "RequestAttributesSequence.ScheduledProcedureStepID"),
        ("00400275.00400009", "RequestAttributesSequence.ScheduledProcedureStepID"),
        ("00400275.RequestedProcedureID", "RequestAttributesSequence.RequestedProcedureID"),
        ("RequestAttributesSequence.00401001", "RequestAttributesSequence.RequestedProcedureID"),
    ],
)
def test_a_key_is_a_keyword_or_a_tag_or_a_path(key: str, keyword: str) -> None:
    assert conditions((key, "1")) == (OneOf(keyword, ("1",)),)


@pytest.mark.parametrize(
    "key",
    [
        "Patientid", "patientID", "00100021x", "0010,0020", "(0010,0020)", "NoSuchThing", "", ".", "00091001",
        "PatientID.00100020", "RequestAttributesSequence", "RequestAttributesSequence.StudyDate",
        "RequestAttributesSequence.", "NumberOfStudyRelatedInstances", "x" * 5000, "PatientID'; DROP TABLE study;--",
    ],
)  # fmt: skip
def test_an_unknown_key_is_refused_in_one_short_sentence(key: str) -> None:
    with pytest.raises(QueryError) as caught:
        conditions((key, "1"))
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_a_misspelt_keyword_is_answered_with_a_hint() -> None:
    with pytest.raises(QueryError, match="Did you mean 'PatientName'"):
        conditions(("PatientNmae", "x"))


@pytest.mark.parametrize("second", ["PatientID", "00100020"])
def test_a_key_that_is_repeated_is_refused(second: str) -> None:
    with pytest.raises(QueryError, match="PatientID is asked for twice"):
        conditions(("PatientID", "1"), (second, "2"))


@pytest.mark.parametrize("value", ["", "  ", "*", "***", " * "])
@pytest.mark.parametrize("key", ["PatientID", "PatientName", "StudyDate", "StudyInstanceUID", "SeriesNumber"])
def test_an_empty_value_and_a_star_hold_for_everything(key: str, value: str) -> None:
    assert conditions((key, value)) == ()


@pytest.mark.parametrize("value", ["1.2,1.3", "1.2\\1.3", " 1.2 , 1.3 ", "1.2,,1.3"])
def test_a_list_of_uids_is_any_of_them(value: str) -> None:
    assert conditions(("StudyInstanceUID", value)) == (OneOf("StudyInstanceUID", ("1.2", "1.3")),)


def test_wildcards_are_literal_in_a_uid() -> None:
    assert conditions(("StudyInstanceUID", "1.2.*")) == (OneOf("StudyInstanceUID", ("1.2.*",)),)


@pytest.mark.parametrize("key", ["PatientID", "PatientName", "AccessionNumber", "StudyDescription", "Modality"])
def test_text_takes_wildcards_and_runs_of_stars_are_one(key: str) -> None:
    assert conditions((key, " A**b?c* ")) == (Like(key, "A*b?c*"),)


@pytest.mark.parametrize("value", ["a,b", "a/b", "50%", "a_b", "[x]", "' OR 1=1--", '"; DROP', "O\u2019Neil", "ПЕТР"])
def test_everything_else_in_a_text_is_literal(value: str) -> None:
    assert conditions(("PatientID", value)) == (OneOf("PatientID", (value,)),)


def test_padding_does_not_count() -> None:
    assert conditions(("PatientID", " 1 2 \0")) == (OneOf("PatientID", ("1 2",)),)


@pytest.mark.parametrize(("value", "number"), [("1", 1), ("01", 1), ("1.0", 1), ("+7", 7), ("-3", -3), ("1E2", 100)])
def test_numbers_are_compared_as_numbers(value: str, number: float) -> None:
    assert conditions(("SeriesNumber", value)) == (OneOf("SeriesNumber", (number,)),)


@pytest.mark.parametrize("value", ["x", "1*", "1?", "nan", "inf", "1,5", "1-2", "0x10", "\u0661"])
def test_what_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(QueryError, match="SeriesNumber") as caught:
        conditions(("SeriesNumber", value))
    assert value not in str(caught.value).replace("SeriesNumber", "").replace("searched", "")


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("20260102", date(2026, 1, 2), date(2026, 1, 2)),
        ("20260102-20260304", date(2026, 1, 2), date(2026, 3, 4)),
        ("20260102-", date(2026, 1, 2), None),
        ("-20260304", None, date(2026, 3, 4)),
        ("2026.01.02-2026.03.04", date(2026, 1, 2), date(2026, 3, 4)),
        (" 20260102 - 20260304 ", date(2026, 1, 2), date(2026, 3, 4)),
    ],
)
def test_dates_and_ranges_of_dates(value: str, low: date | None, high: date | None) -> None:
    ends = ((low,) if low else None, (high,) if high else None)
    assert conditions(("StudyDate", value)) == (Interval(("StudyDate",), *ends),)


@pytest.mark.parametrize(
    "value",
    [
        "2026",
        "20261301",
        "20260230",
        "2026-01-02",
        "-",
        "20260304-20260102",
        "2026010?",
        "tomorrow",
        "\u0662\u0660\u0662\u0666\u0660\u0661\u0660\u0662",
    ],
)
def test_what_is_no_date_is_refused(value: str) -> None:
    with pytest.raises(QueryError, match="StudyDate") as caught:
        conditions(("StudyDate", value))
    assert value == "-" or value not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("10", time(10), time(10, 59, 59, 999_999)),
        ("1030", time(10, 30), time(10, 30, 59, 999_999)),
        ("103015", time(10, 30, 15), time(10, 30, 15, 999_999)),
        ("103015.5", time(10, 30, 15, 500_000), time(10, 30, 15, 599_999)),
        ("103015.123456", time(10, 30, 15, 123_456), time(10, 30, 15, 123_456)),
        ("10:30:15", time(10, 30, 15), time(10, 30, 15, 999_999)),
        ("10-12", time(10), time(12, 59, 59, 999_999)),
        ("1030-", time(10, 30), None),
        ("-1030", None, time(10, 30, 59, 999_999)),
        ("235960", time(23, 59, 59), LAST),
    ],
)
def test_times_and_ranges_of_times(value: str, low: time | None, high: time | None) -> None:
    ends = ((low,) if low is not None else None, (high,) if high is not None else None)
    assert conditions(("StudyTime", value)) == (Interval(("StudyTime",), *ends),)


@pytest.mark.parametrize("value", ["1", "99", "1099", "101099", "10.5", "12-10", "noon", "10-11-12"])
def test_what_is_no_time_is_refused(value: str) -> None:
    with pytest.raises(QueryError, match="StudyTime"):
        conditions(("StudyTime", value))


def test_a_range_of_dates_and_one_of_times_are_one_range_of_points_in_time() -> None:
    assert conditions(("StudyTime", "2200-0200"[:5]), ("StudyDate", "20260101-20260102")) == (
        Interval(("StudyDate", "StudyTime"), (date(2026, 1, 1), time(22)), (date(2026, 1, 2), LAST)),
    )
    assert conditions(("StudyDate", "20260101-20260102"), ("StudyTime", "08-10")) == (
        Interval(
            ("StudyDate", "StudyTime"),
            (date(2026, 1, 1), time(8)),
            (date(2026, 1, 2), time(10, 59, 59, 999_999)),
        ),
    )
    assert conditions(("StudyDate", "20260101-"), ("StudyTime", "08-")) == (
        Interval(("StudyDate", "StudyTime"), (date(2026, 1, 1), time(8)), None),
    )


def test_a_night_that_ends_on_the_next_day_is_a_range_of_points_in_time() -> None:
    assert conditions(("StudyDate", "20260101-20260102"), ("StudyTime", "2200-0200")) == (
        Interval(
            ("StudyDate", "StudyTime"),
            (date(2026, 1, 1), time(22)),
            (date(2026, 1, 2), time(2, 0, 59, 999_999)),
        ),
    )


def test_an_end_of_time_where_the_date_is_open_is_refused() -> None:
    with pytest.raises(QueryError, match="StudyTime has an end where the range of StudyDate is open"):
        conditions(("StudyDate", "20260101-"), ("StudyTime", "-1200"))


def test_a_single_date_and_a_range_of_times_are_two_conditions() -> None:
    assert conditions(("StudyDate", "20260101"), ("StudyTime", "08-")) == (
        Interval(("StudyDate",), (date(2026, 1, 1),), (date(2026, 1, 1),)),
        Interval(("StudyTime",), (time(8),), None),
    )


@pytest.mark.parametrize("value", ["a*" * 17, "*" + "x" * 2000, "y" * 20_000])
def test_a_value_that_would_cost_too_much_is_refused(value: str) -> None:
    with pytest.raises(QueryError, match="PatientName") as caught:
        conditions(("PatientName", value))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("limit", "offset"), [(-1, 0), (None, -1)])
def test_a_negative_limit_or_offset_is_refused(limit: int | None, offset: int) -> None:
    with pytest.raises(QueryError, match="limit and offset"):
        parse_query("local", Level.STUDY, {}, limit=limit, offset=offset)
