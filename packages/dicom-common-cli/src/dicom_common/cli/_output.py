"""Results on stdout, everything else on stderr; tables for people, JSON lines for programs."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

__all__ = ["complain", "note", "print_json", "print_line", "print_table", "printable"]

_WIDEST = 40
"""A cell that may be cut is not wider than this."""
_UNPRINTABLE_IN_JSON = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]")


def printable(text: object) -> str:
    """Return a text that is safe on a terminal: control characters, which may be commands to it, are escaped."""
    shown = str(text)
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


def complain(message: str) -> None:
    """Say what is wrong, in one line on stderr."""
    note(f"dicom-common: {message}")


def note(message: str) -> None:
    """Say something on stderr that is no result."""
    with suppress(OSError, ValueError):  # closed or full: the work and its exit code do not depend on it
        print(printable(message), file=sys.stderr, flush=True)  # noqa: T201 - a command prints


def print_line(message: str) -> None:
    """Print one line of a result."""
    print(printable(message))  # noqa: T201 - a command prints


def print_json(value: Any) -> None:
    """Print one JSON document as a line, and flush it: who reads the line may rely on it."""
    ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
    text = json.dumps(value, ensure_ascii=ascii_only, allow_nan=False, default=_plain)
    # These are in strings only, where JSON lets any character be written as an escape.
    print(_UNPRINTABLE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text), flush=True)  # noqa: T201 - see above


def _plain(value: Any) -> Any:
    if isinstance(value, (date, time, datetime)):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, whole: Sequence[str] = ()) -> None:
    """Print a table. Cells of the columns in `whole` (a UID, a key: what one copies) are never cut.

    Where a line is wider than the terminal, the terminal folds it: no value is lost in a pipe or in a copy.
    """
    named = ([_cell(value, whole=name in whole) for name, value in zip(headings, row, strict=True)] for row in rows)
    cells = [list(headings), *named]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = (cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())  # noqa: T201 - a command prints


def _width(text: str) -> int:
    """Count the places that a text takes on a terminal: two for a wide character, none for one that combines."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    return len(text) + wide - sum(unicodedata.category(one) in ("Mn", "Me") for one in text)


def _cell(value: object, *, whole: bool) -> str:
    text = "" if value is None else printable(value)
    return text if whole or len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
