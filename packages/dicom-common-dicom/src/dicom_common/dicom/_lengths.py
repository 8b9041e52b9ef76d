"""The length of an element that does not lead to another one: where the element ends, by what follows."""

from __future__ import annotations

import struct
from typing import NamedTuple

from dicom_common.dicom._dictionary import dictionary_vr
from dicom_common.dicom._elements import Value, malformed
from dicom_common.dicom._heads import EXPLICIT, Head, Kind
from dicom_common.dicom._identity import IDENTITY
from dicom_common.dicom._json_context import Skipped
from dicom_common.dicom._look_ahead import MOST, Ahead, Inside, chain, is_private, look
from dicom_common.dicom._window import Window

__all__ = ["Shorter", "other_length"]

_NEAR = 8
"""Bytes by which a length is taken to be wrong."""
_LONGEST_SHORT = 0xFFFF
_START = struct.Struct("<HH").unpack_from


class Shorter(NamedTuple):
    """The value that an element has in truth, and where it ends."""

    value: bytes | Skipped
    """`Skipped` where the value was not held before: its head says how it is written."""
    end: int


def other_length(window: Window, position: int, head: Head, value: Value, inside: Inside) -> Shorter | None:
    """Find where the element before `position` ends, for no element begins there; None if that is not the length's.

    Written in the other byte order; without the byte of padding; or wrong by a few bytes: elements have to follow, of
    ascending tags, as far as can be seen.

    Raises:
        DicomError: it is one of the identity, and its length is wrong in a way that leaves its value in doubt.
    """
    length = len(value) if isinstance(value, bytes) else value.length if isinstance(value, Skipped) else None
    if inside.encoding != EXPLICIT or head.kind is not Kind.VALUE or head.long or not length or length > _LONGEST_SHORT:
        return None
    ahead = look(window, position)
    begin = position - length
    at = begin - 8 - ahead.base
    start = struct.pack("<HH", head.tag >> 16, head.tag & 0xFFFF)
    if at < 0 or ahead.buffer[at : at + 4] != start or ahead.buffer[at + 6 : at + 8] != struct.pack("<H", length):
        return None
    # A tag that may come next is one whose VR is wrong, not one that the length made.
    tag = _tag_at(ahead, position)
    if tag > head.tag and (is_private(tag) or dictionary_vr(tag) != "UN"):
        return None
    regular = [begin + (length >> 8 | (length & 0xFF) << 8), *([position + 1] if length % 2 else [])]
    near = [position + way * step for step in range(1, _NEAR + 1) for way in (1, -1)]
    for end in regular if head.tag in IDENTITY else regular + near:
        if end >= begin and end != position and _follows(ahead, end, head.tag, inside):
            if not isinstance(value, Skipped):
                return Shorter(ahead.buffer[begin - ahead.base : end - ahead.base], end)
            if end > begin:  # an empty value is nowhere to be fetched (PS3.18 F.2.5)
                return Shorter(Skipped(head.tag, begin, end - begin), end)
    if head.tag in IDENTITY and tag:
        raise malformed([], f"what is behind the {IDENTITY[head.tag]} is not an element").final()
    return None


def _tag_at(ahead: Ahead, position: int) -> int:
    group, element = _START(ahead.buffer, position - ahead.base)
    return int(group) << 16 | int(element)


def _follows(ahead: Ahead, position: int, last: int, inside: Inside) -> bool:
    if position + 8 > min(ahead.limit, inside.stop):
        return False
    return _tag_at(ahead, position) > last and chain(ahead, position, last, inside) == MOST
