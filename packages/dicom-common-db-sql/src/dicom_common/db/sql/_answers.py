"""Rows of a search as answers: which columns are read, and what makes values of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any, NamedTuple

from dicom_common.core import ATTRIBUTES, Level, Value
from dicom_common.db.sql._columns import PARENTS, TABLES, counts_of
from dicom_common.db.sql._session import Row
from dicom_common.db.sql._values import from_column
from dicom_common.toolkit.query_rules import UNIQUE_KEYS

__all__ = ["READERS", "Reader", "answers", "reader"]

_KEPT = 256
"""Choices of fields that are remembered."""


class Reader(NamedTuple):
    """How a row of a level is read: `keywords` in the order of the columns, behind them the study's surrogate key."""

    columns: list[tuple[Level, str]]
    keywords: list[str]
    convert: list[tuple[int, Callable[[Any], Value]]]
    """What makes a value of a column that is not NULL; NULL is None, or () where there may be several values."""
    several: list[int]
    chosen: tuple[int, ...] | None = None
    """The positions of the columns among those of all fields; None: all."""


def _reader(level: Level) -> Reader:
    attributes = [a for a in ATTRIBUTES if a.level <= level]
    counts = [(at, name) for at in PARENTS if at <= level for name in counts_of(at)]
    columns = [(a.level, a.field) for a in attributes] + counts
    keywords = [a.keyword for a in attributes]
    keywords += [f"NumberOf{TABLES[at].capitalize()}Related{name.capitalize()}" for at, name in counts]
    convert = [(at, made) for at, a in enumerate(attributes) if (made := from_column(a)) is not None]
    several = [at for at, a in enumerate(attributes) if a.multiple]
    return Reader(columns, keywords, convert, several)


READERS = {level: _reader(level) for level in Level}


@lru_cache(_KEPT)
def reader(level: Level, fields: frozenset[str] | None) -> Reader:
    """Return how a row is read of which some fields are asked for; the unique keys are among them."""
    whole = READERS[level]
    if fields is None:
        return whole
    wanted = fields | {keyword for at, keywords in UNIQUE_KEYS.items() if at <= level for keyword in keywords}
    chosen = tuple([at for at, keyword in enumerate(whole.keywords) if keyword in wanted])
    place = {at: new for new, at in enumerate(chosen)}
    return Reader(
        [whole.columns[at] for at in chosen],
        [whole.keywords[at] for at in chosen],
        [(place[at], convert) for at, convert in whole.convert if at in place],
        [place[at] for at in whole.several if at in place],
        chosen,
    )


def answers(reader: Reader, rows: Sequence[Row]) -> list[dict[str, Value]]:
    """Return the answers that rows are."""
    # Column by column: row by row, a loop over the columns of each took longer than a server takes to find them all.
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    if not columns:
        return []
    for position, convert in reader.convert:
        columns[position] = [None if value is None else convert(value) for value in columns[position]]
    for position in reader.several:
        columns[position] = [value or () for value in columns[position]]
    # Behind the keywords stands the study's surrogate key.
    return list(map(dict, map(zip, repeat(reader.keywords), zip(*columns, strict=True))))
