"""Matching keys of dates and times: single ones, ranges, and points in time (PS3.4 C.2.2.2.5)."""

from __future__ import annotations

from datetime import date, time

import pytest
from parsed_queries import conditions

from dicom_common.core import Interval, QueryError

LAST = time(23, 59, 59, 999_999)


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
