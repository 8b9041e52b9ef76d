"""JSON of strangers: one object, UTF-8, no name twice, no NaN, not deep. Anything else gives None.

Where two parsers read the same bytes otherwise, a token says one thing to who checks it and another to who uses it.
"""

from __future__ import annotations

import json
from typing import Any

from dicom_common.auth.jose._check import Check, failed

__all__ = ["NAME_CHECKS", "TEXT_CHECKS", "VALUE_CHECKS", "parse_object"]

MOST_BRACKETS = 256

TEXT_CHECKS = (
    Check("json-nesting", lambda text: text.count("[") + text.count("{") <= MOST_BRACKETS, "too many brackets"),
)
"""Of the text. Brackets that are not there cannot nest: deep ones cost time, and end in RecursionError."""
NAME_CHECKS = (Check("json-names", lambda both: len(both[0]) == len(both[1]), "a name comes twice"),)
"""Of the members of each object: as they came, and by their names."""
VALUE_CHECKS = (Check("json-constants", lambda name: name not in ("NaN", "Infinity", "-Infinity"), "no JSON"),)
"""Of the words that Python reads as numbers, and JSON does not know."""


class _NotStrictError(ValueError):
    """Python's parser would take it; we do not."""


def parse_object(data: bytes) -> dict[str, Any] | None:
    """Return the object, or None where the text is not strictly one.

    No error is raised, not even as the cause of another: those of the parser hold what was parsed.
    """
    try:
        text = data.decode("utf-8")
        if failed(TEXT_CHECKS, text):
            return None
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):  # also an integer of more digits than Python reads
        return None
    return value if isinstance(value, dict) else None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if failed(NAME_CHECKS, (pairs, members)):
        raise _NotStrictError
    return members


def _constant(name: str) -> float:
    if failed(VALUE_CHECKS, name):
        raise _NotStrictError
    return float(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_constant)
