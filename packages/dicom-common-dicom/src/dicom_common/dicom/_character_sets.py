"""Specific Character Set (0008,0005): from the bytes of a text value to text (PS3.5 6.1, PS3.3 C.12.1.1.2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

__all__ = ["CharacterSet", "character_set", "is_known_term"]

# Repertoires without code extensions: defined term -> Python codec.
_CODECS = {
    "": "ascii",
    "ISO_IR 6": "ascii",
    "ISO_IR 100": "latin-1",
    "ISO_IR 101": "iso8859-2",
    "ISO_IR 109": "iso8859-3",
    "ISO_IR 110": "iso8859-4",
    "ISO_IR 126": "iso8859-7",
    "ISO_IR 127": "iso8859-6",
    "ISO_IR 138": "iso8859-8",
    "ISO_IR 144": "iso8859-5",
    "ISO_IR 148": "iso8859-9",
    "ISO_IR 166": "iso8859-11",
    "ISO_IR 203": "iso8859-15",
    "ISO_IR 13": "shift_jis",
    "ISO_IR 58": "gb2312",
    "ISO_IR 149": "euc_kr",
    "ISO_IR 87": "euc_jp",
    "ISO_IR 159": "euc_jp",
    "ISO_IR 192": "utf-8",
    "GB18030": "gb18030",
    "GBK": "gbk",
    "GB2312": "gb18030",  # no defined term; its writers use EUC-CN, of which GB18030 is a superset, mostly unescaped
}
_WITHOUT_ESCAPES = frozenset(("ISO_IR 192", "GB18030", "GBK"))
"""The terms that prohibit code extensions (PS3.3 C.12.1.1.2)."""
# What is seen instead of the defined terms, without blanks, hyphens and underscores.
_ALIASES = {
    "LATIN1": "ISO_IR 100",
    "ISO88591": "ISO_IR 100",
    "UTF8": "ISO_IR 192",
    "UNICODE": "ISO_IR 192",
    "ASCII": "ISO_IR 6",
    "USASCII": "ISO_IR 6",
    "EUCKR": "ISO_IR 149",
    "SHIFTJIS": "ISO_IR 13",
}
_NUMBERED = re.compile(r"(?:ISO)?(?:2022)?IR0*(\d+)")
_ESCAPE = 0x1B

# Escape sequences (PS3.3 tables C.12-3 and C.12-4): what is behind ESC -> (code element, codec, bytes a character).
_SINGLE = {"A": "100", "B": "101", "C": "109", "D": "110", "F": "126", "G": "127", "H": "138", "L": "144", "M": "148"}
_SINGLE |= {"T": "166", "b": "203"}
_ESCAPES: dict[bytes, tuple[int, str, int]] = {
    b"(B": (0, "ascii", 1),
    b"(J": (0, "ascii", 1),  # JIS X 0201 romaji; yen sign and overline are read as the backslash and tilde they replace
    b"(I": (0, "katakana", 1),  # not of DICOM, but seen: the katakana in G0
    b")I": (1, "shift_jis", 1),
    b"$B": (0, "jisx0208", 2),
    b"$@": (0, "jisx0208", 2),  # the edition of 1978
    b"$(D": (0, "jisx0212", 2),
    b"$)C": (1, "euc_kr", 2),
    b"$)A": (1, "gb2312", 2),
} | {b"-" + final.encode(): (1, _CODECS[f"ISO_IR {number}"], 1) for final, number in _SINGLE.items()}
_ESCAPE_AT = re.compile(rb"\x1b(\$[()][A-Z]|\$[A-Z@]|[()\-][A-Za-z])")

# Characters at which the code elements are what they were at the start (PS3.5 6.1.2.5.3); in a PN also ^ and =.
_RESETS = re.compile(rb"[\\\r\n\f\t]")
_RESETS_PN = re.compile(rb"[\\\r\n\f\t^=]")


def _normal(term: str) -> str | None:
    """Give the defined term (without code extensions) that is meant, None if none is."""
    if term in _CODECS:
        return term
    bare = re.sub(r"[ _\-:.]", "", term.upper())
    if bare in _ALIASES:
        return _ALIASES[bare]
    if bare in ("GB18030", "GBK", "GB2312"):
        return bare
    number = _NUMBERED.fullmatch(bare)
    known = f"ISO_IR {number[1]}" if number else ""
    return known if known in _CODECS and number else None


def is_known_term(term: str) -> bool:
    """Tell whether `term` is a defined term, or an alias of one that is understood."""
    return _normal(term) is not None


class CharacterSet:
    """Decodes the text values of one data set or item. Never fails.

    Args:
        terms: the values of Specific Character Set; none for the default repertoire.
        default: the defined term to try when text is neither what is declared nor UTF-8.
    """

    __slots__ = ("_codec", "_default", "_escapes", "_extended", "_g1", "known", "mislabelled", "terms")

    def __init__(self, terms: tuple[str, ...], default: str) -> None:
        normal = [_normal(term) for term in terms] or [""]
        self.terms = terms
        self.known = None not in normal
        """Whether every term is understood."""
        self._codec = _CODECS[normal[0] or ""]
        self._default = _CODECS[_normal(default) or "ISO_IR 100"]
        self._escapes = len(terms) > 1 or normal[0] not in _WITHOUT_ESCAPES
        self._extended = len(terms) > 1 or any("2022" in term for term in terms)
        # Where the first value has no right half, bytes above 7F without an escape belong to the first that has one.
        halves = [_CODECS[term] for term in normal if term and term not in ("ISO_IR 6", "ISO_IR 87", "ISO_IR 159")]
        self._g1 = (self._codec if self._codec != "ascii" else halves[0] if halves else "") if self._extended else ""

    def decode(self, value: bytes, *, person_name: bool = False) -> tuple[str, bool]:
        """Give the text of a value, and whether it was what the data set declares."""
        try:
            if b"\x1b" not in value:
                return value.decode(self._g1 or self._codec), True
            if not self._escapes:  # kept as a character: so it stays what it is wherever the JSON goes
                return value.decode(self._codec), False
            # Escapes tell what they mean also where nothing is declared; but then they are a guess.
            return self._decode_escaped(value, _RESETS_PN if person_name else _RESETS), bool(self.terms)
        except (UnicodeDecodeError, LookupError):
            return self._guess(value), False

    def _guess(self, value: bytes) -> str:
        for codec in ("utf-8", self._default):
            try:
                return value.decode(codec)
            except UnicodeDecodeError:
                continue
        return value.decode("ascii", "replace")

    def _decode_escaped(self, value: bytes, resets: re.Pattern[bytes]) -> str:
        """Decode text with ISO 2022 escapes."""
        out: list[str] = []
        g0, g1 = "ascii", self._g1 or self._codec
        position, end = 0, len(value)
        while position < end:
            if value[position] == _ESCAPE:
                escape = _ESCAPE_AT.match(value, position)
                if escape is None or escape[1] not in _ESCAPES:
                    raise LookupError
                element, codec, _ = _ESCAPES[escape[1]]
                if element == 0:
                    g0 = codec
                else:
                    g1 = codec
                position = escape.end()
                continue
            stop = value.find(b"\x1b", position)
            stop = end if stop < 0 else stop
            if g0 == "ascii":
                # Up to the delimiter; there the right half is again what it was at the start, if that was anything.
                reset = resets.search(value, position, stop)
                stop = reset.end() if reset else stop
                out.append(value[position:stop].decode(g1))
                if reset and self._g1:
                    g1 = self._g1
            else:
                stop = self._end_of_g0(value, position, stop)
                if stop == position:  # a control character: back to ASCII
                    g0 = "ascii"
                    continue
                out.append(_DECODERS[g0](value[position:stop]))
            position = stop
        return "".join(out)

    @staticmethod
    def _end_of_g0(value: bytes, position: int, stop: int) -> int:
        """Find where a run of double-byte characters ends: at an escape or a control character."""
        control = _CONTROL.search(value, position, stop)
        return control.start() if control else stop


_CONTROL = re.compile(rb"[\x00-\x20]")


def _high(value: bytes) -> bytes:
    """Set the high bit of every byte: from the left half of the code table to the right."""
    return bytes(byte | 0x80 for byte in value)


def _jisx0212(value: bytes) -> str:
    high = _high(value)
    return b"".join(b"\x8f" + high[at : at + 2] for at in range(0, len(high), 2)).decode("euc_jp")


_DECODERS: dict[str, Callable[[bytes], str]] = {
    "jisx0208": lambda value: _high(value).decode("euc_jp"),
    "jisx0212": _jisx0212,
    "katakana": lambda value: _high(value).decode("shift_jis"),
}


@lru_cache(maxsize=256)
def character_set(terms: tuple[str, ...], default: str) -> CharacterSet:
    """Give the decoder for these terms; there are few, so they are kept."""
    return CharacterSet(terms, default)
