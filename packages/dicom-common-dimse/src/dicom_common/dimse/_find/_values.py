"""The values of an answer: those of the index, and those of the kept metadata (DICOM JSON, PS3.18 F.2)."""

from __future__ import annotations

import math
import struct
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import date, time
from typing import Any, Final

from dicom_common.core import PersonName, RequestAttributes, Value
from dicom_common.dimse._identifiers import Encoding, Identifier, Written

__all__ = ["empty", "from_json", "from_match", "text_of"]

_INTEGERS: Final = {"US": "H", "UL": "I", "UV": "Q", "SS": "h", "SL": "i", "SV": "q"}
_FLOATS: Final = {"FL": "f", "FD": "d"}
_OF_BYTES: Final = ("OB", "UN")
_EXACT: Final = 1e15
_LONGEST_DECIMAL: Final = 16
_STEP, _PROCEDURE = 0x00400009, 0x00401001


def empty(tag: int, vr: str) -> Written:
    """Return an element without a value."""
    return Written(tag, vr, () if vr == "SQ" else b"")


def from_match(tag: int, vr: str, value: Value, encoding: Encoding, key: Identifier | None) -> Written:
    """Return an element of a match.

    Args:
        tag: its tag.
        vr: its VR.
        value: the value of the match.
        encoding: of the answer, for binary values.
        key: the item of the sequence key that was sent: its elements alone come back; None: all.
    """
    if value is None or value == ():
        return empty(tag, vr)
    if vr == "SQ":
        items = (_request(one, key) for one in value if isinstance(one, RequestAttributes))  # type: ignore[union-attr]  # an SQ has a tuple
        return Written(tag, vr, tuple(items))
    if vr == "US":
        return Written(tag, vr, int(value).to_bytes(2, encoding.byte_order))  # type: ignore[arg-type]  # a US is an int
    return Written(tag, vr, text_of(value))


def _request(one: RequestAttributes, key: Identifier | None) -> tuple[Written, ...]:
    values = ((_STEP, one.scheduled_procedure_step_id), (_PROCEDURE, one.requested_procedure_id))
    known = {tag: Written(tag, "SH", value or "") for tag, value in values}
    if key is None:
        return tuple(known.values())
    return tuple(known.get(tag) or empty(tag, element.vr) for tag, element in key.elements.items())


def text_of(value: Value) -> str:
    """Return a value that is no sequence as text; "" for none."""
    if isinstance(value, str):
        return value
    if isinstance(value, PersonName):
        return str(value)
    if isinstance(value, date):
        return f"{value.year:04}{value.month:02}{value.day:02}"
    if isinstance(value, time):
        whole = f"{value.hour:02}{value.minute:02}{value.second:02}"
        return f"{whole}.{value.microsecond:06}".rstrip("0") if value.microsecond else whole
    if isinstance(value, tuple):
        return "\\".join(text_of(one) for one in value)  # type: ignore[arg-type]  # of text or numbers
    return "" if value is None else _number(value)


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return ""
    if value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    text = repr(value)
    # PS3.5 6.2: a DS has 16 characters.
    digits = _LONGEST_DECIMAL
    while len(text) > _LONGEST_DECIMAL:
        digits -= 1
        text = f"{value:.{digits}g}"
    return text


def from_json(tag: int, attribute: Mapping[str, Any], encoding: Encoding, keys: Sequence[Identifier] = ()) -> Written:
    """Return an element of the kept metadata; what is bulk data, or cannot be written, is empty.

    Args:
        tag: its tag.
        attribute: its `vr` and its value.
        encoding: of the answer, for binary values.
        keys: the items of the sequence key that was sent: their elements alone come back; none: all.
    """
    vr, values = str(attribute.get("vr", "UN")), attribute.get("Value")
    if vr == "SQ":
        return Written(tag, vr, tuple(_item(item or {}, encoding, keys) for item in values or ()))
    if "InlineBinary" in attribute and vr in _OF_BYTES:
        return Written(tag, vr, b64decode(attribute["InlineBinary"]))
    if not values:
        return empty(tag, vr)
    if vr in _INTEGERS or vr in _FLOATS or vr == "AT":
        return Written(tag, vr, _binary(vr, values, ">" if encoding.big_endian else "<"))
    if vr == "PN":
        return Written(tag, vr, "\\".join(_name(one) for one in values))
    return Written(tag, vr, "\\".join(_string(one) for one in values))


def _item(item: Mapping[str, Any], encoding: Encoding, keys: Sequence[Identifier]) -> tuple[Written, ...]:
    wanted = {tag: element for key in keys for tag, element in key.elements.items()}
    if not wanted:
        return tuple(from_json(int(name, 16), attribute, encoding) for name, attribute in item.items())
    return tuple(
        from_json(tag, item[f"{tag:08X}"], encoding, element.items) if f"{tag:08X}" in item else empty(tag, element.vr)
        for tag, element in wanted.items()
    )


def _binary(vr: str, values: Sequence[Any], order: str) -> bytes:
    try:
        if vr == "AT":
            return b"".join(struct.pack(f"{order}HH", int(one[:4], 16), int(one[4:], 16)) for one in values)
        if vr in _FLOATS:
            return struct.pack(f"{order}{len(values)}{_FLOATS[vr]}", *map(float, values))
        return struct.pack(f"{order}{len(values)}{_INTEGERS[vr]}", *map(int, values))
    except (ValueError, TypeError, OverflowError, struct.error):
        return b""


def _name(one: Mapping[str, str] | None) -> str:
    groups = ("Alphabetic", "Ideographic", "Phonetic")
    return "=".join(str((one or {}).get(group, "")) for group in groups).rstrip("=")


def _string(one: object) -> str:
    if one is None:
        return ""
    return _number(one) if isinstance(one, float) else str(one)
