"""The length of an element that does not lead to another one: where the element ends, by what follows."""

from __future__ import annotations

import struct
from typing import Literal, NamedTuple

from dicom_common.dicom._dictionary import dictionary_vr
from dicom_common.dicom._elements import Value, little_endian, malformed
from dicom_common.dicom._heads import BIG, IMPLICIT, Head, Kind
from dicom_common.dicom._identity import IDENTITY
from dicom_common.dicom._json_context import Skipped
from dicom_common.dicom._look_ahead import MOST, Ahead, Inside, chain, is_private, look
from dicom_common.dicom._window import Window

__all__ = ["Shorter", "other_length"]

_NEAR = 8
"""Bytes by which a length is taken to be wrong."""
_LONGEST_SHORT = 0xFFFF
_ORDERS = {False: "<", True: ">"}


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
    if head.kind is not Kind.VALUE or head.long or not length or length > _LONGEST_SHORT:
        return None
    big = inside.encoding == BIG
    ahead = look(window, position)
    begin = position - length
    at = begin - 8 - ahead.base
    start, told = _header(head.tag, length, inside)
    if at < 0 or ahead.buffer[at : at + 4] != start or ahead.buffer[at + 8 - len(told) : at + 8] != told:
        return None
    # A tag that may come next is one whose VR is wrong, not one that the length made.
    tag = _tag_at(ahead, position, inside)
    if tag > head.tag and dictionary_vr(tag) != "UN":
        return None
    regular = [begin + (length >> 8 | (length & 0xFF) << 8), *([position + 1] if length % 2 else [])]
    # The nearest end is not the best one: a later one may pass over an element that an earlier one leads to.
    near = range(position - _NEAR, position + _NEAR + 1)
    for end in regular if head.tag in IDENTITY else [*regular, *near]:
        if end >= begin and end != position and _follows(ahead, end, head.tag, inside):
            if _holds_identity(ahead.buffer[begin - ahead.base : end - ahead.base], inside):
                break
            if not isinstance(value, Skipped):
                found = ahead.buffer[begin - ahead.base : end - ahead.base]
                return Shorter(little_endian(found, head.width) if big and head.width > 1 else found, end)
            if end > begin:  # an empty value is nowhere to be fetched (PS3.18 F.2.5)
                return Shorter(Skipped(head.tag, begin, end - begin), end)
    sure = inside.encoding == IMPLICIT or not tag or (tag > head.tag and is_private(tag))
    if head.tag in IDENTITY and not sure and not _leads_on(ahead, position, head.tag, inside):
        raise malformed([], f"what is behind the {IDENTITY[head.tag]} is not an element").final()
    return None


def _header(tag: int, length: int, inside: Inside) -> tuple[bytes, bytes]:
    """Give the bytes of a tag and of a length, of 16 bits where there is a VR and of 32 in implicit VR."""
    order = _ORDERS[inside.encoding == BIG]
    width = "I" if inside.encoding == IMPLICIT else "H"
    return struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF), struct.pack(f"{order}{width}", length)


def _tag_at(ahead: Ahead, position: int, inside: Inside) -> int:
    group, element = struct.unpack_from(f"{_ORDERS[inside.encoding == BIG]}HH", ahead.buffer, position - ahead.base)
    return int(group) << 16 | int(element)


def _follows(ahead: Ahead, position: int, last: int, inside: Inside) -> bool:
    if position + 8 > min(ahead.limit, inside.stop):
        return False
    return _tag_at(ahead, position, inside) > last and chain(ahead, position, last, inside) == MOST


def _holds_identity(value: bytes, inside: Inside) -> bool:
    """Tell whether a value has the tag of an element of the identity in it, which a wrong length passes over."""
    order = _ORDERS[inside.encoding == BIG]
    return any(struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF) in value for tag in IDENTITY)


def _leads_on(ahead: Ahead, position: int, last: int, inside: Inside) -> bool:
    """Tell whether an element of an ascending tag is at `position`, behind whose length others follow.

    Its VR is wrong then, not the length before it.
    """
    tag = _tag_at(ahead, position, inside)
    order: Literal["big", "little"] = "big" if inside.encoding == BIG else "little"
    at = position - ahead.base
    ends = [position + 8 + int.from_bytes(ahead.buffer[start : at + 8], order) for start in (at + 6, at + 4)]
    if ahead.buffer[at + 6 : at + 8] == b"\0\0":
        ends.append(position + 12 + int.from_bytes(ahead.buffer[at + 8 : at + 12], order))
    return tag > last and any(_follows(ahead, end, tag, inside) for end in ends)
