"""The names of character sets: the defined terms of DICOM, and what is written in their place."""

from __future__ import annotations

import re
from encodings.aliases import aliases

__all__ = ["DEFINED_TERMS", "codec_of", "has_right_half", "prohibits_escapes"]

# Repertoires without code extensions (PS3.3 table C.12-2 and C.12-5): defined term -> Python codec.
_TERMS = {
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
    "ISO_IR 157": "iso8859-10",  # as 199 and 226 no defined term
    "ISO_IR 199": "iso8859-14",
    "ISO_IR 203": "iso8859-15",
    "ISO_IR 226": "iso8859-16",
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
_EXTENSIONS_ONLY = ("ISO_IR 58", "ISO_IR 87", "ISO_IR 149", "ISO_IR 159")
"""Multi-byte sets that DICOM has with code extensions only (PS3.3 table C.12-4)."""
_WITHOUT_EXTENSIONS = ("ISO_IR 192", "GB18030", "GBK")
_NO_DEFINED_TERMS = ("", "ISO_IR 157", "ISO_IR 199", "ISO_IR 226", "GB2312")
DEFINED_TERMS = {
    **{
        term: "multi-byte, without code extensions" if term in _WITHOUT_EXTENSIONS else "single-byte"
        for term in _TERMS
        if term not in (*_NO_DEFINED_TERMS, *_EXTENSIONS_ONLY)
    },
    **{
        term.replace("ISO_IR", "ISO 2022 IR"): "multi-byte" if term in _EXTENSIONS_ONLY else "single-byte"
        for term in _TERMS
        if term not in (*_NO_DEFINED_TERMS, *_WITHOUT_EXTENSIONS)
    },
}
"""The defined terms of the standard that are read (PS3.3 tables C.12-2 to C.12-5), and of which form each is."""
_NUMBERED = re.compile(r"(?:ISO)?(?:2022)?IR0*(\d{1,3})")
_BEFORE_NAMES = re.compile(r"^(?:ISO2022|ISOIR|ISO(?=LATIN|10646UTF)|X|CS)")
"""What is written before a name of another registry: `ISO 2022 GBK`, `ISO_IR GB18030`, `x-sjis`, `csShiftJIS`."""
_ISO_8859 = re.compile(r"ISO8859(\d{1,2})")
_LONGEST_YEAR = 4
_DIRECTIONS = ("E", "I")
"""What the IANA registry writes behind ISO 8859-6 and 8859-8, of whose characters it tells only the order."""
_NOT_OF_NAMES = re.compile(r"[^A-Z0-9]")

# Only codecs of text in which ASCII is ASCII: a name is the sender's, and Python has codecs that are something else
# (rot13, zlib, idna, unicode_escape, utf_7), and loads and remembers whatever it is asked for.
_CODECS = (
    *("ascii", "utf-8", "latin-1", "koi8_r", "koi8_u", "koi8_t", "kz1048", "ptcp154", "tis_620"),
    *("mac_roman", "mac_cyrillic", "mac_greek", "mac_turkish", "mac_latin2"),
    *("shift_jis", "shift_jis_2004", "shift_jisx0213", "cp932", "euc_jp", "euc_jis_2004", "euc_jisx0213"),
    *("euc_kr", "cp949", "johab", "gb2312", "gbk", "gb18030", "big5", "cp950", "big5hkscs"),
    *(f"iso8859-{part}" for part in (*range(2, 12), 13, 14, 15, 16)),
    *(f"cp{page}" for page in range(1250, 1259)),
    *(f"cp{page}" for page in (437, 720, 737, 775, 850, 852, 855, 857, 858, *range(860, 867), 869, 874, 1125)),
)


def _bare(name: str) -> str:
    return _NOT_OF_NAMES.sub("", name.upper())


def _named() -> dict[str, str]:
    """Give every name that Python knows for these codecs, and some that it does not, without punctuation."""
    codecs = {_bare(codec): codec for codec in _CODECS} | {"ISO88591": "latin-1", "88591": "latin-1", "UTF8": "utf-8"}
    named = dict(codecs)
    for alias, codec in aliases.items():
        ours = codecs.get(_bare(codec))
        if ours is not None and not alias.isdigit():
            named.setdefault(_bare(alias), ours)
    named |= {
        f"{word}{n[2:]}": codec for n, codec in codecs.items() if n.startswith("CP") for word in ("WINDOWS", "WIN")
    }
    named |= {f"IBM{name[2:]}": codec for name, codec in codecs.items() if re.fullmatch(r"CP\d{3}", name)}
    return named | {
        "UNICODE": "utf-8",
        "UTF8SIG": "utf-8",
        "UNICODE11UTF8": "utf-8",
        "10646UTF8": "utf-8",
        "CP65001": "utf-8",
        "WINDOWS65001": "utf-8",
        "ISO10646": "utf-8",
        "EUCCN": "gb18030",
        "GB2312": "gb18030",
        "GB231280": "gb18030",
        "WINDOWS936": "gbk",
        "CP936": "gbk",
        "MAC": "mac_roman",
        "KSC56011989": "euc_kr",
        "ISO2022JP2": "ascii",
        "CP00858": "cp858",
        "CCSID00858": "cp858",
        "IBM00858": "cp858",
        "PC850MULTILINGUAL": "cp850",
        "DOS866": "cp866",
        "KOI8": "koi8_r",
        "EUCPKDFMTJAPANESE": "euc_jp",
        "EXTENDEDUNIXCODEPACKEDFORMATFORJAPANESE": "euc_jp",
        "JISX0201": "shift_jis",  # whose single bytes it is
        "X0201": "shift_jis",
        "HALFWIDTHKATAKANA": "shift_jis",
        "SJIS": "shift_jis",
        "XSJIS": "shift_jis",
        "WINDOWS31J": "cp932",
        "ISO2022JP": "ascii",  # its escapes say all else
        "ISO2022KR": "euc_kr",
        "ISO2022CN": "gb18030",
    }


_NAMED = _named()


def codec_of(term: str) -> str | None:
    """Give the Python codec of a defined term, or of another name of a character set; None for what is no such name.

    Known are the defined terms, their misspellings (`ISO-IR 100`, `ISO2022IR100`), and the names of the IANA registry
    and of Python for sets in which ASCII is ASCII (`WINDOWS-1251`, `KOI8-R`), also behind `ISO 2022`.
    """
    if term in _TERMS:
        return _TERMS[term]
    bare = _bare(term)
    number = _NUMBERED.fullmatch(bare)
    if number is not None:
        return _TERMS.get(f"ISO_IR {number[1]}")
    name = _BEFORE_NAMES.sub("", bare, count=1)
    if bare in _NAMED or name in _NAMED:
        return _NAMED.get(bare) or _NAMED[name]
    part = _ISO_8859.match(bare.removeprefix("CS"))  # ISO_8859-1:1987, csISO88598I
    if part is None:
        return None
    rest = part.string[part.end() :]
    return _NAMED.get(part[0]) if rest in _DIRECTIONS or (rest.isdigit() and len(rest) == _LONGEST_YEAR) else None


def has_right_half(term: str) -> bool:
    """Tell whether a set has characters above 7F without an escape that switches to it; JIS X 0208 and 0212 do not."""
    number = _NUMBERED.fullmatch(_bare(term))
    return codec_of(term) not in (None, "ascii") and not (number and number[1] in ("87", "159"))


def prohibits_escapes(term: str) -> bool:
    """Tell whether a term prohibits code extensions (PS3.3 C.12.1.1.2): UTF-8, GB18030 and GBK."""
    return codec_of(term) == "utf-8" or _bare(term) in ("GB18030", "GBK")
