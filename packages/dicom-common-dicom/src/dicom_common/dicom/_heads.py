"""What is known of an element from its first bytes: tag, VR, and how to treat the value.

The first eight bytes of an element (tag, VR and length, or tag and length) are worked out once and found again as they
are, which saves taking them apart for each element: the largest single gain of the scanner.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache
from typing import Any, Literal

from dicom_common.core import ATTRIBUTES
from dicom_common.dicom._dictionary import dictionary_vr, private_vr
from dicom_common.dicom._fields import FAST, TEXT_VRS
from dicom_common.dicom._json_values import ENCODERS, encode_bulk, encode_nothing, encode_utf8

__all__ = [
    "BIG",
    "BULK_VRS",
    "EXPLICIT",
    "IMPLICIT",
    "LONG_VRS",
    "SWAPPED",
    "VRS",
    "Encoding",
    "Head",
    "Heads",
    "Kind",
    "Start",
    "heads_for",
]

LONG_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
"""The VRs with a length of 32 bits (PS3.5 7.1.2)."""
VRS = LONG_VRS | frozenset(
    [
        "AE",
        "AS",
        "AT",
        "CS",
        "DA",
        "DS",
        "DT",
        "FD",
        "FL",
        "IS",
        "LO",
        "LT",
        "PN",
        "SH",
        "SL",
        "SS",
        "ST",
        "TM",
        "UI",
        "UL",
        "US",
    ]
)
"""All VRs (PS3.5 6.2)."""
BULK_VRS = frozenset(
    [
        "DS",
        "FD",
        "FL",
        "IS",
        "LT",
        "OB",
        "OD",
        "OF",
        "OL",
        "OV",
        "OW",
        "SL",
        "SS",
        "ST",
        "SV",
        "UC",
        "UL",
        "UN",
        "US",
        "UT",
        "UV",
    ]
) | {"US or SS"}
"""The VRs for which DICOM JSON allows a BulkDataURI (PS3.18 F.2.2)."""
_WIDTHS = {"US": 2, "SS": 2, "US or SS": 2, "AT": 2, "OW": 2, "UL": 4, "SL": 4, "FL": 4, "OL": 4, "OF": 4}
_WIDTHS |= {"FD": 8, "OD": 8, "SV": 8, "UV": 8, "OV": 8}
_INDEXED = {attribute.tag: attribute for attribute in ATTRIBUTES}
_HOLD_INDEXED = 4096
"""Bytes of an indexed value that are held whatever the threshold is: the record needs them."""
_IDENTITY = (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)
_MOST_HEADS = 1 << 13
_MOST_STARTS = 1 << 15
_CHARACTER_SET = 0x00080005
_PIXEL_DATA = (0x7FE00008, 0x7FE00009, 0x7FE00010)
SWAPPED = {0xFEFF00E0: 0xFFFEE000, 0xFEFF0DE0: 0xFFFEE00D, 0xFEFFDDE0: 0xFFFEE0DD}
"""What items and delimiters look like in the other byte order, and what they are."""


def _not_indexed(value: bytes) -> Any:  # noqa: ARG001  # one of a table of functions
    """Stand where there is no fast way from value to field."""
    raise ValueError


class Kind(IntEnum):
    """How the scanner treats an element."""

    VALUE = 0
    PRIVATE = 1
    """A private element of unknown VR; its private creator may tell it."""
    CREATOR = 2
    """A private creator (PS3.5 7.8.1)."""
    SEQUENCE = 3
    UNKNOWN_SEQUENCE = 4
    """A sequence that is coded as UN, so as implicit VR little endian (PS3.5 6.2.2)."""
    PIXEL_DATA = 5
    GROUP_LENGTH = 6
    FOREIGN_GROUP = 7
    """Of the command or the File Meta: not of a data set."""
    DELIMITER = 8
    BAD_VR = 9


class Head:
    """Tag and VR of an element, and what follows from them."""

    __slots__ = ("attribute", "encode", "hold", "index", "kind", "long", "prefix", "tag", "vr", "width")

    def __init__(self, tag: int, vr: str, kind: Kind, *, hold: int, long: bool = False) -> None:
        self.tag = tag
        self.vr = vr
        self.kind = kind
        self.hold = hold
        """The longest value in bytes that is held."""
        self.long = long
        """Whether the length has 32 bits, behind two reserved bytes."""
        self.width = _WIDTHS.get(vr, 1)
        """Bytes that are swapped in big endian."""
        # Of a VR that depends on Pixel Representation the value's encoder writes the rest.
        self.prefix = f'"{tag:08X}":{{"vr":"' if vr == "US or SS" else f'"{tag:08X}":{{"vr":"{vr}"'
        self.encode: Callable[[Any, Any], str] = ENCODERS.get(vr, encode_nothing)
        self.attribute = None if tag in _IDENTITY else _INDEXED.get(tag)
        self.index: Callable[[bytes], Any] = _not_indexed
        if self.attribute is not None and (self.attribute.vr == vr or TEXT_VRS.issuperset((self.attribute.vr, vr))):
            self.index = FAST.get((self.attribute.vr, self.attribute.multiple), _not_indexed)
        if tag == _CHARACTER_SET:
            self.encode = encode_utf8

    def skipped(self) -> Head:
        """Give the head of the same element whose value is not held."""
        head = Head(self.tag, "US" if self.vr == "US or SS" else self.vr, self.kind, hold=self.hold, long=self.long)
        head.encode = encode_bulk if head.vr in BULK_VRS or self.kind == Kind.PIXEL_DATA else encode_nothing
        return head


class Encoding(IntEnum):
    """The three ways of writing elements (PS3.5 7.1, annex A)."""

    IMPLICIT = 0
    EXPLICIT = 1
    BIG = 2


IMPLICIT, EXPLICIT, BIG = Encoding.IMPLICIT, Encoding.EXPLICIT, Encoding.BIG


Start = tuple[Head, int, int, int]
"""Head, tag, the bytes before the value, and all bytes of the element; these 0 where the scanner has to look closer."""


class Heads(dict[bytes, Start]):
    """The starts of elements met so far in one encoding, by eight bytes. Bounded: the bytes are the sender's."""

    def __init__(self, encoding: Encoding, threshold: int, max_element_value: int) -> None:
        super().__init__()
        self.encoding = encoding
        self._threshold = threshold
        self._max = max_element_value
        self._heads: dict[tuple[int, bytes], Head] = {}
        self._resolved: dict[tuple[int, str], Head] = {}
        self.privates: dict[tuple[str, int], Head] = {}
        """What `private` gave, by creator and tag."""

    def __missing__(self, key: bytes) -> Start:
        big = self.encoding == BIG
        order: Literal["big", "little"] = "big" if big else "little"
        tag = int.from_bytes(key[:2], order) << 16 | int.from_bytes(key[2:4], order)
        letters = b"" if self.encoding == IMPLICIT else key[4:6]
        head = self._heads.get((tag, letters))
        if head is None:
            head = self._explicit(tag, letters) if letters else self._implicit(tag)
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            self._heads[tag, letters] = head
        length = int.from_bytes(key[6:8] if letters else key[4:8], order)
        simple = head.kind == Kind.VALUE and not head.long and not (big and head.width > 1) and length <= head.hold
        start = (head, tag, 12 if head.long else 8, 8 + length if simple else 0)
        if len(self) >= _MOST_STARTS:
            self.clear()
        self[key] = start
        return start

    @staticmethod
    def standard_vr(tag: int) -> str:
        """Give the VR that an element has by the data dictionary; `UN` for private ones."""
        standard = tag >> 16 & 1 == 0 and tag >> 16 != 0xFFFE
        return _without_choice(dictionary_vr(tag)) if standard else "UN"

    def private(self, tag: int, creator: str, head: Head) -> Head:
        """Give the head of a private element whose own bytes tell no VR: that of its private creator, else `head`."""
        vr = private_vr(creator, tag) if creator else "UN"
        if vr == "SQ" and self.encoding != IMPLICIT:
            head = Head(tag, vr, Kind.UNKNOWN_SEQUENCE, hold=0)
        elif vr in VRS and vr != "UN":
            head = self.resolved(tag, vr)
        if len(self.privates) >= _MOST_HEADS:
            self.privates.clear()
        self.privates[creator, tag] = head
        return head

    def resolved(self, tag: int, vr: str) -> Head:
        """Give the head of an element whose VR is known from elsewhere than its own bytes."""
        head = self._resolved.get((tag, vr))
        if head is None:
            if len(self._resolved) >= _MOST_HEADS:
                self._resolved.clear()
            head = self._resolved[tag, vr] = self._make(tag, vr, long=False)
        return head

    def _implicit(self, tag: int) -> Head:
        return self._make(tag, self.standard_vr(tag), long=False)

    def _explicit(self, tag: int, letters: bytes) -> Head:
        if tag >> 16 == 0xFFFE or tag in SWAPPED:
            return self._make(tag, "UN", long=False)
        vr = letters.decode("latin-1")
        if vr not in VRS:
            return Head(tag, "UN", Kind.BAD_VR, hold=0)
        long = vr in LONG_VRS
        if vr == "UN":
            vr = self.standard_vr(tag)
            if vr == "SQ":
                return Head(tag, vr, Kind.UNKNOWN_SEQUENCE, hold=0, long=True)
        return self._make(tag, vr, long=long)

    def _make(self, tag: int, vr: str, *, long: bool) -> Head:
        kind = _kind(tag, vr)
        if kind is Kind.CREATOR:
            vr = "LO"
        hold = self._threshold if vr in BULK_VRS else self._max
        if tag in _INDEXED:
            hold = max(hold, _HOLD_INDEXED)
        return Head(tag, vr, kind, hold=hold, long=long)


