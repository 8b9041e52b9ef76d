"""What the functions that write DICOM JSON values share."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, Protocol

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
    "Skipped",
    "cut_at_nul",
    "unless_flawed",
]

PADDING = b" \0"
PLAIN = bytes(sorted(set(range(0x20, 0x7F)) - set(b'"\\')))
"""The characters that are the same in every character set and in a JSON string, and delimit nothing."""
_MOST_KNOWN, _LONGEST_KNOWN = 4096, 64
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

    def sequence(self, value: Any) -> str:
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


class Known(dict[bytes, str]):
    """What values without a doubt were written as, by their bytes.

    Codes, dates, numbers and UIDs come again and again, in one data set and in those of a series: finding one here
    takes a fifth of writing it. Bounded, because the values are the sender's; texts and names are never kept.
    """

    def keep(self, value: bytes, written: str) -> str:
        if len(value) <= _LONGEST_KNOWN:
            if len(self) >= _MOST_KNOWN:
                self.clear()
            self[value] = written
        return written


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
