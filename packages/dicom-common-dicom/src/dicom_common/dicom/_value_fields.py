"""A value of DICOM JSON (PS3.18 F.2) as the Value Field of a data element: a function for each way of writing a VR.

The bytes are little endian, in UTF-8, and padded to an even length (PS3.5 6.2, 7.1.1).
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

__all__ = ["VALUE_FIELDS", "Literal", "pad"]


class Literal(str):
    """A number as the JSON has it: `1.00` stays so on its way into a DS."""

    __slots__ = ()


Values = Sequence[Any]

_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_LONGEST_DECIMAL: Final = 16
_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE: Final = {"NaN": math.nan, "inf": math.inf, "-inf": -math.inf, "Infinity": math.inf, "-Infinity": -math.inf}


def pad(value: bytes, padding: bytes) -> bytes:
    """Make the length of a Value Field even."""
    return value + padding if len(value) % 2 else value


def _is_number(value: object) -> bool:
    return isinstance(value, (Literal, int, float)) and not isinstance(value, bool)


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or isinstance(value, Literal):
        raise TypeError("a value is not a string")
    return value


def _joined(texts: list[str]) -> bytes:
    """Join values; one with a backslash would become two (PS3.5 6.4)."""
    if any("\\" in text for text in texts):
        raise ValueError("a value holds the delimiter of values")
    return "\\".join(texts).encode()


def _strings(values: Values) -> bytes:
    return pad(_joined([*map(_text, values)]), b" ")


def _uids(values: Values) -> bytes:
    return pad(_joined([*map(_text, values)]), b"\0")


def _one_text(values: Values) -> bytes:
    if len(values) > 1:
        raise ValueError("this VR has one value only (PS3.5 6.2)")
    return pad("".join(map(_text, values)).encode(), b" ")


def _person_name(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, Mapping) or not value.keys() <= set(_GROUPS):
        raise TypeError("a person name is not an object of component groups")
    return "=".join(_text(value.get(group)) for group in _GROUPS).rstrip("=")


def _person_names(values: Values) -> bytes:
    return pad(_joined([*map(_person_name, values)]), b" ")


def decimal_text(value: object) -> str:
    """Write a number or a string as DS (PS3.5 6.2): 16 characters if the same value can be written so, else longer.

    Digits are never cut off: a position that is a little too long does less harm than one that is a little wrong.
    """
    if not _is_number(value):
        return _text(value)
    text = str(value) if isinstance(value, Literal) else repr(value)
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("a number is not finite")
    if len(text) > _LONGEST_DECIMAL and repr(float(text)) != text:
        shorter = repr(float(text))
        text = shorter if len(shorter) < len(text) and "n" not in shorter else text
    if len(text) > _LONGEST_DECIMAL:
        text = re.sub(r"^(-?)0\.", r"\1.", text).replace("e+", "e")
    return text


def _decimals(values: Values) -> bytes:
    return pad(_joined([*map(decimal_text, values)]), b" ")


def _integer(value: object) -> int:
    """Read a JSON number, or a string of one, that is whole."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, (str, float)) or len(str(value)) > 64:
        raise TypeError("a value is not a whole number")
    try:
        return int(value) if isinstance(value, str) else int(str(value))
    except ValueError:
        number = float(value)
        if not number.is_integer():
            raise ValueError("a value is not a whole number") from None
        return int(number)


def _integer_strings(values: Values) -> bytes:
    return pad(_joined([str(_integer(v)) if _is_number(v) else _text(v) for v in values]), b" ")


def _binary_integers(code: str) -> Callable[[Values], bytes]:
    return lambda values: struct.pack(f"<{len(values)}{code}", *map(_integer, values))


def _float(value: object) -> float:
    if isinstance(value, str) and not isinstance(value, Literal):
        return _NOT_FINITE[value]
    if not _is_number(value):
        raise TypeError("a value is not a number")
    return float(value)  # type: ignore[arg-type]  # one of the three types that `_is_number` lets through


def _binary_floats(code: str) -> Callable[[Values], bytes]:
    return lambda values: struct.pack(f"<{len(values)}{code}", *map(_float, values))


def _tag(value: object) -> bytes:
    text = _text(value)
    if _TAG.fullmatch(text) is None:
        raise ValueError("a value is not a tag of eight hex digits")
    return struct.pack("<HH", int(text[:4], 16), int(text[4:], 16))


def _tags(values: Values) -> bytes:
    return b"".join(map(_tag, values))


def _no_values(values: Values) -> bytes:  # noqa: ARG001  # one of a table of functions
    raise ValueError("this VR has InlineBinary or BulkDataURI, not Value (PS3.18 F.2.2)")


VALUE_FIELDS: Final[Mapping[str, Callable[[Values], bytes]]] = {
    **dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "LO", "SH", "TM", "UC"), _strings),
    **dict.fromkeys(("LT", "ST", "UR", "UT"), _one_text),
    **dict.fromkeys(("OB", "OD", "OF", "OL", "OV", "OW", "UN"), _no_values),
    "AT": _tags,
    "DS": _decimals,
    "FD": _binary_floats("d"),
    "FL": _binary_floats("f"),
    "IS": _integer_strings,
    "PN": _person_names,
    "SL": _binary_integers("i"),
    "SS": _binary_integers("h"),
    "SV": _binary_integers("q"),
    "UI": _uids,
    "UL": _binary_integers("I"),
    "US": _binary_integers("H"),
    "UV": _binary_integers("Q"),
}
"""How the `Value` of each VR becomes bytes. They raise ValueError (of which UnicodeError is one), TypeError, KeyError,
OverflowError or struct.error where it is not one; no message repeats the value."""
