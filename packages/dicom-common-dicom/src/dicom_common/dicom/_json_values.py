"""One value of a data set as DICOM JSON (PS3.18 F.2): a function for each way of writing a VR.

Each takes the Value Field in little endian and the context of its data set, and gives what follows the `vr` of the
attribute, with the closing brace. They write text themselves, not a tree for `json.dumps`: a third of the time.
"""

from __future__ import annotations

import math
import re
import struct
from binascii import b2a_base64
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring as quote
from typing import Any, NamedTuple, Protocol

from dicom_common.dicom._rules import Rule

__all__ = [
    "ENCODERS",
    "PADDING",
    "PLAIN",
    "Context",
    "Doubt",
    "Skipped",
    "decimal_json",
    "encode_bulk",
    "encode_nothing",
    "encode_utf8",
    "integer_json",
]

_ALLOWED_IN_UIDS = b"0123456789.\\ \0"
PADDING = b" \0"
PLAIN = bytes(sorted(set(range(0x20, 0x7F)) - set(b'"\\')))
"""The characters that are the same in every character set and in a JSON string, and delimit nothing."""


class Context(Protocol):
    """What the encoding of a value depends on beside its bytes."""

    numbers: bool
    """Whether DS and IS are numbers."""
    signed: bool
    """Pixel Representation (0028,0103): how a VR that is US or SS is read (PS3.3 C.7.6.3.1.1)."""

    guessed: bool
    """Whether the last text was not of the declared character set."""

    def text(self, value: bytes, *, person_name: bool = False) -> str:
        """Decode text of the VRs that Specific Character Set affects."""
        ...

    def sequence(self, value: Any) -> str:
        """Write the items of a sequence."""
        ...

    def repertoire_text(self, value: bytes) -> str:
        """Decode text that should be of the default repertoire, and is not."""
        ...

    def uri(self, tag: int) -> str:
        """Give the BulkDataURI of an element of the data set or item that is being encoded."""
        ...


class Skipped(NamedTuple):
    """The place of a value that was not held: its tag, its first byte, and its length, None for fragments."""

    tag: int
    offset: int
    length: int | None


class _Known(dict[bytes, str]):
    """What values without a doubt were written as, by their bytes.

    Codes, dates, numbers and UIDs come again and again, in one data set and in those of a series: finding one here
    takes a fifth of writing it. Bounded, because the values are the sender's; texts and names are never kept.
    """

    def keep(self, value: bytes, written: str) -> str:
        if len(value) <= _LONGEST_KNOWN:
            if len(self) >= _MOST_KNOWN:
                self.clear()
            self[value] = written
        return written


_MOST_KNOWN, _LONGEST_KNOWN = 4096, 64
_CODES, _UIDS, _DECIMALS, _INTEGERS = _Known(), _Known(), _Known(), _Known()


class Doubt(Exception):  # noqa: N818  # not an error: the value was encoded as well as it can be
    """Says that a value broke `rule`; `text` is what to write in spite of it."""

    def __init__(self, rule: Rule, action: str, text: str) -> None:
        super().__init__(rule)
        self.rule, self.action, self.text = rule, action, text


def encode_nothing(value: object, context: Context) -> str:  # noqa: ARG001  # one of a table of functions
    """Write an attribute without a value (F.2.5)."""
    return "}"


def encode_bulk(value: Skipped, context: Context) -> str:
    """Write where the value can be fetched (F.2.2)."""
    return f',"BulkDataURI":{quote(context.uri(value.tag))}}}'


def encode_sequence(value: Any, context: Context) -> str:
    """Write the items of a sequence (F.2.2), or its bytes where there were none."""
    return _encode_inline(value, context) if type(value) is bytes else context.sequence(value)


def _doubted(written: str, context: Context) -> str:
    """Return what was written, unless the text in it was not of the declared character set."""
    if context.guessed:
        raise Doubt(Rule.CHARACTER_SET, "decoded by a guess", written)
    return written


def encode_utf8(value: object, context: Context) -> str:  # noqa: ARG001  # one of a table of functions
    """Write Specific Character Set (0008,0005): whatever it was, DICOM JSON is UTF-8 (F.2)."""
    return ',"Value":["ISO_IR 192"]}'


def _strings(text: str) -> str:
    """Write the values of a text; padding, before as well as behind, is not significant (PS3.5 6.2)."""
    parts = [part.strip(" ") for part in text.replace("\0", "").split("\\")]
    if not any(parts):
        return "}"
    return f',"Value":[{",".join([quote(part) if part else "null" for part in parts])}]}}'


def _encode_code(value: bytes, context: Context) -> str:
    """AE AS CS DA DT TM: text of the default repertoire."""
    if (known := _CODES.get(value)) is not None:
        return known
    if value.isascii():
        return _CODES.keep(value, _strings(value.decode("ascii")))
    raise Doubt(Rule.REPERTOIRE, "decoded by a guess", _strings(context.repertoire_text(value)))


