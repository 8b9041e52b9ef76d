"""How a reader of something that was made from the index tells whether it is still true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol, runtime_checkable

__all__ = ["Revisions", "SeriesRevision"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRevision:
    """What a series is at: which instances it has, as one word."""

    tenant: str
    study_uid: str
    series_uid: str
    revision: str
    """Opaque text of up to 64 ASCII characters. It is another one after every transaction that adds, replaces or
    removes an instance of the series, and no revision ever comes back: not after the series was removed and added
    again, and hardly by accident after the index was rebuilt or restored."""
    changed: datetime
    """When that transaction ran, by the clock of its machine; UTC, with its zone."""
    instances: int
    study_date: date | None = None


@runtime_checkable
class Revisions(Protocol):
    """A database that knows revisions: what is made from it can be kept elsewhere, and is known when it is stale.

    Two equal answers of `revisions` say that nothing was committed in between which concerns these series.
    """

    def revisions(self, tenant: str, study_uid: str, series_uid: str | None = None) -> list[SeriesRevision]:
        """Return the revisions of all series of a study, or of the one if it is there, by UID; a cheap question."""
        ...

    def changed_series(self, *, before: datetime, after: str = "") -> Iterator[SeriesRevision]:
        """Iterate over the series of all tenants that last changed before a moment, the longest unchanged first.

        It goes on behind the revision `after`, if there is one.
        """
        ...
