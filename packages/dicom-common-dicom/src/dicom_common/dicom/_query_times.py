"""Dates, times and ranges of them as the text of a request (PS3.4 C.2.2.2.5, PS3.5 6.2)."""

from __future__ import annotations

import re
from datetime import date, time
from typing import NamedTuple

from dicom_common.core import QueryError

__all__ = ["FIRST", "LAST", "Ends", "date_ends", "time_ends"]

FIRST, LAST = time(0), time(23, 59, 59, 999_999)
"""The first and the last moment of a day."""

_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})|(\d{4})\.(\d{2})\.(\d{2})", re.ASCII)  # dots: ACR-NEMA
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?", re.ASCII)


class Ends(NamedTuple):
    """The two ends of a range, both included; an open one is None. One value is a range of that value alone."""

    low: date | time | None
    high: date | time | None
    is_range: bool


def date_ends(keyword: str, text: str) -> Ends:
    """Read a DA value or a range of them."""
    low, high, is_range = _split(keyword, text)
    return Ends(_date(keyword, low), _date(keyword, high), is_range)


def time_ends(keyword: str, text: str) -> Ends:
    """Read a TM value or a range of them; what is left out of `10` or `1030` is all that it may be."""
    low, high, is_range = _split(keyword, text)
    first = _time(keyword, low, FIRST) if low else None
    return Ends(first, _time(keyword, high, LAST) if high else None, is_range)


def _split(keyword: str, text: str) -> tuple[str, str, bool]:
    low, dash, high = (part.strip() for part in text.partition("-"))
    if not dash:
        return low, low, False
    if "-" in high or not (low or high):
        raise QueryError(f"{keyword} is searched by one value or a range A-B, A- or -B.")
    return low, high, True


def _date(keyword: str, text: str) -> date | None:
    if not text:
        return None
    parts = [part for part in _parts(_DATE, text) if part is not None]
    try:
        return date(*map(int, parts))
    except (ValueError, TypeError):  # TypeError: it had no parts
        raise QueryError(f"{keyword} is searched by dates of the form YYYYMMDD.") from None


def _time(keyword: str, text: str, missing: time) -> time:
    parts = _parts(_TIME, text)
    try:
        hour, minute, second, fraction = parts
        digits = "0" if missing == FIRST else "9"
        return time(
            int(hour or ""),
            missing.minute if minute is None else int(minute),
            missing.second if second is None else 59 if second == "60" else int(second),  # 60: a leap second
            missing.microsecond if fraction is None else int(fraction.ljust(6, digits)),
        )
    except ValueError:
        raise QueryError(f"{keyword} is searched by times of the form HHMMSS.FFFFFF, or less of it.") from None


def _parts(form: re.Pattern[str], text: str) -> tuple[str | None, ...]:
    found = form.fullmatch(text)
    return found.groups() if found else ()
