"""What follows a place in a data set: how plausible a way of reading is, by the elements that come next.

Wherever a data set can be read in several ways, the way counts after which tags ascend, VRs exist and lengths end where
the container ends. At most `LOOK` bytes are looked at, of every kind of source the same ones: the answer depends
neither on the size of the file nor on where it comes from.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

from dicom_common.dicom._dictionary import dictionary_vr
from dicom_common.dicom._heads import BIG, EXPLICIT, IMPLICIT, LONG_VRS, VRS, Encoding
from dicom_common.dicom._window import Window

__all__ = [
    "FAR",
    "GLANCE",
    "LOOK",
    "MOST",
    "PLAUSIBLE",
    "UNSEEN",
    "Ahead",
    "Inside",
    "chain",
    "is_plain",
    "is_private",
    "look",
    "passes",
]

FAR = 1 << 62
"""The end of a data set of unknown length."""
LOOK = 1 << 17
"""Bytes that are looked at: more than a length of 16 bits can tell, twice."""
GLANCE = 1 << 10
"""Bytes that hold the first elements of nearly all data sets."""
MOST = 8
"""Nothing contradicts the reading as far as it was followed."""
PLAUSIBLE = 2
"""At least one element follows that can hardly be there by chance."""
UNSEEN = -1
"""The place is too far ahead to be looked at."""
_LINKS = 4
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_OPEN_VRS = frozenset(("SQ", "UN", "OB", "OW"))
_WIDTHS = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "AT": 4, "FD": 8}
_LONGEST_SHORT = 0xFFFE
_SHORT_LETTERS = frozenset(vr.encode() for vr in VRS - LONG_VRS)
_EXPLICIT = struct.Struct("<HH2sH").unpack_from
_HEADERS = {False: struct.Struct("<HHI").unpack_from, True: struct.Struct(">HHI").unpack_from}


class Ahead(NamedTuple):
    """The bytes that may be looked at."""

    buffer: bytes
    base: int
    limit: int
    """The position behind the last of them."""
    ends: bool
    """Whether the data set ends at `limit`."""


class Inside(NamedTuple):
    """The data set or item whose elements are expected."""

    encoding: Encoding
    stop: int
    """Where it ends at the latest; `FAR` at the top level."""
    open_item: bool
    """Whether it is an item that ends with a delimiter."""
    nested: bool


def look(window: Window, position: int, far: int = LOOK) -> Ahead:
    """Have the bytes from `position` on in the window. Its buffer may have moved then."""
    window.move(position, far)
    have = window.base + len(window.buffer)
    limit = min(have, position + far)
    return Ahead(window.buffer, window.base, limit, have < position + far)


def chain(ahead: Ahead, position: int, last: int, inside: Inside) -> int:  # noqa: PLR0911  # one for each way to end
    """Tell how plausible it is that elements begin at `position`, behind one with the tag `last`.

    `UNSEEN`; 0 for not at all; `PLAUSIBLE` and above; `MOST` if nothing contradicts it.
    """
    score = 0
    for _ in range(_LINKS):
        if position == inside.stop:
            return MOST
        rest = ahead.limit - position
        if rest < 8 and not ahead.ends:
            return MOST if score >= PLAUSIBLE else score or UNSEEN
        if position > inside.stop or rest < 8:
            return MOST if not rest and not inside.nested else score
        at = position - ahead.base
        group, element, length = _HEADERS[inside.encoding == BIG](ahead.buffer, at)
        tag = group << 16 | element
        if group == 0xFFFE:
            return max(score, _delimiter(tag, length, inside))
        if not tag:
            padding = ahead.ends and not inside.nested and not ahead.buffer[at:].strip(b"\0")
            return MOST if padding else score
        strength, end = _element(ahead, position, tag, length, inside.encoding)
        if not strength or end > inside.stop or (ahead.ends and end > ahead.limit and end < FAR):
            return score
        score += strength if tag > last else 1
        if end >= FAR:
            return MOST if score >= PLAUSIBLE else score
        if strength == 1 and inside.encoding != IMPLICIT:
            return score
        position, last = end, tag
    return score


def is_plain(ahead: Ahead, position: int, encoding: Encoding) -> bool:
    """Tell whether a data set in this encoding begins at `position` as most do: `chain` would say `MOST`.

    False says nothing, so that `ahead` may be no more than a `GLANCE`.
    """
    last = -1
    for _ in range(_LINKS):
        if ahead.limit - position < 8:
            return False
        if encoding == EXPLICIT:
            group, element, letters, length = _EXPLICIT(ahead.buffer, position - ahead.base)
            sure, end = letters in _SHORT_LETTERS, position + 8 + length
            tag = group << 16 | element
        else:
            group, element, length = _HEADERS[encoding == BIG](ahead.buffer, position - ahead.base)
            tag = group << 16 | element
            strength, end = _element(ahead, position, tag, length, encoding)
            sure = strength > 1
        if not sure or tag <= last or not tag or group == 0xFFFE:
            return False
        position, last = end, tag
    return position <= ahead.limit


def passes(ahead: Ahead, position: int, target: int, encoding: Encoding) -> bool:
    """Tell whether elements that begin at `position` come by `target`."""
    while position < target and ahead.limit - position >= 8:
        group, element, length = _HEADERS[encoding == BIG](ahead.buffer, position - ahead.base)
        strength, position = _element(ahead, position, group << 16 | element, length, encoding)
        if not strength:
            return False
    return position == target


def _delimiter(tag: int, length: int, inside: Inside) -> int:
    if not inside.nested or not inside.open_item:
        return 0
    if tag == _ITEM_END:
        return MOST if not length else PLAUSIBLE
    return 1 if tag in (_ITEM, _SEQUENCE_END) else 0


def _element(ahead: Ahead, position: int, tag: int, length: int, encoding: Encoding) -> tuple[int, int]:
    """Give the strength of the element that begins at `position`, 0 to 2, and its end, `FAR` if that is not told."""
    if encoding == IMPLICIT:
        return _implicit(tag, length), FAR if length == _UNDEFINED else position + 8 + length
    at = position - ahead.base
    letters = ahead.buffer[at + 4 : at + 6].decode("latin-1")
    order = ">" if encoding == BIG else "<"
    if letters not in VRS:
        known = is_private(tag) or dictionary_vr(tag) != "UN"
        return (1 if known else 0), position + 8 + struct.unpack_from(f"{order}H", ahead.buffer, at + 6)[0]
    if letters not in LONG_VRS:
        return 2, position + 8 + struct.unpack_from(f"{order}H", ahead.buffer, at + 6)[0]
    if ahead.limit - position < 12 or ahead.buffer[at + 6 : at + 8] != b"\0\0":
        return 0, position
    length = struct.unpack_from(f"{order}I", ahead.buffer, at + 8)[0]
    if length == _UNDEFINED:
        return (2 if letters in _OPEN_VRS else 0), FAR
    return 2, position + 12 + length


def is_private(tag: int) -> bool:
    """Tell whether a tag is one of those that PS3.5 7.8.1 leaves to private elements, or their group length."""
    element = tag & 0xFFFF
    return tag >> 16 & 1 == 1 and tag >> 16 > 8 and (element >= 0x1000 or 0x10 <= element <= 0xFF or not element)


@lru_cache(maxsize=4096)  # data sets begin alike
def _implicit(tag: int, length: int) -> int:
    """Judge by the dictionary: a length can be impossible for a VR (PS3.5 6.2), and most numbers are no tags."""
    if tag >> 16 & 1:
        return 1 if is_private(tag) else 0
    if not tag & 0xFFFF:
        return 2 if length == 4 else 0
    vr = dictionary_vr(tag)
    if vr == "UN":
        return 0
    if length == _UNDEFINED:
        return 2 if vr == "SQ" or "OW" in vr or "OB" in vr else 0
    if vr in VRS and vr not in LONG_VRS and length > _LONGEST_SHORT:
        return 0
    return 1 if length % _WIDTHS.get(vr, 2) else 2
