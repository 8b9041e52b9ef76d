"""Ages and moments as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

__all__ = ["AGE", "MOMENT"]

_AGE = re.compile(r"(\d{1,6})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=365_000)


def _age(text: str) -> timedelta | None:
    found = _AGE.fullmatch(text.strip())
    if found is None:
        return None
    age = timedelta(**{_UNITS[found[2]]: int(found[1])})
    return age if timedelta() < age <= _LONGEST else None


class _Age(click.ParamType):
    """A length of time: a number and one of m, h, d, w."""

    name = "age"

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the length of time."""
        age = value if isinstance(value, timedelta) else _age(value)
        if age is None:
            self.fail(f"{value!r} is no age: write a number above 0 and m, h, d or w, such as 90d.", param, ctx)
        return age


class _Moment(click.ParamType):
    """A date, a date and time, or an age that means so long ago. Without a zone it is UTC."""

    name = "moment"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment, in UTC."""
        if isinstance(value, datetime):
            return value
        try:
            if age := _age(value):
                return datetime.now(UTC) - age
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no moment: write 2026-03-01, 2026-03-01T14:30, or an age such as 7d.", param, ctx)


AGE = _Age()
MOMENT = _Moment()
