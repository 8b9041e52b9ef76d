"""From which instance each attribute of a patient, study or series comes.

It is the highest-ranked instance below that has a value; and an instance ranks by its own clinical time, then by its
receipt, then by its SOP Instance UID. A row keeps the ranks of its sources, so that what comes is compared with them
alone, and so that it is known whether what goes was one of them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from dicom_common.core import Level
from dicom_common.db.sql._upper import Upper

__all__ = [
    "OWNER",
    "Kept",
    "Rank",
    "Ranks",
    "Tops",
    "clinical_time",
    "kept_ranks",
    "merge",
    "ranks_from_text",
    "ranks_text",
    "succeed",
]

OWNER = "patient_fk"
"""Among the sources of a study: the instance that was received first. The study belongs to that one's patient."""
_SECOND = 1_000_000
_DAY = 86_400
_LAST = 253_402_214_400
"""Seconds from 1970 to the last day that Python can count."""


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Rank(NamedTuple):
    """The rank of an instance among those that a row's attributes may come from: the greatest wins."""

    clinical: int
    """Its clinical time as YYYYMMDDHHMMSSffffff; 0 where it has none."""
    received: int
    """Microseconds since 1970."""
    sop_uid: str


Ranks = dict[str, Rank]
"""The rank of the source of each attribute that has a value, by column."""
Kept = tuple[int, int, str, list[str]]
"""A rank, and the attributes whose source has it, by column."""


def clinical_time(dates: Sequence[int | None], received: int) -> int:
    """Return the first of several dates with their times (absent: midnight) that is not in the future.

    A clock that is ahead by more than a day at the receipt is not believed. (Up to a day, it may be the time zone.)
    """
    limit = 0
    for at in range(0, len(dates), 2):
        if day := dates[at]:
            number = day * 1_000_000 * _SECOND + (dates[at + 1] or 0)
            limit = limit or _number(received // _SECOND + _DAY) * _SECOND + received % _SECOND
            if number <= limit:
                return number
    return 0


@lru_cache(1024)
def _number(seconds: int) -> int:
    return int(datetime.fromtimestamp(min(seconds, _LAST), UTC).strftime("%Y%m%d%H%M%S"))


class Tops(dict[bytes, tuple[Rank, "Upper"]]):
    """Of instances that say the same of the levels above, the highest-ranked one: the others decide nothing."""

    def note(self, rank: Rank, upper: Upper) -> None:
        """Take an instance into account."""
        known = self.get(upper.blob)
        if known is None or rank > known[0]:
            self[upper.blob] = rank, upper


def merge(level: Level, ranks: Ranks, tops: Tops) -> dict[str, Any]:
    """Let instances contend for the attributes of a row whose sources have `ranks`; return what they win."""
    won: dict[str, Any] = {}
    for rank, upper in tops.values():
        for name in upper.present[level]:
            if name not in ranks or rank > ranks[name]:
                ranks[name] = rank
                won[name] = upper.columns[name]
    return won


def succeed(kept: Iterable[Kept], rank: Rank, names: Sequence[str]) -> tuple[str, set[str]]:
    """Let one instance contend: the sources of the row as they are kept then, and the attributes that it wins.

    The same as `merge` between `ranks_from_text` and `ranks_text`, by the few ranks instead of the many attributes.

    Args:
        kept: the sources of the row, as `kept_ranks` gives them.
        rank: that of the instance.
        names: the attributes for which it has a value.
    """
    won, own = set(names), list[str]()
    above, below = [], []
    for *other, theirs in kept:  # the highest first
        if tuple(other) < rank:
            if left := [name for name in theirs if name not in won]:
                below.append([*other, left])
            continue
        won.difference_update(theirs)
        if tuple(other) == rank:
            own = theirs
        else:
            above.append([*other, theirs])
    mine = [[*rank, sorted((*won, *own))]] if won or own else []
    return _encode([*above, *mine, *below]), won


def ranks_text(ranks: Mapping[str, Rank]) -> str:
    """Write ranks as they are kept: the same text for the same ranks."""
    of_rank: dict[Rank, list[str]] = defaultdict(list)
    for name, rank in ranks.items():
        of_rank[rank].append(name)
    kept = [[*rank, sorted(names)] for rank, names in sorted(of_rank.items(), reverse=True)]
    return _encode(kept)


def ranks_from_text(text: str | None) -> Ranks:
    """Read ranks that are kept."""
    return {
        name: Rank(clinical, received, uid) for clinical, received, uid, names in kept_ranks(text) for name in names
    }


def kept_ranks(text: str | None) -> list[Kept]:
    """Read ranks that are kept, the highest first, each with the attributes whose source has it."""
    kept: list[Kept] = json.loads(text) if text else []
    return kept
