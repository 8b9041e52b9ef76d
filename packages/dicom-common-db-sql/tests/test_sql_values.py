"""Values on their way into columns and back."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest
from hypothesis import given, strategies as st

from dicom_common.core import ATTRIBUTES
from dicom_common.db.sql import _values
from dicom_common.db.sql._shapes import _above

BY_VR = {attribute.vr: attribute for attribute in ATTRIBUTES if attribute.field not in ("study_date", "patient_id")}


@given(st.dates(), st.dates())
def test_dates_come_back_and_sort_as_dates(first: date, second: date) -> None:
    back = _values.from_column(BY_VR["DA"])
    assert back is not None
    assert back(_values.date_number(first)) == first
    assert (first < second) == (_values.date_number(first) < _values.date_number(second))


@given(st.times(), st.times())
def test_times_come_back_and_sort_as_times(first: time, second: time) -> None:
    back = _values.from_column(BY_VR["TM"])
    assert back is not None
    assert back(_values.time_number(first)) == first
    assert (first < second) == (_values.time_number(first) < _values.time_number(second))


@given(st.datetimes(timezones=st.just(UTC)))
def test_moments_come_back(moment: datetime) -> None:
    assert _values.moment(_values.micros(moment)) == moment


@given(st.text(st.characters(exclude_categories=())))
def test_clean_text_can_be_kept_and_cleaning_it_again_changes_nothing(text: str) -> None:
    cleaned = _values.clean(text)
    cleaned.encode()
    assert "\0" not in cleaned
    assert len(cleaned) <= 255
    assert _values.clean(cleaned) == cleaned


def test_long_text_is_cut_but_stays_different() -> None:
    assert _values.clean("x" * 300) != _values.clean("x" * 301)
    assert _values.clean("x" * 300).startswith("x" * 238)


@pytest.mark.parametrize(
    ("one", "other"), [("Doe^John", "DOE^JOHN^^"), ("Straße", "STRASSE"), ("e\u0301", "\xc9"), (" doe ", "DOE")]
)
def test_names_that_are_the_same_without_case(one: str, other: str) -> None:
    assert _values.fold(one) == _values.fold(other)


@given(st.text(min_size=1), st.text())
def test_a_beginning_has_a_bound_above_all_that_begins_so(beginning: str, rest: str) -> None:
    above = _above(beginning)
    above.encode()
    if above:
        assert beginning + rest < above
        assert beginning < above
    else:
        assert set(beginning) == {"\U0010ffff"}
