"""What a statement runs on: a connection of the driver, reduced to the three calls that are needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

__all__ = ["Row", "Session"]

Row = Sequence[Any]


class Session(Protocol):
    """A connection that is lent. SQLAlchemy's own costs more for each call than SQLite takes to answer."""

    def rows(self, text: str, bound: Any) -> Sequence[Row]:
        """Run a statement and return all rows."""
        ...

    def run(self, text: str, bound: Any) -> int:
        """Run a statement and return the number of rows that it changed."""
        ...

    def run_many(self, text: str, bound: Sequence[Any]) -> None:
        """Run a statement once for each set of parameters."""
        ...
