"""Dates and times of a record: as the standard writes them, and as others do where that has one reading (PS3.5 6.2)."""

from __future__ import annotations

import re
from datetime import date, time

from dicom_common.dicom._json_context import Flaw
from dicom_common.dicom._rules import Rule

__all__ = ["FOREIGN_FORMAT", "date_of", "time_of"]

FOREIGN_FORMAT: Flaw = (Rule.FOREIGN_FORMAT, "indexed what it can only mean")
_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_TIME = re.compile(r"([0-9]{2})(?:([0-9]{2})(?:([0-9]{2})(?:\.([0-9]{1,6}))?)?)?")
_LEAP_SECOND = 60

# The year comes first, so month and day cannot be taken for each other: `04/05/2023` is left alone.
_CALENDAR = r"([0-9]{4})(?:([0-9]{2})([0-9]{2})|([./: -])([0-9]{1,2})\4([0-9]{1,2}))"
_FRACTION = r"(?:[.,]([0-9]*))?"
_CLOCK = (
    rf"(?:([0-9]{{2}})(?:([0-9]{{2}})(?:([0-9]{{2}}){_FRACTION})?)?"
    rf"|([0-9]{{1,2}}):([0-9]{{2}})(?::([0-9]{{2}}){_FRACTION})?)"
)
_ZONE = r" ?(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
_DATE_TIME = re.compile(rf"{_CALENDAR}(?:[ T]?{_CLOCK}{_ZONE})?")
_CLOCK_ALONE = re.compile(_CLOCK + _ZONE)
_LONGEST = 64


def date_of(text: str, flaws: list[Flaw]) -> date:
    """Read a date: `20230405`; with a flaw also `2023.04.05`, `2023-4-5`, `2023 04 05`, and the date of a DT.

    Raises:
        ValueError: it is not a date, or has more than one reading.
    """
    text = text.strip(" ")
    if (match := _DATE.fullmatch(text)) is not None:
        return date(int(match[1]), int(match[2]), int(match[3]))
    found = _date_time(text)
    flaws.append(FOREIGN_FORMAT)
    return found[0]


def time_of(text: str, flaws: list[Flaw]) -> time:
    """Read a time: `1127`, `112724.5`; with a flaw also `11:27:24`, more than six decimals, and the time of a DT.

    What is below a microsecond is cut off, and the offset of a time zone left out: the time is that of the place.

    Raises:
        ValueError: it is not a time.
    """
    text = text.strip(" ")
    if (match := _TIME.fullmatch(text)) is not None:
        return _time(*match.groups("0"))
    if len(text) <= _LONGEST and (match := _CLOCK_ALONE.fullmatch(text)) is not None:
        found: time | None = _clock(match.groups())
    else:
        found = _date_time(text)[1]
    if found is None:
        raise ValueError
    flaws.append(FOREIGN_FORMAT)
    return found


def _date_time(text: str) -> tuple[date, time | None]:
    match = _DATE_TIME.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise ValueError
    year, month, day, _, other_month, other_day, *clock = match.groups()
    found = date(int(year), int(month or other_month), int(day or other_day))
    return found, _clock(tuple(clock)) if any(clock) else None


def _clock(groups: tuple[str | None, ...]) -> time:
    hours, minutes, seconds, fraction = groups[4:] if groups[4] else groups[:4]
    return _time(hours or "0", minutes or "0", seconds or "0", fraction or "0")


def _time(hours: str, minutes: str, seconds: str, fraction: str) -> time:
    if int(seconds) == _LEAP_SECOND:  # allowed by PS3.5 6.2, unknown to Python
        return time(int(hours), int(minutes), 59, 999999)
    return time(int(hours), int(minutes), int(seconds), int(fraction[:6].ljust(6, "0")))