def _encode_uid(value: bytes, context: Context) -> str:
    if (known := _UIDS.get(value)) is not None:
        return known
    text = _strings(context.repertoire_text(value))
    if not value.translate(None, _ALLOWED_IN_UIDS):
        return _UIDS.keep(value, text)
    raise Doubt(Rule.UID_CHARACTERS, "kept as text", text)


def _encode_text_values(value: bytes, context: Context) -> str:
    """LO SH UC: values in the declared character set; split behind decoding, for a trail byte may be a backslash."""
    value = value.strip(PADDING)
    # Deleting all that needs no care is the fastest way to ask whether there is anything else.
    if not value.translate(None, PLAIN):
        return f',"Value":["{value.decode("ascii")}"]}}' if value else "}"
    return _doubted(_strings(context.text(value)), context)


def _encode_text(value: bytes, context: Context) -> str:
    """LT ST UT: one value, in which leading spaces and backslashes are text."""
    text = context.text(value).replace("\0", "").rstrip(" ")
    return _doubted(f',"Value":[{quote(text)}]}}' if text else "}", context)


def _encode_uri_reference(value: bytes, context: Context) -> str:
    """UR: one value, of the default repertoire."""
    text = context.repertoire_text(value).replace("\0", "").strip(" ")
    return f',"Value":[{quote(text)}]}}' if text else "}"


_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def _person_name(text: str) -> str:
    groups = [group.strip(" ") for group in text.split("=", 3)]
    named = [f'"{name}":{quote(group)}' for name, group in zip(_GROUPS, groups, strict=False) if group]
    return f"{{{','.join(named)}}}" if named else "null"


def _encode_person_name(value: bytes, context: Context) -> str:
    value = value.strip(PADDING)
    if b"=" not in value and not value.translate(None, PLAIN):
        return f',"Value":[{{"Alphabetic":"{value.decode("ascii")}"}}]}}' if value else "}"
    text = context.text(value, person_name=True).replace("\0", "")
    names = [_person_name(part) for part in text.split("\\")]
    if names.count("null") == len(names):
        return "}"
    written = f',"Value":[{",".join(names)}]}}'
    if any(part.count("=") > 2 for part in text.split("\\")):
        raise Doubt(Rule.PERSON_NAME_GROUPS, "kept the first three component groups", written)
    return _doubted(written, context)


# A JSON number that is also a DS. 15 digits always survive the way through a double.
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,64}")
_SAFE_DIGITS = 15
_BACKSLASH = "\\"


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
    """Write an integer string (IS) as a JSON number; None if it is none, or out of range (PS3.5 6.2)."""
    if _INTEGER.fullmatch(text) is None:
        return None
    number = int(text)
    return str(number) if -(2**31) <= number < 2**31 else None


def _numbers(value: bytes, context: Context, written: Callable[[str], str | None], legal: re.Pattern[str]) -> str:
    try:
        text = value.decode("ascii")
    except UnicodeDecodeError:
        text = context.repertoire_text(value)
    parts = [part.strip(" ") for part in text.replace("\0", "").split("\\")]
    if not any(parts):
        return "}"
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
    result = f',"Value":[{",".join(out)}]}}'
    if bad:
        raise Doubt(Rule.NUMBER, "kept as text", result)
    return result


# Values that are JSON numbers as they stand, and have 15 digits at most, so that a double holds them.
# Atomic groups: no value, however long, is tried in more than one way.
_PLAIN_DECIMALS = re.compile(rb"(?>-?(?:[0-9]\.[0-9]{1,14}|(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,6})?)(?:\\(?!\Z)|\Z))++")
_PLAIN_INTEGERS = re.compile(rb"(?>-?(?:0|[1-9][0-9]{0,8})(?:\\(?!\Z)|\Z))++")


def _encode_decimal_string(value: bytes, context: Context) -> str:
    if not context.numbers:
        return _numbers(value, context, decimal_json, _DECIMAL)
    if (known := _DECIMALS.get(value)) is not None:
        return known
    plain = value.strip(PADDING)
    if _PLAIN_DECIMALS.fullmatch(plain):
        return _DECIMALS.keep(value, f',"Value":[{plain.decode("ascii").replace(_BACKSLASH, ",")}]}}')
    return _numbers(value, context, decimal_json, _DECIMAL)


def _encode_integer_string(value: bytes, context: Context) -> str:
    if not context.numbers:
        return _numbers(value, context, integer_json, _INTEGER)
    if (known := _INTEGERS.get(value)) is not None:
        return known
    plain = value.strip(PADDING)
    if _PLAIN_INTEGERS.fullmatch(plain):
        return _INTEGERS.keep(value, f',"Value":[{plain.decode("ascii").replace(_BACKSLASH, ",")}]}}')
    return _numbers(value, context, integer_json, _INTEGER)


