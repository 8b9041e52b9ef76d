"""Elements of explicit VR data sets whose VR is none of the standard's."""

from __future__ import annotations

from typing import Literal, NamedTuple

from dicom_common.dicom._heads import BIG, Head, Heads, Kind
from dicom_common.dicom._rules import Rule

__all__ = ["Guess", "without_vr"]

_UNDEFINED = 0xFFFFFFFF


class Guess(NamedTuple):
    """How an element is read in spite of its VR."""

    head: Head
    header: int
    """Bytes before the value."""
    length: int
    rule: Rule


def without_vr(start: bytes, room: int, head: Head, heads: Heads, creator: str) -> Guess | None:
    """Guess how the element that begins with these twelve bytes is meant; None if nothing fits.

    A private element is what its private creator says, as one of VR UN is. One that would be a sequence stays UN:
    nothing tells how its items are encoded, and to be wrong there would refuse the data set.

    Args:
        start: the first twelve bytes.
        room: how many bytes there are from its first on.
        head: its head, of which the tag is right.
        heads: those of its encoding.
        creator: the private creator of its block; empty where there is none.
    """
    guess = _guess(start, room, head, heads)
    if guess is None or guess.head.kind is not Kind.PRIVATE or guess.length == _UNDEFINED:
        return guess
    known = heads.private(head.tag, creator, guess.head)
    return guess._replace(head=known) if known.kind is Kind.VALUE else guess


def _guess(start: bytes, room: int, head: Head, heads: Heads) -> Guess | None:
    """Guess by the dictionary of the standard.

    Newer VRs have a length of 32 bits behind two zero bytes (PS3.5 7.1.2). Some writers leave the VR out, as in
    implicit VR. Others write any two characters before a short length.
    """
    order: Literal["big", "little"] = "big" if heads.encoding == BIG else "little"
    meant = heads.resolved(head.tag, heads.standard_vr(head.tag))
    letters = start[4:6]
    is_word = letters.isalpha() and letters.isupper()
    if is_word and start[6:8] == b"\0\0":
        length = int.from_bytes(start[8:12], order)
        if 12 + length <= room:
            return Guess(meant, 12, length, Rule.UNKNOWN_VR)
    if not is_word:
        length = int.from_bytes(start[4:8], order)
        if 8 + length <= room:
            return Guess(meant, 8, length, Rule.NO_VR)
    length = int.from_bytes(start[6:8], order)
    return Guess(meant, 8, length, Rule.UNKNOWN_VR) if 8 + length <= room else None
