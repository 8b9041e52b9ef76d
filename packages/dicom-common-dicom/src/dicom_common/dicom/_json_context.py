"""What the functions that write DICOM JSON values share."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from dicom_common.dicom._rules import Rule

__all__ = ["PADDING", "PLAIN", "WRONG_LENGTH", "Context", "Doubt", "Known", "Skipped"]

PADDING = b" \0"
PLAIN = bytes(sorted(set(range(0x20, 0x7F)) - set(b'"\\')))
"""The characters that are the same in every character set and in a JSON string, and delimit nothing."""
_MOST_KNOWN, _LONGEST_KNOWN = 4096, 64
WRONG_LENGTH = "left out: its length is no multiple of the size of a value"


class Context(Protocol):
    """What the encoding of a value depends on beside its bytes."""

    numbers: bool
    """Whether DS and IS are numbers."""
    signed: bool
    """Pixel Representation (0028,0103): how a VR that is US or SS is read (PS3.3 C.7.6.3.1.1)."""

    guessed: bool
    """Whether the last text was not of the declared character set."""

    def text(self, value: bytes, *, person_name: bool = False) -> str:
        """Decode text of the VRs that Specific Character Set affects."""
        ...

    def sequence(self, value: Any) -> str:
        """Write the items of a sequence."""
        ...

    def repertoire_text(self, value: bytes) -> str:
        """Decode text that should be of the default repertoire, and is not."""
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
    """Says that a value broke `rule`; `text` is what to write in spite of it."""

    def __init__(self, rule: Rule, action: str, text: str) -> None:
        super().__init__(rule)
        self.rule, self.action, self.text = rule, action, text
