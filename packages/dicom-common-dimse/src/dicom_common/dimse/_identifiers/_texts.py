"""Text in the character set of a request (PS3.5 6.1, PS3.3 C.12.1.1.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from dicom_common.dicom import DEFINED_TERMS, character_set, codec_of

__all__ = ["UTF_8", "TextEncoder", "encoder_for"]

# Sets of one byte a character, and those without code extensions. Japanese text is written with code extensions.
_SINGLE = {term: codec_of(term) or "" for term in ("", *DEFINED_TERMS) if "2022" not in term and term != "ISO_IR 13"}
# Sets with code extensions (PS3.3 tables C.12-3 and C.12-4): escape sequence, and whether the set takes the place of
# ASCII (G0) or stands beside it (G1).
_ESCAPES = {
    "ISO 2022 IR 100": (b"\x1b-A", False),
    "ISO 2022 IR 101": (b"\x1b-B", False),
    "ISO 2022 IR 109": (b"\x1b-C", False),
    "ISO 2022 IR 110": (b"\x1b-D", False),
    "ISO 2022 IR 126": (b"\x1b-F", False),
    "ISO 2022 IR 127": (b"\x1b-G", False),
    "ISO 2022 IR 138": (b"\x1b-H", False),
    "ISO 2022 IR 144": (b"\x1b-L", False),
    "ISO 2022 IR 148": (b"\x1b-M", False),
    "ISO 2022 IR 166": (b"\x1b-T", False),
    "ISO 2022 IR 203": (b"\x1b-b", False),
    "ISO 2022 IR 13": (b"\x1b)I", False),
    "ISO 2022 IR 149": (b"\x1b$)C", False),
    "ISO 2022 IR 58": (b"\x1b$)A", False),
    "ISO 2022 IR 87": (b"\x1b$B", True),
    "ISO 2022 IR 159": (b"\x1b$(D", True),
}
_EXTENDED = {term: (codec_of(term) or "", *how) for term, how in _ESCAPES.items()}
_ASCII = b"\x1b(B"
_ENDS = re.compile(r"([\\\r\n\f\t])")
_ENDS_PN = re.compile(r"([\\\r\n\f\t^=])")
"""Behind these characters the sets are those of the beginning again (PS3.5 6.1.2.5.3)."""


class TextEncoder:
    """Encodes text in what Specific Character Set names.

    Args:
        terms: its values.

    Raises:
        LookupError: a term is not one that text is written in here.
    """

    def __init__(self, terms: tuple[str, ...]) -> None:
        self.terms = terms
        first = terms[0] if terms else ""
        self._codec = ""
        if len(terms) <= 1 and first in _SINGLE:
            self._codec = _SINGLE[first]
            return
        if first and first not in _EXTENDED:
            raise LookupError("a character set without code extensions is the only one (PS3.3 C.12.1.1.2)")
        self._first = _EXTENDED[first] if first else None
        self._sets = [_EXTENDED[term] for term in terms if term]

    def encode(self, text: str, *, person_name: bool = False) -> bytes:
        """Encode a value.

        Raises:
            UnicodeEncodeError: the character set does not have all of its characters.
        """
        if text.isascii():
            return text.encode()
        if self._codec:
            return text.encode(self._codec)
        return b"".join(self._extended(text, person_name=person_name))

    def _extended(self, text: str, *, person_name: bool) -> Iterator[bytes]:
        for piece in (_ENDS_PN if person_name else _ENDS).split(text):
            g1, in_g0 = self._first, None
            for character in piece:
                if character.isascii():
                    if in_g0 is not None:
                        yield _ASCII
                        in_g0 = None
                    yield character.encode()
                    continue
                chosen, encoded = self._chosen(character, in_g0 or g1)
                if chosen[2]:
                    if chosen is not in_g0:
                        yield chosen[1]
                    in_g0 = chosen
                else:
                    if chosen is not g1:
                        yield chosen[1]
                    g1 = chosen
                yield encoded
            if in_g0 is not None:
                yield _ASCII

    def _chosen(self, character: str, now: tuple[str, bytes, bool] | None) -> tuple[tuple[str, bytes, bool], bytes]:
        """Return a set that has the character, the present one if it does, and the character in it."""
        for one in ([now] if now else []) + self._sets:
            encoded = _in_set(character, one)
            if encoded is not None:
                return one, encoded
        raise UnicodeEncodeError("ISO 2022", character, 0, 1, "no character set of the request has it")


def _in_set(character: str, one: tuple[str, bytes, bool]) -> bytes | None:
    codec, escape, _ = one
    try:
        encoded = character.encode(codec)
    except UnicodeEncodeError:
        return None
    if escape == b"\x1b)I":  # JIS X 0201: one byte above 7F
        return encoded if len(encoded) == 1 and encoded[0] >= 0x80 else None
    if codec == "euc_jp":
        supplementary = encoded[0] == 0x8F
        if supplementary != (escape == b"\x1b$(D") or encoded[0] == 0x8E:
            return None
        return bytes(byte & 0x7F for byte in encoded[supplementary:])
    return encoded if encoded[0] >= 0x80 else None


UTF_8 = TextEncoder(("ISO_IR 192",))


@lru_cache(maxsize=64)
def encoder_for(terms: tuple[str, ...]) -> TextEncoder:
    """Return an encoder for the terms of a request, written as they may be; UTF-8 where they name nothing known."""
    known = tuple(_defined(term) for term in terms)
    try:
        return TextEncoder(known)
    except LookupError:
        return UTF_8


def _defined(term: str) -> str:
    """Return the defined term that was meant, such as `ISO_IR 100` for `ISO-IR 100`."""
    if term in _SINGLE or term in _EXTENDED or not character_set((term,), "ISO_IR 6").known:
        return term
    number = re.search(r"IR[ _-]*0*(\d{1,3})$", term, re.ASCII)
    for known in (f"ISO_IR {number[1]}", f"ISO 2022 IR {number[1]}") if number else ():
        if known in (_EXTENDED if "2022" in term else _SINGLE):
            return known
    return term
