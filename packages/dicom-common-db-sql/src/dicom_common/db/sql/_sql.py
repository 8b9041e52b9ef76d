"""What is run of a statement: its text, and how its parameters are bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["VALUES", "Sql"]

_SELECT, _FROM = "SELECT ", " \nFROM "
"""As SQLAlchemy writes them. No column of a search has a comma in it."""
VALUES = ":values"
"""Stands in the SQL of a look-up for its list of values."""


class Sql(NamedTuple):
    """What is run of a statement."""

    text: str
    order: tuple[str, ...]
    """The names of its parameters, in the order in which they are bound."""
    fixed: Mapping[str, Any]
    """The values that the statement itself has."""

    def of_columns(self, chosen: Sequence[int]) -> Sql:
        """Return a search that selects some of its columns, and the last one.

        By its text: a choice of columns is no statement of its own, which would have to be compiled and frozen.
        """
        head, behind = self.text[len(_SELECT) :].split(_FROM, 1)
        columns = head.split(", ")
        kept = ", ".join([*[columns[at] for at in chosen], *([] if len(columns) - 1 in chosen else columns[-1:])])
        return self._replace(text=f"{_SELECT}{kept}{_FROM}{behind}")
