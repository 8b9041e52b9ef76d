"""JSON that comes from outside or from storage: what Python's parser takes too much of, or fails on, is refused."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["MAX_JSON_DEPTH", "parse_json"]

MAX_JSON_DEPTH = 100
"""How deep lists and objects may be nested. No message or document of ours comes near it."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(data: bytes | str) -> Any:
    """Parse JSON text (RFC 8259) from a source that is not trusted.

    What Python's parser would let pass is refused too, since two readers could understand it differently: a name that
    an object has twice, NaN and Infinity, numbers beyond the range of a float, text that is not UTF-8, a lone
    surrogate. Nesting is bounded, so that whoever walks over the result or writes it again stays within Python's stack.

    Args:
        data: the text, in UTF-8 where it is bytes. A byte order mark is refused.

    Returns:
        The value, nested at most `MAX_JSON_DEPTH` deep.

    Raises:
        ValueError: it is not such a text. Neither the message nor an error behind it has anything of the text.
    """
    try:
        return _parsed(data)
    except (ValueError, RecursionError):  # an integer of too many digits is a ValueError
        pass  # the parser's error holds the whole text, and stays here
    raise ValueError("it is not JSON, nests too deep, has a name twice, or has a number out of range")


def _parsed(data: bytes | str) -> Any:
    if isinstance(data, str):
        data.encode()  # fails on lone surrogates
    text = data if isinstance(data, str) else data.decode("utf-8")
    value = _DECODER.decode(text)
    if text.count("[") + text.count("{") > MAX_JSON_DEPTH and _is_deep(value):
        raise _RefusedError
    if _SURROGATE.search(text):
        json.dumps(value, ensure_ascii=False).encode()  # the same, of those that were escaped
    return value


class _RefusedError(ValueError):
    """Python's parser would take it."""


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_JSON_DEPTH + 1):
        level = [
            part
            for one in level
            if isinstance(one, (dict, list))
            for part in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RefusedError
    return members


def _constant(_: str) -> Any:
    raise _RefusedError


def _number(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _RefusedError
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_constant, parse_float=_number)