_WRONG_LENGTH = "left out: its length is no multiple of the size of a value"


def _integers(code: str, size: int) -> Callable[[bytes, Context], str]:
    def encode(value: bytes, context: Context) -> str:  # noqa: ARG001  # one of a table of functions
        if len(value) == size:
            return f',"Value":[{from_bytes(value, "little", signed=signed)}]}}'
        count, rest = divmod(len(value), size)
        if rest:
            raise Doubt(Rule.LENGTH, _WRONG_LENGTH, "}")
        if not count:
            return "}"
        return f',"Value":[{",".join(map(str, struct.unpack(f"<{count}{code}", value)))}]}}'

    from_bytes, signed = int.from_bytes, code.islower()
    return encode


_encode_us = _integers("H", 2)
_encode_ss = _integers("h", 2)
_EXACT = 2**53 - 1


def _encode_us_or_ss(value: bytes, context: Context) -> str:
    """Finish the VR, which the head leaves open, and write the values."""
    if context.signed:
        return 'SS"' + _encode_ss(value, context)
    return 'US"' + _encode_us(value, context)


def _very_long(code: str) -> Callable[[bytes, Context], str]:
    def encode(value: bytes, context: Context) -> str:  # noqa: ARG001  # one of a table of functions
        count, rest = divmod(len(value), 8)
        if rest:
            raise Doubt(Rule.LENGTH, _WRONG_LENGTH, "}")
        if not count:
            return "}"
        numbers = struct.unpack(f"<{count}{code}", value)
        written = ",".join([str(n) if -_EXACT <= n <= _EXACT else f'"{n}"' for n in numbers])
        return f',"Value":[{written}]}}'

    return encode


def _single(number: float) -> str:
    """Write the shortest decimal that gives the same 32 bits again."""
    if not math.isfinite(number):
        return _not_finite(number)
    raw = struct.pack("<f", number)
    for digits in (6, 7, 8):
        text = f"{number:.{digits}g}"
        try:
            if struct.pack("<f", float(text)) == raw:
                return text
        except OverflowError:  # rounded up, beyond the largest of 32 bits
            continue
    return f"{number:.9g}"


def _double(number: float) -> str:
    return repr(number) if math.isfinite(number) else _not_finite(number)


def _not_finite(number: float) -> str:
    """DICOM allows NaN and infinity in FL and FD; JSON has no number for them, so they are strings."""
    return '"NaN"' if math.isnan(number) else '"inf"' if number > 0 else '"-inf"'


def _floats(code: str, size: int, write: Callable[[float], str]) -> Callable[[bytes, Context], str]:
    def encode(value: bytes, context: Context) -> str:  # noqa: ARG001  # one of a table of functions
        count, rest = divmod(len(value), size)
        if rest:
            raise Doubt(Rule.LENGTH, _WRONG_LENGTH, "}")
        if not count:
            return "}"
        return f',"Value":[{",".join(map(write, struct.unpack(f"<{count}{code}", value)))}]}}'

    return encode


def _encode_tags(value: bytes, context: Context) -> str:  # noqa: ARG001  # one of a table of functions
    count, rest = divmod(len(value), 4)
    if rest:
        raise Doubt(Rule.LENGTH, _WRONG_LENGTH, "}")
    if not count:
        return "}"
    halves = struct.unpack(f"<{2 * count}H", value)
    tags = [f'"{group:04X}{element:04X}"' for group, element in zip(halves[::2], halves[1::2], strict=True)]
    return f',"Value":[{",".join(tags)}]}}'


def _encode_inline(value: bytes, context: Context) -> str:  # noqa: ARG001  # one of a table of functions
    if not value:
        return "}"
    return f',"InlineBinary":"{b2a_base64(value, newline=False).decode("ascii")}"}}'


ENCODERS: dict[str, Callable[[Any, Context], str]] = {
    **dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "TM"), _encode_code),
    **dict.fromkeys(("LO", "SH", "UC"), _encode_text_values),
    **dict.fromkeys(("LT", "ST", "UT"), _encode_text),
    **dict.fromkeys(("OB", "OD", "OF", "OL", "OV", "OW", "UN"), _encode_inline),
    "AT": _encode_tags,
    "DS": _encode_decimal_string,
    "FD": _floats("d", 8, _double),
    "FL": _floats("f", 4, _single),
    "IS": _encode_integer_string,
    "PN": _encode_person_name,
    "SL": _integers("i", 4),
    "SQ": encode_sequence,
    "SS": _encode_ss,
    "SV": _very_long("q"),
    "UI": _encode_uid,
    "UL": _integers("I", 4),
    "UR": _encode_uri_reference,
    "US": _encode_us,
    "US or SS": _encode_us_or_ss,
    "UV": _very_long("Q"),
}
"""How the values of each VR are written."""
