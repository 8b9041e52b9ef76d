"""Specific Character Set (0008,0005): from the bytes of a text value to text (PS3.5 6.1, PS3.3 C.12.1.1.2)."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from functools import lru_cache, partial

from dicom_common.dicom._character_set_names import codec_of, has_right_half, prohibits_escapes
from dicom_common.dicom._iso_2022 import GUESS, VENDOR, decode_escaped

__all__ = ["CharacterSet", "character_set", "is_known_term"]

# What vendors write under the name of a smaller set: codec -> a codec that has all of it, and their own characters.
_SUPERSETS = {"shift_jis": "cp932", "euc_kr": "cp949", "gb2312": "gb18030", "gbk": "gb18030", "big5": "cp950"}
# The sets of one byte a character in which 80 to 9F are control characters (ISO 8859), which text does not have: there,
# they are a sign of another set, most likely that of Windows for the same script.
_OF_WINDOWS = {
    "latin-1": "cp1252",
    "iso8859-2": "cp1250",
    "iso8859-3": "cp1254",
    "iso8859-4": "cp1257",
    "iso8859-5": "cp1251",
    "iso8859-6": "cp1256",
    "iso8859-7": "cp1253",
    "iso8859-8": "cp1255",
    "iso8859-9": "cp1254",
    "iso8859-10": "cp1257",
    "iso8859-11": "cp874",
    "iso8859-13": "cp1257",
    "iso8859-14": "cp1252",
    "iso8859-15": "cp1252",
    "iso8859-16": "cp1250",
}
_SIGN = re.compile(rb"[\x80-\x9f]")
_BYTE_ORDER_MARK = codecs.BOM_UTF8
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CUT = frozenset(("unexpected end of data", "incomplete multibyte sequence"))
"""What Python's decoders say where the last character is not whole."""
_WITH_ASCII_INSIDE = frozenset(
    ("big5", "big5hkscs", "cp932", "cp950", "gb18030", "gbk", "johab", "shift_jis", "shift_jis_2004", "shift_jisx0213")
)
"""Codecs in which the byte of a backslash may be the end of a character."""

MARK = "decoded as the Unicode that its byte order mark tells"
OTHER = "decoded in another character set than the declared one"


def is_known_term(term: str) -> bool:
    """Tell whether `term` is a defined term, or another name of a character set that is understood."""
    return codec_of(term) is not None


