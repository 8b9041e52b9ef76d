"""Which instance an attribute comes from."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from dicom_common.core import Level
from dicom_common.db.sql import _values
from dicom_common.db.sql._ranks import (
    OWNER,
    Rank,
    Ranks,
    Tops,
    clinical_time,
    kept_ranks,
    merge,
    ranks_from_text,
    ranks_text,
    succeed,
)
from dicom_common.db.sql._rows import prepare
from dicom_common.testing import make_entry, make_instance

RECEIVED = datetime(2026, 3, 1, 12, tzinfo=UTC)
MOMENTS = st.datetimes(timezones=st.just(UTC)).filter(lambda moment: moment.year < 9990)
MICROS = _values.micros(RECEIVED)


def clinical(*dates: int | None) -> int:
    return clinical_time(dates, MICROS)


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ((20260101, 80000_000000, 20260202, 90000_000000), 20260101080000_000000),
        ((None, 80000_000000, 20260202, None), 20260202000000_000000),  # a time without a date says nothing
        ((20260302, 120000_000000), 20260302120000_000000),  # a day later: perhaps the time zone
        ((20260302, 120000_000001, 20250505, 10000_000000), 20250505010000_000000),
        ((20990101, None, 20990102, None), 0),
        ((0, None, None, None), 0),
        ((), 0),
    ],
)
def test_the_first_date_that_is_not_in_the_future_is_the_clinical_time(
    dates: tuple[int | None, ...], expected: int
) -> None:
    assert clinical(*dates) == expected


@given(MOMENTS, MOMENTS)
def test_the_limit_is_a_day_after_the_receipt(moment: datetime, received: datetime) -> None:
    found = clinical_time(
        (_values.date_number(moment.date()), _values.time_number(moment.time())),
        _values.micros(received),
    )
    assert bool(found) == (moment <= received + timedelta(days=1))


def test_the_dates_of_an_instance_are_asked_in_order() -> None:
    names = ("instance_creation", "content", "acquisition", "series", "study")
    fields: dict[str, Any] = {f"{name}_date": date(2026, 1, day) for day, name in enumerate(names, 1)}
    for day, name in enumerate(names, 1):
        (made,) = prepare([make_entry(make_instance(**(fields | {"study_time": None})), received=RECEIVED)])
        assert made.rank == Rank(20260100_000000_000000 + day * 10**12, MICROS, "1.2.3.1.1.1")
        fields[f"{name}_date"] = None
    (made,) = prepare([make_entry(make_instance(study_date=None, study_time=time(8)), received=RECEIVED)])
    assert made.rank.clinical == 0


def test_what_wins_does_not_depend_on_the_order() -> None:
    chance = random.Random(5)
    instances = [
        make_instance(
            n,
            study_description=chance.choice((None, "a", "b")),
            accession_number=chance.choice((None, "1")),
            study_date=chance.choice((None, date(2026, 1, n + 1))),
        )
        for n in range(8)
    ]
    answers = set()
    for _ in range(20):
        chance.shuffle(instances)
        ranks: Ranks = {}
        values: dict[str, Any] = {}
        for one in prepare([make_entry(one, received=RECEIVED) for one in instances]):
            tops = Tops()
            tops.note(one.rank, one.upper)
            values |= merge(Level.STUDY, ranks, tops)
            ranks = ranks_from_text(ranks_text(ranks))
        answers.add((ranks_text(ranks), str(sorted(values.items()))))
    assert len(answers) == 1


def test_one_instance_contends_by_the_ranks_as_by_the_attributes() -> None:
    chance = random.Random(7)
    (made,) = prepare([make_entry(make_instance(study_description="a", accession_number="1"), received=RECEIVED)])
    names = [*made.upper.present[Level.STUDY], "institution_name", OWNER]
    ranks_there_are = [made.rank, *(Rank(chance.randint(0, 1) * made.rank.clinical, n, "1.2") for n in range(3))]
    texts = set()
    for _ in range(300):
        ranks: Ranks = {name: chance.choice(ranks_there_are) for name in names if chance.random() < 0.8}
        text = ranks_text(ranks)
        tops = Tops()
        tops.note(made.rank, made.upper)
        won = merge(Level.STUDY, ranks, tops)
        texts.add(text)
        assert succeed(kept_ranks(text), made.rank, made.upper.present[Level.STUDY]) == (ranks_text(ranks), set(won))
    assert len(texts) > 100
