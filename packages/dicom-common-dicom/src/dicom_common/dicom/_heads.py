"""What is known of an element from its first bytes: tag, VR, and how to treat the value.

The first eight bytes of an element (tag, VR and length, or tag and length) are worked out once and found again as they
are, which saves taking them apart for each element: the largest single gain of the scanner.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache
from struct import Struct
from typing import Any

from dicom_common.core import ATTRIBUTES
from dicom_common.dicom._dictionary import dictionary_vr, private_vr
from dicom_common.dicom._fields import FAST, are_texts
from dicom_common.dicom._json_context import Known, KnownWords
from dicom_common.dicom._json_values import (
    ENCODERS,
    KEPT_VRS,
    encode_bulk,
    encode_nothing,
    encode_utf8,
    sequence_encoder,
)

__all__ = [
    "BIG",
    "BULK_VRS",
    "EXPLICIT",
    "IMPLICIT",
    "INDEXED",
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
_BY_LETTERS = {vr.encode("ascii"): vr for vr in VRS}
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
_TEXT_VRS = frozenset(["LT", "ST", "UC", "UT"])
"""Those of them that are text: bulk data goes out in the character set of the data set, DICOM JSON in UTF-8."""
_WIDTHS = {"US": 2, "SS": 2, "US or SS": 2, "AT": 2, "OW": 2, "UL": 4, "SL": 4, "FL": 4, "OL": 4, "OF": 4}
_WIDTHS |= {"FD": 8, "OD": 8, "SV": 8, "UV": 8, "OV": 8}
_HOLD_INDEXED = 4096
"""Bytes of an indexed value that are held whatever the threshold is: the record needs them."""
_IDENTITY = (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)
INDEXED = {attribute.tag: attribute for attribute in ATTRIBUTES if attribute.tag not in _IDENTITY}
# What these tables keep comes from the sender, so each entry is bounded as well as their number: some 6 MB for one
# encoding, when full.
_MOST_HEADS = 1 << 12
_MOST_STARTS = 1 << 14
_LONGEST_CREATOR = 64
"""Characters of a private creator (LO, PS3.5 6.2) that is looked up and remembered; a longer one is unknown."""
_CHARACTER_SET = 0x00080005
_WORDS = frozenset(
    [0x00080070, 0x00080100, 0x00080102, 0x00080104, 0x00081010, 0x00081090, 0x00181020, 0x00181210, 0x00283003]
)
"""Texts that are those of codes and equipment, the same in many objects."""
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

    __slots__ = (
        "_skipped",
        "attribute",
        "encode",
        "hold",
        "index",
        "kind",
        "known",
        "long",
        "prefix",
        "tag",
        "vr",
        "width",
    )

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
        self.encode: Callable[[Any, Any], str] = sequence_encoder(tag) if vr == "SQ" else ENCODERS[vr]
        self.known = Known() if vr in KEPT_VRS else KnownWords() if tag in _WORDS else None
        self.attribute = INDEXED.get(tag)
        self.index: Callable[[bytes], Any] = _not_indexed
        if self.attribute is not None and (self.attribute.vr == vr or are_texts(self.attribute.vr, vr)):
            self.index = FAST.get((self.attribute.vr, self.attribute.multiple), _not_indexed)
        self._skipped: Head | None = None
        if tag == _CHARACTER_SET:  # whatever it was, and under whichever VR
            self.prefix, self.encode, self.known = f'"{tag:08X}":{{"vr":"CS"', encode_utf8, None

    def skipped(self) -> Head:
        """Give the head of the same element whose value is not held; there is one for all of them."""
        if self._skipped is not None:
            return self._skipped
        vr = "US" if self.vr == "US or SS" else self.vr
        if self.kind is Kind.PIXEL_DATA and vr not in BULK_VRS:
            vr = "UN"  # its value is always elsewhere, which these VRs do not allow (PS3.18 F.2.2)
        head = Head(self.tag, vr, self.kind, hold=self.hold, long=self.long)
        if self.tag != _CHARACTER_SET:
            head.encode, head.known = encode_bulk if vr in BULK_VRS else encode_nothing, None
        self._skipped = head
        return head


class Encoding(IntEnum):
    """The three ways of writing elements (PS3.5 7.1, annex A)."""

    IMPLICIT = 0
    EXPLICIT = 1
    BIG = 2


IMPLICIT, EXPLICIT, BIG = Encoding.IMPLICIT, Encoding.EXPLICIT, Encoding.BIG


_IMPLICIT_START = Struct("<HHI").unpack
_EXPLICIT_START = Struct("<HH2sH").unpack
_BIG_START = Struct(">HH2sH").unpack

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
        if self.encoding == IMPLICIT:
            group, element, length = _IMPLICIT_START(key)
            letters = b""
        else:
            group, element, letters, length = (_BIG_START if self.encoding == BIG else _EXPLICIT_START)(key)
        tag = group << 16 | element
        head = self._heads.get((tag, letters))
        if head is None:
            head = self._explicit(tag, letters) if letters else self._implicit(tag)
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            self._heads[tag, letters] = head
        swapped = self.encoding == BIG and head.width > 1
        simple = head.kind is _VALUE and not head.long and not swapped and length <= head.hold
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
        if len(creator) > _LONGEST_CREATOR:
            return head
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

    def opaque(self, tag: int) -> Head:
        """Give the head of an element that is kept as bytes, whatever it should be."""
        head = self._resolved.get((tag, ""))
        if head is None:
            if len(self._resolved) >= _MOST_HEADS:
                self._resolved.clear()
            head = self._resolved[tag, ""] = Head(tag, "UN", _VALUE, hold=self._threshold)
        return head

    def _implicit(self, tag: int) -> Head:
        return self._make(tag, self.standard_vr(tag), long=False)

    def _explicit(self, tag: int, letters: bytes) -> Head:
        if tag >> 16 == 0xFFFE or tag in SWAPPED:
            return self._make(tag, "UN", long=False)
        vr = _BY_LETTERS.get(letters)
        if vr is None:
            return Head(tag, "UN", Kind.BAD_VR, hold=0)
        long = vr in LONG_VRS
        if vr == "UN":
            vr = self.standard_vr(tag)
            if vr == "SQ":
                return Head(tag, vr, Kind.UNKNOWN_SEQUENCE, hold=0, long=True)
        return self._make(tag, vr, long=long)

    def _make(self, tag: int, vr: str, *, long: bool) -> Head:
        kind = _kind(tag, vr)
        if kind is _CREATOR:
            vr = "LO"
        elif kind is Kind.PIXEL_DATA and vr not in BULK_VRS:
            vr = "OB"  # under no VR that may have a BulkDataURI it could be in no JSON
        hold = self._threshold if vr in BULK_VRS else self._max
        if vr in _TEXT_VRS:
            hold = max(hold, self._max)
        if tag in INDEXED or tag in _IDENTITY:
            hold = max(hold, _HOLD_INDEXED)
        return Head(tag, vr, kind, hold=hold, long=long)


# The members under names of their own: looking them up in the class costs as much as the question.
_VALUE, _SEQUENCE, _CREATOR, _PRIVATE = Kind.VALUE, Kind.SEQUENCE, Kind.CREATOR, Kind.PRIVATE
_GROUP_LENGTH, _FOREIGN_GROUP, _PIXELS, _DELIMITER = (
    Kind.GROUP_LENGTH,
    Kind.FOREIGN_GROUP,
    Kind.PIXEL_DATA,
    Kind.DELIMITER,
)


def _kind(tag: int, vr: str) -> Kind:
    group, element = tag >> 16, tag & 0xFFFF
    if group == 0xFFFE or tag in SWAPPED:
        kind = _DELIMITER
    elif element == 0:
        kind = _GROUP_LENGTH
    elif group in (0x0000, 0x0002):
        kind = _FOREIGN_GROUP
    elif tag in _PIXEL_DATA:
        kind = _PIXELS
    elif vr == "SQ":
        kind = _SEQUENCE
    elif group & 1 and 0x10 <= element <= 0xFF and vr in ("LO", "UN"):
        kind = _CREATOR
    elif group & 1 and vr == "UN":
        kind = _PRIVATE
    else:
        kind = _VALUE
    return kind


def _without_choice(vr: str) -> str:
    """Decide between the VRs of the dictionary.

    In implicit VR, OW is the one for pixel, overlay, curve, waveform and lookup table data (PS3.5 A.1). US or SS is
    decided by Pixel Representation when the value is written.
    """
    if "OW" in vr:
        return "OW"
    return vr if len(vr) == 2 or vr == "US or SS" else "UN"


@lru_cache(maxsize=12)  # three encodings under four settings
def heads_for(encoding: Encoding, threshold: int, max_element_value: int, numbers_as: str) -> Heads:  # noqa: ARG001  # what is known of attributes depends on it
    """Give the table of heads for these settings; it is shared by all reads of the process."""
    return Heads(encoding, threshold, max_element_value)
