"""Ages and moments as people type them: callbacks of options."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

__all__ = ["age", "moment"]

_AGE = re.compile(r"(\d{1,6})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _age(text: str) -> timedelta | None:
    found = _AGE.fullmatch(text.strip())
    length = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta()
    return length or None


def age(ctx: click.Context, param: click.Parameter, value: str | None) -> timedelta | None:
    """Return a length of time: a number and one of m, h, d, w."""
    if value is None:
        return None
    length = _age(value)
    if length is None or length > datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC):
        message = f"{value!r} is no age: write a number above 0 and m, h, d or w, such as 90d."
        raise click.BadParameter(message, ctx, param)
    return length


def moment(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """Return a moment in UTC, of a date, a date and time, or an age that means so long ago."""
    if value is None:
        return None
    try:
        if length := _age(value):
            return datetime.now(UTC) - length
        at = datetime.fromisoformat(value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"{value!r} is no moment: write 2026-03-01, 2026-03-01T14:30, or an age such as 7d."
        raise click.BadParameter(message, ctx, param) from None
