"""The tables of the services below `[dimse]`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CommitmentSettings", "FindSettings", "RetrieveSettings"]

_MOST_COUNTED = 65_535
"""Counts of sub-operations are numbers of 16 bits."""


@dataclass(frozen=True, kw_only=True)
class FindSettings:
    """The table `[dimse.find]`: how much a C-FIND may bring."""

    max_results: int = 5000
    """The most matches of one request; where there are more, it ends with A700 behind them."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.max_results < 1:
            raise ValueError("max_results has to be at least 1")


@dataclass(frozen=True, kw_only=True)
class RetrieveSettings:
    """The table `[dimse.retrieve]`: what C-MOVE and C-GET may send, and how."""

    max_instances: int = 65_535
    """The most instances of one request; one for more is refused with A701."""
    keep_seconds: float = 5.0
    """Seconds for which the association to a destination of C-MOVE stays open for the next request; 0: none."""
    connect_seconds: float = 10.0
    """Seconds that a destination may take to accept an association."""
    response_seconds: float = 120.0
    """Seconds that a destination, or the requestor of a C-GET, may take to answer a C-STORE."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not 1 <= self.max_instances <= _MOST_COUNTED:
            raise ValueError(f"max_instances has to be from 1 to {_MOST_COUNTED}")
        if self.keep_seconds < 0 or not (self.connect_seconds > 0 and self.response_seconds > 0):
            raise ValueError("connect_seconds and response_seconds have to be above 0, keep_seconds 0 or above")


@dataclass(frozen=True, kw_only=True)
class CommitmentSettings:
    """The table `[dimse.commitment]`: how long reports of storage commitment are tried."""

    same_association_seconds: float = 10.0
    """Seconds of silence for which an association that asked for a commitment is waited on with the report; 0: not at
    all. Behind them, or where the peer ends it before, the report goes by an association of our own."""
    retry_seconds: float = 60.0
    """Seconds behind which a report that did not arrive is sent again; twice as many after each further try."""
    max_retry_seconds: float = 3600.0
    """The most seconds between two tries."""
    give_up_days: float = 3.0
    """Days behind which a report that did not arrive is given up; and for which a Transaction UID is remembered."""
    max_references: int = 50_000
    """The most instances of one request."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.same_association_seconds < 0:
            raise ValueError("same_association_seconds has to be 0 or above")
        if not 0 < self.retry_seconds <= self.max_retry_seconds:
            raise ValueError("retry_seconds has to be above 0, and max_retry_seconds at least as much")
        if self.give_up_days <= 0 or self.max_references < 1:
            raise ValueError("give_up_days has to be above 0, and max_references at least 1")
