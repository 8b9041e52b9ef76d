"""Elements of explicit VR data sets whose VR is none of the standard's."""

from __future__ import annotations

from typing import Literal, NamedTuple

from dicom_common.dicom._heads import BIG, Head, Heads, Kind
from dicom_common.dicom._look_ahead import PLAUSIBLE, UNSEEN, Ahead, Inside, chain, look
from dicom_common.dicom._rules import Rule
from dicom_common.dicom._window import Window

__all__ = ["Guess", "without_vr"]

_UNDEFINED = 0xFFFFFFFF


class Guess(NamedTuple):
    """How an element is read in spite of its VR."""

    head: Head
    header: int
    """Bytes before the value."""
    length: int
    rule: Rule


def without_vr(  # noqa: PLR0913, PLR0917  # the state of the loop
    window: Window, position: int, inside: Inside, head: Head, heads: Heads, creator: str
) -> Guess | None:
    """Tell how the element at `position` is meant, by what follows each way of reading it; None if nothing fits.

    A private element is what its private creator says, as one of VR UN is. One that would be a sequence stays UN:
    nothing tells how its items are encoded, and to be wrong there would refuse the data set.

    Args:
        window: the bytes.
        position: where the element begins.
        inside: the data set or item that holds it.
        head: its head, of which the tag is right.
        heads: those of its encoding.
        creator: the private creator of its block; empty where there is none.
    """
    ahead = look(window, position)
    at = position - ahead.base
    start = ahead.buffer[at : at + 12]
    if len(start) < 8:
        return None
    guesses = _guesses(start, head, heads)
    scores = [_score(guess, ahead, position, inside) for guess in guesses]
    seen = max(scores)
    if seen < PLAUSIBLE and UNSEEN in scores:
        # Nothing near is plausible; what is too far ahead may be.
        guess = guesses[scores.index(UNSEEN)]
    elif seen > 0:
        guess = guesses[scores.index(seen)]
    else:
        return None
    if guess.head.kind is not Kind.PRIVATE or guess.length == _UNDEFINED:
        return guess
    known = heads.private(head.tag, creator, guess.head)
    return guess._replace(head=known) if known.kind is Kind.VALUE else guess


def _score(guess: Guess, ahead: Ahead, position: int, inside: Inside) -> int:
    if guess.length == _UNDEFINED:
        at = position + guess.header - ahead.base
        return PLAUSIBLE if ahead.buffer[at : at + 4] in (b"\xfe\xff\0\xe0", b"\xff\xfe\xe0\0") else 0
    return chain(ahead, position + guess.header + guess.length, guess.head.tag, inside)


def _guesses(start: bytes, head: Head, heads: Heads) -> list[Guess]:
    """Give the ways in which elements without a VR are written, the most usual one first.

    Newer VRs have a length of 32 bits behind two zero bytes (PS3.5 7.1.2). Some writers leave the VR out, as in
    implicit VR. Others write any two characters before a short length, or before two zero bytes and a long one.
    """
    order: Literal["big", "little"] = "big" if heads.encoding == BIG else "little"
    meant = heads.resolved(head.tag, heads.standard_vr(head.tag))
    is_word = start[4:6].isalpha() and start[4:6].isupper()
    short = Guess(meant, 8, int.from_bytes(start[6:8], order), Rule.UNKNOWN_VR)
    bare = Guess(meant, 8, int.from_bytes(start[4:8], order), Rule.NO_VR)
    guesses = [short] if is_word else [bare, short]
    if start[6:8] == b"\0\0" and len(start) == 12:
        long = Guess(meant, 12, int.from_bytes(start[8:12], order), Rule.UNKNOWN_VR)
        guesses = [long, *guesses] if is_word else [*guesses, long]
    return guesses
