"""The elements of an identifier, as they came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from dicom_common.dicom import CharacterSet, character_set

__all__ = ["CHARACTER_SET", "Element", "Encoding", "Identifier", "declared", "encoding_of"]

_ENCODINGS = {
    "1.2.840.10008.1.2": (True, False),
    "1.2.840.10008.1.2.1": (False, False),
    "1.2.840.10008.1.2.2": (False, True),
}
_INTEGERS = {"US": (2, False), "UL": (4, False), "SS": (2, True), "SL": (4, True)}
_AFFECTED = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
"""The VRs that Specific Character Set affects (PS3.5 6.1.2.2)."""
CHARACTER_SET = 0x00080005
_GUESSED = "ISO_IR 100"
"""What text is taken for that is neither what it says that it is, nor UTF-8."""
_ASCII = character_set((), _GUESSED)
_MOST = 16
"""Terms of a Specific Character Set that are looked at."""


class Encoding(NamedTuple):
    """How the elements of a data set are encoded."""

    implicit: bool
    big_endian: bool

    @property
    def byte_order(self) -> Literal["little", "big"]:
        """The byte order of numbers."""
        return "big" if self.big_endian else "little"


def encoding_of(transfer_syntax_uid: str) -> Encoding:
    """Return the encoding of a transfer syntax that identifiers are exchanged in.

    Raises:
        KeyError: it is neither implicit nor explicit VR, or compressed.
    """
    return Encoding(*_ENCODINGS[transfer_syntax_uid])


class Element(NamedTuple):
    """One element. Its repr shows no value, which may be a patient's."""

    tag: int
    vr: str
    value: bytes
    items: tuple[Identifier, ...] = ()
    """The items of a sequence."""

    def __repr__(self) -> str:
        return f"<Element {self.tag:08X} {self.vr}>"


def declared(value: bytes) -> CharacterSet:
    """Return the character set that a value of Specific Character Set (0008,0005) names."""
    if not value.strip(b" \0"):
        return character_set((), _GUESSED)
    return character_set(tuple(_ASCII.decode(term)[0].strip(" \0") for term in value.split(b"\\")[:_MOST]), _GUESSED)


class Identifier:
    """The elements of an identifier or of an item, in the order of their tags.

    Args:
        elements: the elements by tag.
        encoding: of their values.
        texts: the character set of their text.
    """

    __slots__ = ("_encoding", "elements", "terms", "texts")

    def __init__(self, elements: Mapping[int, Element], encoding: Encoding, texts: CharacterSet) -> None:
        self.elements = dict(sorted(elements.items()))
        self.texts, self._encoding = texts, encoding
        self.terms = texts.terms
        """The defined terms of the character set that its text is in."""

    def __contains__(self, tag: int) -> bool:
        return tag in self.elements

    def __repr__(self) -> str:
        return f"<Identifier of {len(self.elements)} elements>"

    def text(self, tag: int) -> str:
        """Return the value of an element as text, without its padding; "" where it is absent or binary.

        Numbers of the VRs US, UL, SS and SL are decimal text.
        """
        element = self.elements.get(tag)
        if element is None or element.items:
            return ""
        value, vr = element.value, element.vr
        if vr in _INTEGERS:
            size, signed = _INTEGERS[vr]
            parts = (value[at : at + size] for at in range(0, len(value) - size + 1, size))
            order = self._encoding.byte_order
            return "\\".join(str(int.from_bytes(part, order, signed=signed)) for part in parts)
        if vr in _AFFECTED:
            return self.texts.decode(value.rstrip(b"\0 "), person_name=vr == "PN")[0].strip(" \0")
        if vr.startswith("O") or vr in ("UN", "AT", "FL", "FD", "SV", "UV", "SQ"):
            return ""
        return _ASCII.decode(value)[0].strip(" \0")

    def is_universal(self, tag: int) -> bool:
        """Tell whether an element asks for anything: it has no value, or nothing but `*`, also in its items."""
        element = self.elements[tag]
        if element.vr == "SQ":
            return all(item.is_universal(key) for item in element.items for key in item.elements)
        return not element.value.strip(b" \0*")
