"""Attributes as the reader and as pydicom have them, in the plainest form that can be compared.

pydicom is asked for its decoded values, never for its JSON: here they are turned into that form by code that shares
nothing with the encoder.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

TEXT = {"AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
ONE_TEXT = {"LT", "ST", "UR", "UT"}
NUMBERS = {"FL", "FD", "SL", "SS", "SV", "UL", "US", "UV"}
BYTES = {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}


@dataclass(frozen=True)
class Pair:
    """An attribute as both have it; None where one of them has none."""

    path: tuple[int, ...]
    big_endian: bool
    ours: Mapping[str, Any] | None
    theirs: DataElement | None
    error: str = ""
    """Why pydicom gives no value, where it does not."""


def pairs(tree: Mapping[str, Any], data_set: Dataset, path: tuple[int, ...] = ()) -> Iterator[Pair]:
    """Pair the attributes of both sides, and of the items of their sequences."""
    tags = {int(key, 16) for key in tree} | {int(tag) for tag in data_set._dict}
    big_endian = data_set.original_encoding[1] is False
    for tag in sorted(tags):
        ours = tree.get(f"{tag:08X}")
        way = (*path, tag)
        if tag not in data_set._dict:
            yield Pair(way, big_endian, ours, None)
            continue
        try:
            theirs = data_set[tag]
        except Exception as error:  # noqa: BLE001  # pydicom raises many; which one is part of the comparison
            yield Pair(way, big_endian, ours, None, error=type(error).__name__)
            continue
        yield Pair(way, big_endian, ours, theirs)
        if theirs.VR == "SQ" and ours is not None and ours["vr"] == "SQ":
            for item, other in zip(ours.get("Value", []), theirs.value, strict=False):
                yield from pairs(item, other, way)


def our_value(ours: Mapping[str, Any]) -> Any:  # noqa: PLR0911  # one answer for each form of value
    """Turn an attribute of DICOM JSON into a list of comparable values."""
    vr = ours["vr"]
    if "BulkDataURI" in ours:
        return "bulk data"
    if "InlineBinary" in ours:
        return base64.b64decode(ours["InlineBinary"])
    values = ours.get("Value", [])
    if vr == "SQ":
        return len(values)
    if vr == "PN":
        groups = ("Alphabetic", "Ideographic", "Phonetic")
        return [tuple((value or {}).get(group, "") for group in groups) for value in values]
    if vr in BYTES:
        return b""
    if vr == "FL":
        return [single(number(value)) for value in values]
    if vr in {"DS", "IS"} | NUMBERS:
        return [number(value) for value in values]
    return ["" if value is None else value for value in values]


def their_value(theirs: DataElement) -> Any:  # noqa: PLR0911  # as above
    """Turn a value of pydicom into the same form."""
    vr, value = theirs.VR, theirs.value
    if vr == "SQ":
        return len(value)
    if vr in BYTES or isinstance(value, bytes):
        return value or b""
    values = list(value) if isinstance(value, (MultiValue, list)) else [] if value is None else [value]
    if vr == "PN":
        names = [tuple((*str(name).split("="), "", "", "")[:3]) for name in values]
        return trimmed([tuple(group.strip(" \0") for group in name) for name in names], ("", "", ""))
    if vr == "AT":
        return [f"{int(tag):08X}" for tag in values]
    if vr in {"DS", "IS"}:
        return trimmed([number(getattr(each, "original_string", each)) for each in values], "")
    if vr in NUMBERS:
        return [number(each) for each in values]
    texts = list(map(text_of, values))
    return trimmed([text.rstrip(" \0") if vr in ONE_TEXT - {"UR"} else text.strip(" \0") for text in texts], "")


def text_of(value: Any) -> str:
    """Give a value as it was written: numbers and dates of pydicom keep their text, names keep bytes."""
    original = getattr(value, "original_string", value)
    return original if isinstance(original, str) else str(value)


def trimmed(values: list[Any], empty: Any) -> list[Any]:
    """Nothing but empty values is no value (PS3.18 F.2.5)."""
    return [] if all(value == empty for value in values) else values


def number(value: Any) -> Any:
    """Make numbers comparable that are text on one side; NaN is equal to itself here."""
    if value is None:
        return ""
    if isinstance(value, str):
        try:
            value = float(value.strip(" \0"))
        except ValueError:
            return value.strip(" \0")
    return "NaN" if math.isnan(value) else float(value)


def single(value: Any) -> Any:
    """Round to the 32 bits of FL: the JSON has the shortest decimal that gives them again, pydicom a double."""
    return value if isinstance(value, str) else struct.unpack("<f", struct.pack("<f", value))[0]


def is_equal(pair: Pair) -> bool:
    if pair.ours is None or pair.theirs is None or pair.ours["vr"] != pair.theirs.VR:
        return False
    ours, theirs = our_value(pair.ours), their_value(pair.theirs)
    if ours == "bulk data":
        return len(pair.theirs.value if isinstance(pair.theirs.value, bytes) else str(theirs)) > 0
    return bool(ours == theirs)
