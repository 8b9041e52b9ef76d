"""Attributes as DICOM JSON has them (PS3.18 F.2): one place that knows how values look there."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Final

__all__ = ["Attributes", "items", "number", "numbers", "text", "whole", "word_bytes"]

Attributes = Mapping[str, Any]
"""A DICOM JSON object, or the part of one that is needed, by tag (`00280010`)."""

_SIZES: Final = {"US": 2, "SS": 2, "UL": 4, "SL": 4}


def values(attributes: Attributes, tag: str) -> Sequence[Any]:
    """Give the values of an attribute; none where it is absent, empty or binary."""
    element = attributes.get(tag)
    found = element.get("Value") if isinstance(element, Mapping) else None
    return found if isinstance(found, list) else ()


def numbers(attributes: Attributes, tag: str) -> tuple[float, ...]:
    """Give the values as finite numbers; none where one of them is no such number."""
    try:
        found = tuple(float(value) for value in values(attributes, tag))
    except (TypeError, ValueError):
        return ()
    return found if all(map(isfinite, found)) else ()


def number(attributes: Attributes, tag: str) -> float | None:
    """Give the first value as a number."""
    found = numbers(attributes, tag)
    return found[0] if found else None


def whole(attributes: Attributes, tag: str) -> int | None:
    """Give the first value as an integer."""
    found = number(attributes, tag)
    return None if found is None else int(found)


def text(attributes: Attributes, tag: str) -> str | None:
    """Give the first value as text."""
    found = values(attributes, tag)
    return found[0] if found and isinstance(found[0], str) else None


def items(attributes: Attributes, tag: str) -> list[Attributes]:
    """Give the items of a sequence."""
    return [item for item in values(attributes, tag) if isinstance(item, Mapping)]


def word_bytes(attributes: Attributes, tag: str) -> bytes | None:
    """Give the value of an attribute of VR US, SS, OW or OB as little endian bytes; None where it is absent."""
    element = attributes.get(tag)
    if not isinstance(element, Mapping):
        return None
    if isinstance(inline := element.get("InlineBinary"), str):
        try:
            return base64.b64decode(inline, validate=True)
        except binascii.Error:
            return None
    size, found = _SIZES.get(str(element.get("vr")), 0), values(attributes, tag)
    if not size or not found or not all(type(value) is int for value in found):
        return None
    mask = (1 << 8 * size) - 1
    return b"".join((value & mask).to_bytes(size, "little") for value in found)
