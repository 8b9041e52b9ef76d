"""Searches that an event loop may ask for: those of a shape that was answered at once the last time.

A thread asks first, so what is asked here has its SQL compiled. A search that turns out to take longer, because its
rows are on a cold disk or are many, is given up, and the next one of its shape is asked by a thread again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from dicom_common.core import Match, OneOf, Query
from dicom_common.db.sqlite._connections import SqliteSession

__all__ = ["FEW", "BriefSession", "Shapes"]

FEW = 16
"""The most matches of a search that is brief: to make answers of them takes time, too."""
_SECONDS = 0.002
"""What a search may take, about ten times what one of a Patient ID takes."""
_STEPS = 64
"""Instructions of SQLite between two looks at the clock: each may have to read some pages from the disk."""
_KEPT = 256


class BriefSession(SqliteSession):
    """A connection that waits for no lock, and whose statements fail when their time is over."""

    __slots__ = ("_end",)

    def __init__(self, raw: sqlite3.Connection) -> None:
        super().__init__(raw)
        self._end = 0.0
        raw.set_progress_handler(self._is_over, _STEPS)

    def begin(self) -> None:
        """Let the time of a search begin."""
        self._end = perf_counter() + _SECONDS

    def _is_over(self) -> bool:
        return perf_counter() > self._end


class Shapes:
    """The shapes of searches that were brief the last time."""

    def __init__(self) -> None:
        self._brief: set[tuple[Any, ...] | None] = set()

    def knows(self, query: Query) -> bool:
        """Tell whether a search is likely to be brief."""
        return _shape(query) in self._brief

    def note(self, query: Query, found: Sequence[Match] | None, began: float) -> None:
        """Remember how long a search took; None was found where it was given up."""
        is_brief = found is not None and len(found) <= FEW and perf_counter() - began <= _SECONDS
        shape = _shape(query)
        if not is_brief:
            self._brief.discard(shape)
        elif shape is not None and shape not in self._brief:
            if len(self._brief) >= _KEPT:
                self._brief.clear()
            self._brief.add(shape)


def _shape(query: Query) -> tuple[Any, ...] | None:
    """Return what decides on the SQL of a search for a page by whole values; None for any other one."""
    if query.limit is None:
        return None
    lists = [(one.keyword, len(one.values)) for one in query.conditions if isinstance(one, OneOf)]
    if not lists or len(lists) < len(query.conditions):
        return None
    return (query.level, query.fields, query.offset > 0, *lists)