def _kind(tag: int, vr: str) -> Kind:
    group, element = tag >> 16, tag & 0xFFFF
    if group == 0xFFFE or tag in SWAPPED:
        kind = Kind.DELIMITER
    elif element == 0:
        kind = Kind.GROUP_LENGTH
    elif group in (0x0000, 0x0002):
        kind = Kind.FOREIGN_GROUP
    elif tag in _PIXEL_DATA:
        kind = Kind.PIXEL_DATA
    elif vr == "SQ":
        kind = Kind.SEQUENCE
    elif group & 1 and 0x10 <= element <= 0xFF and vr in ("LO", "UN"):
        kind = Kind.CREATOR
    elif group & 1 and vr == "UN":
        kind = Kind.PRIVATE
    else:
        kind = Kind.VALUE
    return kind


def _without_choice(vr: str) -> str:
    """Decide between the VRs of the dictionary.

    In implicit VR, OW is the one for pixel, overlay, curve, waveform and lookup table data (PS3.5 A.1). US or SS is
    decided by Pixel Representation when the value is written.
    """
    if "OW" in vr:
        return "OW"
    return vr if len(vr) == 2 or vr == "US or SS" else "UN"


@lru_cache(maxsize=32)
def heads_for(encoding: Encoding, threshold: int, max_element_value: int) -> Heads:
    """Give the table of heads for these settings; it is shared by all reads of the process."""
    return Heads(encoding, threshold, max_element_value)
