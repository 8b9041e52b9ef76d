"""Text with the escape sequences of ISO 2022 (PS3.5 6.1.2.5), in one pass."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

__all__ = ["decode_escaped"]

VENDOR = "decoded with the characters that vendors added to the declared set"
GUESS = "decoded by a guess"

# Escape sequences (PS3.3 tables C.12-3 and C.12-4): what is behind ESC -> (code element, codec).
_SINGLE = {"A": "latin-1", "B": "iso8859-2", "C": "iso8859-3", "D": "iso8859-4", "F": "iso8859-7", "G": "iso8859-6"}
_SINGLE |= {"H": "iso8859-8", "L": "iso8859-5", "M": "iso8859-9", "T": "iso8859-11", "b": "iso8859-15"}
_ESCAPES: dict[bytes, tuple[int, str]] = {
    b"(B": (0, "ascii"),
    b"(J": (0, "ascii"),  # JIS X 0201 romaji; yen sign and overline are read as the backslash and tilde they replace
    b"(I": (0, "katakana"),  # not of DICOM, but seen: the katakana in G0
    b")I": (1, "shift_jis"),
    b"$B": (0, "jisx0208"),
    b"$@": (0, "jisx0208"),  # the edition of 1978
    b"$(B": (0, "jisx0208"),
    b"$(D": (0, "jisx0212"),
    b"$)C": (1, "euc_kr"),
    b"$)A": (1, "gb2312"),
} | {b"-" + final.encode(): (1, codec) for final, codec in _SINGLE.items()}
_DECLARED_AS = {
    "katakana": ("shift_jis", "euc_jp"),
    "jisx0208": ("euc_jp",),
    "jisx0212": ("euc_jp",),
    "gb2312": ("gb2312", "gb18030"),
}
"""By what codecs of defined terms an escape is declared, where that is not the codec behind it."""
_ESCAPE = re.compile(rb"\x1b(\$[()][A-Z]|\$[A-Z@]|[()\-][A-Za-z])?")

# Characters at which the code elements are what they were at the start (PS3.5 6.1.2.5.3); in a PN also ^ and =.
_RESETS = re.compile(rb"[\\\r\n\f\t]")
_RESETS_PN = re.compile(rb"[\\\r\n\f\t^=]")
_G0_RUN = re.compile(rb"[\x21-\x7e]+|[\x80-\xff]+|[\x20\x7f]+|[\x00-\x1f]")

Piece = Callable[[bytes, str], tuple[str, str]]


def decode_escaped(  # noqa: PLR0913 - what the data set declares, and the value
    value: bytes, codec: str, reset_to: str, declared: Collection[str], piece: Piece, *, person_name: bool
) -> tuple[str, str]:
    """Decode text with escapes; give it, and what was repaired in it.

    Escapes tell what they mean also where the set that they switch to is not declared; but then they are a guess.

    Args:
        value: the bytes.
        codec: of bytes above 7F before the first escape.
        reset_to: the same behind a delimiter; empty where that changes nothing.
        declared: the codecs of the declared sets.
        piece: decodes bytes of one codec.
        person_name: whether `^` and `=` are delimiters, too.
    """
    text = _Text(codec, reset_to, declared, piece, _RESETS_PN if person_name else _RESETS)
    position = 0
    for escape in _ESCAPE.finditer(value):
        if escape.start() > position:
            text.add(value[position : escape.start()])
        text.escape(escape[0], escape[1])
        position = escape.end()
    if position < len(value):
        text.add(value[position:])
    return "".join(text.out), text.repair


class _Text:
    """What was decoded so far, and the code elements that are in use."""

    def __init__(
        self, codec: str, reset_to: str, declared: Collection[str], piece: Piece, resets: re.Pattern[bytes]
    ) -> None:
        self.out: list[str] = []
        self.repair = ""
        self._g0, self._g1 = "ascii", codec
        self._reset_to, self._declared, self._piece, self._resets = reset_to, declared, piece, resets

    def escape(self, sequence: bytes, name: bytes | None) -> None:
        known = _ESCAPES.get(name or b"")
        if known is None:  # kept as characters, by which it shows
            self.out.append(sequence.decode("ascii"))
            self.repair = self.repair or GUESS
            return
        element, codec = known
        if codec != "ascii" and not any(one in self._declared for one in _DECLARED_AS.get(codec, (codec,))):
            self.repair = self.repair or GUESS
        if element == 0:
            self._g0 = codec
        else:
            self._g1 = codec

    def add(self, run: bytes) -> None:
        """Decode what stands between two escapes."""
        if self._g0 == "ascii":
            self._add_g1(run)
            return
        for part in _G0_RUN.finditer(run):
            part_bytes = part[0]
            first = part_bytes[0]
            if first < 0x20:  # a control character: back to ASCII
                self._g0 = "ascii"
                self._add_g1(run[part.start() :])
                return
            if first >= 0x80:
                self._append(*self._piece(part_bytes, self._g1))
            elif first in b"\x20\x7f":
                self.out.append(part_bytes.decode("ascii"))
            else:
                self._append(*_DECODERS[self._g0](part_bytes))

    def _add_g1(self, run: bytes) -> None:
        """Decode ASCII and the right half, which at a delimiter is what it was at the start, if it was anything."""
        if self._reset_to and self._g1 != self._reset_to and (reset := self._resets.search(run)):
            self._append(*self._piece(run[: reset.end()], self._g1))
            self._g1 = self._reset_to
            run = run[reset.end() :]
        if run:
            self._append(*self._piece(run, self._g1))

    def _append(self, text: str, repair: str) -> None:
        self.out.append(text)
        self.repair = self.repair or repair


def _high(value: bytes) -> bytes:
    """Set the high bit of every byte: from the left half of the code table to the right."""
    return value.translate(_HIGH)


_HIGH = bytes(byte | 0x80 for byte in range(256))


def _jisx0208(value: bytes) -> tuple[str, str]:
    high = _high(value)
    try:
        return high.decode("euc_jp"), ""
    except UnicodeDecodeError:
        # NEC and IBM added rows that EUC lacks; Shift JIS, which orders the same table otherwise, has them.
        text = b"".join(map(_shift_jis, high[::2], high[1::2])).decode("cp932", "replace") + "\ufffd" * (len(high) % 2)
        return text, GUESS if "\ufffd" in text else VENDOR


def _shift_jis(first: int, second: int) -> bytes:
    row, cell = first - 0xA0, second - 0xA0
    lead = (row + 1) // 2 + (0x80 if row <= 62 else 0xC0)
    trail = cell + (0x9E if row % 2 == 0 else 0x3F if cell <= 63 else 0x40)
    return bytes((lead, trail))


def _jisx0212(value: bytes) -> tuple[str, str]:
    high = _high(value)
    shifted = b"".join(b"\x8f" + high[at : at + 2] for at in range(0, len(high), 2))
    text = shifted.decode("euc_jp", "replace")
    return text, GUESS if "\ufffd" in text else ""


def _katakana(value: bytes) -> tuple[str, str]:
    text = _high(value).decode("shift_jis", "replace")
    return text, GUESS if "\ufffd" in text else ""


_DECODERS: dict[str, Callable[[bytes], tuple[str, str]]] = {
    "jisx0208": _jisx0208,
    "jisx0212": _jisx0212,
    "katakana": _katakana,
}
