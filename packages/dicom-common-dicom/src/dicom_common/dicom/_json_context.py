"""What the functions that write DICOM JSON values share."""

from __future__ import annotations

import re
from typing import Any, ClassVar, NamedTuple, Protocol

from dicom_common.dicom._rules import Rule

__all__ = [
    "LEFT_OUT",
    "PADDING",
    "PLAIN",
    "WRONG_LENGTH",
    "Context",
    "Doubt",
    "Flaw",
    "Known",
    "KnownWords",
    "Skipped",
    "cut_at_nul",
    "unless_flawed",
]

PADDING = b" \0"
PLAIN = bytes(sorted(set(range(0x20, 0x7F)) - set(b'"\\')))
"""The characters that are the same in every character set and in a JSON string, and delimit nothing."""
_MOST_KNOWN, _LONGEST_KNOWN = 1 << 14, 64
Flaw = tuple[Rule, str]
"""A rule that a value broke, and what was done."""
WRONG_LENGTH: Flaw = (Rule.LENGTH, "left out: its length is no multiple of the size of a value")
LEFT_OUT = "}"
"""What stands behind the `vr` of an attribute without a value."""
_BEHIND_NUL = re.compile(r"\0[^\\]*")


class Context(Protocol):
    """What the encoding of a value depends on beside its bytes."""

    numbers: bool
    """Whether DS and IS are numbers."""
    signed: bool
    """Pixel Representation (0028,0103): how a VR that is US or SS is read (PS3.3 C.7.6.3.1.1)."""

    flaws: list[Flaw]
    """What was wrong with the text of this value so far. Whoever writes the value takes it from here."""

    def text(self, value: bytes, *, person_name: bool = False) -> str:
        """Decode text of the VRs that Specific Character Set affects, as characters of UTF-8; see `encode_json`."""
        ...

    def spend(self, values: int) -> None:
        """Count values that are written one by one.

        Raises:
            DicomError: the data set has more of them than `max_values`.
        """
        ...

    def sequence(self, tag: int, items: Any) -> str:
        """Write the items of a sequence."""
        ...

    def repertoire_text(self, value: bytes) -> str:
        """Decode text that should be of the default repertoire, and is not, as `text` does."""
        ...

    def uri(self, tag: int) -> str:
        """Give the BulkDataURI of an element of the data set or item that is being encoded."""
        ...


class Skipped(NamedTuple):
    """The place of a value that was not held: its tag, its first byte, and its length, None for fragments."""

    tag: int
    offset: int
    length: int | None


Written = str | tuple[str, int]
"""An attribute as it was written; with how many values it counts, where it counts as any."""


class Known(dict[bytes, Written]):
    """The attributes of one tag and VR as they were written, by their values; only what was without a doubt.

    Codes, dates, numbers and UIDs come again and again, in one data set and in those of a series: finding one here
    takes a fifth of writing it. All tags together keep a bounded number of short values, because they are the
    sender's: some 6 MB. Texts about a person, and names, are never kept.
    """

    _all: ClassVar[list[Known]] = []
    _kept: ClassVar[int] = 0

    def keep(self, value: bytes, written: Written) -> None:
        """Keep an attribute, if its value is short."""
        if len(value) > _LONGEST_KNOWN:
            return
        if Known._kept >= _MOST_KNOWN:
            for known in Known._all:
                known.clear()
            Known._all.clear()
            Known._kept = 0
        if not self:
            Known._all.append(self)
        self[value] = written
        Known._kept += 1


class KnownWords(Known):
    """The same of texts: those that are alike in all character sets."""

    def keep(self, value: bytes, written: Written) -> None:
        """Keep an attribute, if its value is short and ASCII."""
        if value.isascii() and b"\x1b" not in value:
            super().keep(value, written)


class Doubt(Exception):  # noqa: N818  # not an error: the value was encoded as well as it can be
    """Says what was wrong with a value; `text` is what to write in spite of it."""

    def __init__(self, text: str, *flaws: Flaw) -> None:
        super().__init__(flaws)
        self.text, self.flaws = text, flaws


def unless_flawed(written: str, context: Context, *more: Flaw) -> str:
    """Return what was written; raise a `Doubt` with it if something was wrong with the value."""
    if context.flaws or more:
        flaws = (*context.flaws, *more)
        context.flaws.clear()
        raise Doubt(written, *flaws)
    return written


def cut_at_nul(text: str, flaws: list[Flaw], *, several: bool) -> str:
    """Take away what stands behind a NUL, which ends a value as it does in C; padding does not count as such.

    Args:
        text: a text with a NUL.
        flaws: where it is noted that something was lost.
        several: whether a backslash begins another value.
    """
    kept = _BEHIND_NUL.sub("", text) if several else text.partition("\0")[0]
    lost = len(text) - len(kept) - text.count("\0")
    if lost and text.translate(_NO_PADDING) != kept.translate(_NO_PADDING):
        flaws.append((Rule.NUL, "dropped what stands behind it"))
    return kept


_NO_PADDING = {0: None, 0x20: None}
