"""Numbers as DICOM JSON (PS3.18 F.2): the VRs DS, IS, US, SS, UL, SL, UV, SV, FL and FD."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring as quote
from typing import Any

from dicom_common.dicom._json_context import (
    LEFT_OUT,
    PADDING,
    WRONG_LENGTH,
    Context,
    Doubt,
    Flaw,
    cut_at_nul,
    unless_flawed,
)
from dicom_common.dicom._rules import Rule

__all__ = ["NUMBER_ENCODERS", "decimal_json", "integer_json", "single_json"]

# A JSON number that is also a DS. 15 digits always survive the way through a double.
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,64}")
_SAFE_DIGITS = 15
_LONG = 32
"""As many characters count as another value: numbers with very many digits take longer."""
_BACKSLASH = "\\"
_NUMBER: Flaw = (Rule.NUMBER, "kept as text")


def decimal_json(text: str) -> str | None:
    """Write a decimal string as a JSON number of the same value; None if there is none (it is not a DS, or too long).

    Legal DS such as `+1`, `007`, `.5` and `1.` are no JSON numbers and are written as such ones.
    """
    if len(text) <= _SAFE_DIGITS and _JSON_NUMBER.fullmatch(text) and "e" not in text and "E" not in text:
        return text
    if len(text) > 64 or _DECIMAL.fullmatch(text) is None:
        return None
    number = float(text)
    try:
        same = math.isfinite(number) and Decimal(repr(number)) == Decimal(text)
    except InvalidOperation:  # an exponent beyond all bounds
        return None
    return repr(number) if same else None


def integer_json(text: str) -> str | None:
    """Write an integer string (IS) as a JSON number; None if it is not one, or out of range (PS3.5 6.2)."""
    if _INTEGER.fullmatch(text) is None:
        return None
    number = int(text)
    return str(number) if -(2**31) <= number < 2**31 else None


def _numbers(value: bytes, context: Context, written: Callable[[str], str | None], legal: re.Pattern[str]) -> str:
    text = value.decode("ascii") if value.isascii() else context.repertoire_text(value)
    if "\0" in text:
        text = cut_at_nul(text, context.flaws, several=True)
    parts = [part.strip(" ") for part in text.split("\\")]
    context.spend(len(parts) + 1 + len(text) // _LONG)
    if not any(parts):
        return unless_flawed("}", context)
    out = []
    bad = False
    for part in parts:
        number = written(part) if part else "null"
        if number is None:
            bad = bad or legal.fullmatch(part) is None
            number = quote(part)
        elif part and not context.numbers:
            number = quote(part)
        out.append(number)
    return unless_flawed(f',"Value":[{",".join(out)}]}}', context, *((_NUMBER,) if bad else ()))


# Values that are JSON numbers as they stand, and have 15 digits at most, so that a double holds them.
# Atomic groups: no value, however long, is tried in more than one way.
_PLAIN_DECIMALS = re.compile(rb"(?>-?(?:[0-9]\.[0-9]{1,14}|(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,6})?)(?:\\(?!\Z)|\Z))++")
_PLAIN_INTEGERS = re.compile(rb"(?>-?(?:0|[1-9][0-9]{0,8})(?:\\(?!\Z)|\Z))++")


def _encode_decimal_string(value: bytes, context: Context) -> str:
    if not context.numbers:
        return _numbers(value, context, decimal_json, _DECIMAL)
    plain = value.strip(PADDING)
    if _PLAIN_DECIMALS.fullmatch(plain):
        return f',"Value":[{plain.decode("ascii").replace(_BACKSLASH, ",")}]}}'
    return _numbers(value, context, decimal_json, _DECIMAL)


def _encode_integer_string(value: bytes, context: Context) -> str:
    if not context.numbers:
        return _numbers(value, context, integer_json, _INTEGER)
    plain = value.strip(PADDING)
    if _PLAIN_INTEGERS.fullmatch(plain):
        return f',"Value":[{plain.decode("ascii").replace(_BACKSLASH, ",")}]}}'
    return _numbers(value, context, integer_json, _INTEGER)


def _integers(code: str, size: int) -> Callable[[bytes, Context], str]:
    def encode(value: bytes, context: Context) -> str:
        if len(value) == size:
            return f',"Value":[{from_bytes(value, "little", signed=signed)}]}}'
        count, rest = divmod(len(value), size)
        if rest:
            raise Doubt(LEFT_OUT, WRONG_LENGTH)
        if not count:
            return "}"
        context.spend(count // 4)
        return f',"Value":[{",".join(map(str, struct.unpack(f"<{count}{code}", value)))}]}}'

    from_bytes, signed = int.from_bytes, code.islower()
    return encode


_encode_us = _integers("H", 2)
_encode_ss = _integers("h", 2)
_EXACT = 2**53 - 1


def _encode_us_or_ss(value: bytes, context: Context) -> str:
    """Finish the VR, which the head leaves open, and write the values."""
    vr, encode = ('SS"', _encode_ss) if context.signed else ('US"', _encode_us)
    try:
        return vr + encode(value, context)
    except Doubt as doubt:
        raise Doubt(vr + doubt.text, *doubt.flaws) from None


def _very_long(code: str) -> Callable[[bytes, Context], str]:
    def encode(value: bytes, context: Context) -> str:  # noqa: ARG001  # one of a table of functions
        count, rest = divmod(len(value), 8)
        if rest:
            raise Doubt(LEFT_OUT, WRONG_LENGTH)
        if not count:
            return "}"
        numbers = struct.unpack(f"<{count}{code}", value)
        written = ",".join([str(n) if -_EXACT <= n <= _EXACT else f'"{n}"' for n in numbers])
        return f',"Value":[{written}]}}'

    return encode


_PACK = struct.Struct("<f").pack
_FORMATS = ("%.6g", "%.7g", "%.8g")


def single_json(number: float) -> str:
    """Write the shortest decimal that gives the same 32 bits again."""
    if not math.isfinite(number):
        return _not_finite(number)
    raw = _PACK(number)
    for form in _FORMATS:
        text = form % number
        try:
            if _PACK(float(text)) == raw:
                return text
        except OverflowError:  # rounded up, beyond the largest of 32 bits
            continue
    return f"{number:.9g}"


def _double(number: float) -> str:
    return repr(number) if math.isfinite(number) else _not_finite(number)


def _not_finite(number: float) -> str:
    """DICOM allows NaN and infinity in FL and FD; JSON has no number for them, so they are strings."""
    return '"NaN"' if math.isnan(number) else '"inf"' if number > 0 else '"-inf"'


def _floats(code: str, size: int, write: Callable[[float], str], cost: int) -> Callable[[bytes, Context], str]:
    def encode(value: bytes, context: Context) -> str:
        count, rest = divmod(len(value), size)
        if rest:
            raise Doubt(LEFT_OUT, WRONG_LENGTH)
        if not count:
            return "}"
        if count > 1:
            context.spend(count * cost)
        return f',"Value":[{",".join(map(write, struct.unpack(f"<{count}{code}", value)))}]}}'

    return encode


NUMBER_ENCODERS: dict[str, Callable[[Any, Context], str]] = {
    "DS": _encode_decimal_string,
    "FD": _floats("d", 8, _double, 1),
    "FL": _floats("f", 4, single_json, 2),
    "IS": _encode_integer_string,
    "SL": _integers("i", 4),
    "SS": _encode_ss,
    "SV": _very_long("q"),
    "UL": _integers("I", 4),
    "US": _encode_us,
    "US or SS": _encode_us_or_ss,
    "UV": _very_long("Q"),
}
"""How the values of each VR of numbers are written."""