class CharacterSet:
    """Decodes the text values of one data set or item. Never fails.

    Args:
        terms: the values of Specific Character Set; none for the default repertoire.
        default: the defined term to try when text is neither what is declared nor UTF-8.
    """

    __slots__ = ("_codec", "_declared", "_default", "_escapes", "_extended", "_g1", "known", "terms")

    def __init__(self, terms: tuple[str, ...], default: str) -> None:
        codecs_of_terms = [codec_of(term) for term in terms] or ["ascii"]
        self.terms = terms
        self.known = None not in codecs_of_terms
        """Whether every term is understood."""
        self._codec = codecs_of_terms[0] or "ascii"
        # ISO-2022-JP is ASCII, and its escapes say all else.
        self._declared = {"euc_jp" if term.upper().endswith("JP") else codec_of(term) or "" for term in terms}
        self._default = codec_of(default) or "latin-1"
        self._escapes = len(terms) != 1 or not prohibits_escapes(terms[0])
        self._extended = len(terms) > 1 or any("2022" in term for term in terms)
        # Where the first value has no right half, bytes above 7F without an escape belong to the first that has one.
        halves = [codec_of(term) or "" for term in terms if has_right_half(term)]
        self._g1 = (self._codec if self._codec != "ascii" else halves[0] if halves else "") if self._extended else ""

    def decode(self, value: bytes, *, person_name: bool = False) -> tuple[str, str]:
        """Give the text of a value, and what was repaired in it; an empty text for nothing.

        What cannot be decoded costs its value, in a person name its component group, and not the others.
        """
        if value[:2] in _WIDE_MARKS or _BYTE_ORDER_MARK in value:
            text = _marked(value)
            if text is not None:
                return text, MARK
            if value.startswith(_BYTE_ORDER_MARK) and _decoded(value, self._codec) is None:
                # What is damaged costs its piece, and the others are what the mark tells.
                return self._decode(value.replace(_BYTE_ORDER_MARK, b""), "utf-8", person_name=person_name)[0], GUESS
        if b"\x1b" in value:
            return self._decode_with_escapes(value, person_name=person_name)
        return self._decode(value, self._g1 or self._codec, person_name=person_name)

    def _decode_with_escapes(self, value: bytes, *, person_name: bool) -> tuple[str, str]:
        if not self._escapes:  # kept as a character: so it stays what it is wherever the JSON goes
            text, repair = self._decode(value, self._codec, person_name=person_name)
            return text, repair or GUESS
        decode = partial(self._decode, person_name=person_name)
        codec = self._g1 or self._codec
        text, repair = decode_escaped(value, codec, self._g1, self._declared, decode, person_name=person_name)
        return text, repair or ("" if self.terms else GUESS)

    def _decode(self, value: bytes, codec: str, *, person_name: bool) -> tuple[str, str]:
        """Decode what has no escapes: whole, or piece by piece if one of them is not what is declared."""
        if (text := _decoded(value, codec)) is not None and not _is_of_windows(value, codec):
            return text, ""
        texts: list[str] = []
        repairs: list[str] = []
        for piece, delimiter in _pieces(value, codec, _DELIMITERS_PN if person_name else _DELIMITERS):
            text, repair = self._piece(piece, codec)
            texts += (text, delimiter)
            if repair:
                repairs.append(repair)
        return "".join(texts), repairs[0] if repairs else ""

    def _piece(self, piece: bytes, codec: str) -> tuple[str, str]:
        """Decode a value or component group, and tell what it took."""
        if (text := _decoded(piece, codec)) is not None and not _is_of_windows(piece, codec):
            return text, ""
        superset = _SUPERSETS.get(codec, codec)
        if superset != codec and (text := _decoded(piece, superset)) is not None:
            return text, VENDOR
        if (text := _cut(piece, superset)) is not None or (text := _decoded(piece, "utf-8")) is not None:
            return text, GUESS
        of_windows = _OF_WINDOWS.get(codec)
        if of_windows is not None and (text := _decoded(piece, of_windows)) is not None:
            return text, OTHER
        codec = self._default
        if _is_of_windows(piece, codec):
            codec = _OF_WINDOWS[codec]
        return piece.decode("ascii" if codec == "utf-8" else codec, "replace"), GUESS


def _decoded(value: bytes, codec: str) -> str | None:
    try:
        return value.decode(codec)
    except UnicodeDecodeError:
        return None


def _cut(value: bytes, codec: str) -> str | None:
    """Decode what was cut inside its last character, in place of which U+FFFD stands; None for anything else."""
    try:
        value.decode(codec)
    except UnicodeDecodeError as error:
        before = value[: error.start]
        if error.reason in _CUT and not before.isascii():
            return f"{before.decode(codec)}\ufffd"
    return None


def _is_of_windows(value: bytes, codec: str) -> bool:
    return codec in _OF_WINDOWS and _SIGN.search(value) is not None


def _marked(value: bytes) -> str | None:
    """Decode what a byte order mark says to be Unicode."""
    if value[:2] in _WIDE_MARKS:
        # The zero of a last character may have been taken for padding.
        return _decoded(value + b"\0" * (len(value) % 2), "utf-16")
    return _decoded(value.replace(_BYTE_ORDER_MARK, b""), "utf-8")


_DELIMITERS = re.compile(rb"\\")
_DELIMITERS_PN = re.compile(rb"[\\=]")


def _pieces(value: bytes, codec: str, delimiters: re.Pattern[bytes]) -> Iterator[tuple[bytes, str]]:
    """Split a value at its delimiters, but not where the byte of one is the end of a character; give what follows, too.

    Linear in the length of the value.
    """
    begin = fed = 0
    decoder = codecs.getincrementaldecoder(codec)("replace") if codec in _WITH_ASCII_INSIDE else None
    for match in delimiters.finditer(value):
        at = match.start()
        if decoder is not None:
            decoder.decode(value[fed:at])
            fed = at
            pending, _ = decoder.getstate()
            if pending:
                if _decoded(pending + match[0], codec) is not None:
                    continue
                decoder.reset()  # the character was cut
        yield value[begin:at], match[0].decode("ascii")
        begin = match.end()
    yield value[begin:], ""


@lru_cache(maxsize=256)
def character_set(terms: tuple[str, ...], default: str) -> CharacterSet:
    """Give the decoder for these terms; there are few, so they are kept. The terms are bounded by who reads them."""
    return CharacterSet(terms, default)
