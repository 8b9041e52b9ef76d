"""What every store says in the same way, in the headers of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from dicom_common.core import BackendError
from dicom_common.storage.object._client import Body, Probed, RemoteObject
from dicom_common.toolkit import BusyError

__all__ = ["EmptyBody", "clock_compared", "with_retry_after"]

_SKEW = 60.0
"""Seconds. Stores refuse signatures that are 5 to 15 minutes off."""


class EmptyBody(Body):
    """What is behind the end of an object."""

    def __init__(self, found: RemoteObject) -> None:
        self.found = found

    def read(self, size: int) -> bytes:  # noqa: ARG002 - as in Body
        """Read nothing."""
        return b""

    def close(self) -> None:
        """Release nothing."""


def with_retry_after(error: BackendError, headers: Mapping[str, str]) -> BackendError:
    """Return an error; a `BusyError` with what Retry-After says, in seconds or as a date (RFC 9110 10.2.3)."""
    text = str(headers.get("Retry-After", ""))
    if isinstance(error, BusyError):
        if text.isascii() and text.isdigit():
            error.retry_after = float(text)
        elif (until := _moment(text)) is not None:
            error.retry_after = max(0.0, (until - datetime.now(UTC)).total_seconds())
    return error


def clock_compared(probed: Probed, date: str | None, at: datetime) -> Probed:
    """Add to what a probe found how far the store's clock is ahead of that of this machine.

    Args:
        probed: what was found so far.
        date: the header Date of an answer.
        at: when the request was made, with its zone.
    """
    there = _moment(date or "")
    if there is None:
        return probed
    skew = (there - at).total_seconds()
    warnings = list(probed.warnings)
    if abs(skew) > _SKEW:
        warnings.append(f"the clock of this machine and that of the store differ by {abs(skew):.0f} s: correct it")
    return Probed(facts={**probed.facts, "clock_skew_seconds": round(skew, 1)}, warnings=warnings)


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
