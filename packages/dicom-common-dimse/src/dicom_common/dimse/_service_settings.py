"""The tables of the services below `[dimse]`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CommitmentSettings", "FindSettings", "RetrieveSettings"]

_MOST_COUNTED = 65_535
"""Counts of sub-operations are numbers of 16 bits."""


@dataclass(frozen=True, kw_only=True)
class FindSettings:
    """The table `[dimse.find]`: limits of C-FIND."""

    max_results: int = 5000
    """The most matches that a request returns; if there are more, the final status is A700."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.max_results < 1:
            raise ValueError("max_results has to be at least 1")


@dataclass(frozen=True, kw_only=True)
class RetrieveSettings:
    """The table `[dimse.retrieve]`: limits of C-MOVE and C-GET."""

    max_instances: int = 65_535
    """The most instances that a request may retrieve; a request for more is refused with A701."""
    keep_seconds: float = 5.0
    """Seconds that the association to a Move Destination stays open for the next request; 0: it is released at once."""
    connect_seconds: float = 10.0
    """Seconds that a destination may take to accept an association."""
    response_seconds: float = 120.0
    """Seconds that a destination, or the requestor of a C-GET, may take to respond to a C-STORE."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not 1 <= self.max_instances <= _MOST_COUNTED:
            raise ValueError(f"max_instances has to be from 1 to {_MOST_COUNTED}")
        if self.keep_seconds < 0 or not (self.connect_seconds > 0 and self.response_seconds > 0):
            raise ValueError("connect_seconds and response_seconds have to be above 0, keep_seconds 0 or above")


@dataclass(frozen=True, kw_only=True)
class CommitmentSettings:
    """The table `[dimse.commitment]`: when storage commitment reports are sent, and for how long."""

    same_association_seconds: float = 10.0
    """Seconds of silence during which a report may go over the association of its request; 0: never. After that, or
    once the peer has ended that association, the server opens an association for the report."""
    retry_seconds: float = 60.0
    """Seconds until an undelivered report is sent again; they double after each further try."""
    max_retry_seconds: float = 3600.0
    """The longest delay between two tries, in seconds."""
    give_up_days: float = 3.0
    """Days until an undelivered report is given up; a Transaction UID is remembered for as long."""
    max_references: int = 50_000
    """The most instances of one request."""
    max_pending: int = 1000
    """The most requests of one peer whose reports have not arrived yet; a further one gets 0213."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.same_association_seconds < 0:
            raise ValueError("same_association_seconds has to be 0 or above")
        if not 0 < self.retry_seconds <= self.max_retry_seconds:
            raise ValueError("retry_seconds has to be above 0, and max_retry_seconds at least as much")
        if self.give_up_days <= 0 or self.max_references < 1 or self.max_pending < 1:
            raise ValueError("give_up_days has to be above 0, and max_references and max_pending at least 1")
