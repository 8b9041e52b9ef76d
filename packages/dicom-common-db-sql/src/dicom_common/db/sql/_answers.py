"""Rows of a search as answers: which columns are read, and what makes values of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from dicom_common.core import ATTRIBUTES, Level, Value
from dicom_common.db.sql._columns import PARENTS, TABLES, counts_of
from dicom_common.db.sql._session import Row
from dicom_common.db.sql._values import from_column

__all__ = ["READERS", "Reader", "answers"]


class Reader(NamedTuple):
    """How a row of a level is read: `keywords` in the order of the columns, behind them the study's surrogate key."""

    columns: list[tuple[Level, str]]
    keywords: list[str]
    convert: list[tuple[int, Callable[[Any], Value]]]
    """What makes a value of a column that is not NULL; NULL is None, or () where there may be several values."""
    several: list[int]


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


def answers(level: Level, rows: Sequence[Row]) -> list[dict[str, Value]]:
    """Return the answers that rows of a level are."""
    reader = READERS[level]
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
