"""The VR that an element gets when its data set had none (PS3.5 A.1): by the dictionaries, or else UN."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from dicom_common.codecs._elements import ITEM, LONG_FORM, Head
from dicom_common.dicom import dictionary_vr, private_vr

__all__ = ["Surroundings", "swapped_size", "vr_of"]

_PIXEL_REPRESENTATION: Final = 0x00280103
_ITEM_START: Final = (ITEM >> 16).to_bytes(2, "little") + (ITEM & 0xFFFF).to_bytes(2, "little")
_SWAPPED: Final = {
    **dict.fromkeys((b"US", b"SS", b"OW", b"AT"), 2),
    **dict.fromkeys((b"UL", b"SL", b"FL", b"OF", b"OL"), 4),
    **dict.fromkeys((b"FD", b"OD", b"SV", b"UV", b"OV"), 8),
}


@dataclass(slots=True)
class Surroundings:
    """What the elements of one data set, or item, tell about those behind them."""

    signed: bool
    """Pixel Representation (0028,0103), of this data set or of the next one around it that has it."""
    creators: dict[int, str] = field(default_factory=dict)
    """Private creators, by group and block (PS3.5 7.8.1)."""

    def note(self, tag: int, value: bytes) -> None:
        """Take notice of a value, in little endian."""
        if tag == _PIXEL_REPRESENTATION and len(value) == 2:
            self.signed = value[0] == 1
        elif is_creator(tag):
            group, block = tag >> 16, tag & 0xFF
            self.creators[group << 8 | block] = value.decode("latin-1").rstrip("\0 ").lstrip()

    def inner(self) -> Surroundings:
        """Give those of an item."""
        return Surroundings(self.signed)


def is_creator(tag: int) -> bool:
    """Tell whether an element names a private creator."""
    return bool(tag >> 16 & 1) and 0x10 <= tag & 0xFFFF <= 0xFF


def swapped_size(vr: bytes) -> int:
    """Give how many bytes the words of a VR have whose order the byte order turns (PS3.5 7.3); 1: it has none."""
    return _SWAPPED.get(vr, 1)


def vr_of(head: Head, start: bytes, around: Surroundings) -> bytes:
    """Choose the VR of an element of implicit VR.

    Args:
        head: its tag and length.
        start: the first bytes of its value.
        around: what is known of its data set.
    """
    if head.length is None:
        return b"SQ"  # nothing else has an undefined length there, but for pixel data, which never comes here
    tag = head.tag
    if is_creator(tag):
        return b"LO"
    if tag >> 16 & 1:
        creator = around.creators.get(tag >> 16 << 8 | tag >> 8 & 0xFF)
        vr = b"UN" if creator is None else _private(tag, creator)
    else:
        vr = _public(tag)
    if b" or " in vr:
        if vr == b"US or SS":
            return b"SS" if around.signed else b"US"
        return b"OW"
    if vr == b"SQ" and head.length and start[:4] != _ITEM_START:
        return b"UN"
    return vr


@lru_cache(maxsize=4096)
def _public(tag: int) -> bytes:
    return _known(dictionary_vr(tag))


@lru_cache(maxsize=4096)
def _private(tag: int, creator: str) -> bytes:
    return _known(private_vr(creator, tag))


def _known(vr: str) -> bytes:
    found = vr.encode("ascii")
    plain = found in LONG_FORM or (len(found) == 2 and found.isalpha())
    return found if plain or b" or " in found else b"UN"
