"""The words of a person's name, as fuzzy matching compares them (PS3.18 8.3.4.2): one meaning for every index.

Case, accents, and the width and the form of letters do not count. Letters that Unicode does not take apart, such as
`ø`, are written as people write them who do not have them on their keyboard.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["MAX_WORD", "MAX_WORDS", "name_words"]

MAX_WORD = 64
"""Characters of a word that count (a component group has up to 64; PS3.5 6.2)."""
MAX_WORDS = 32
"""Words of a name that count."""

_LETTERS = str.maketrans(
    {
        "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i", "ŋ": "n", "ŧ": "t",  # noqa: RUF001 - letters
        "ə": "e",
        # Arabic: the forms of alef, teh marbuta, alef maksura and the stretching of letters are written or left out.
        "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ة": "ه", "ى": "ي", "ـ": "",  # noqa: RUF001 - letters
    }
)  # fmt: skip
_BETWEEN = r"[\s^=,\-.'\\*?\u2010-\u2015\u2018\u2019\u02bc\u02bb\u3001\u30fb\u00b7_/()\[\]\"]+"
"""What words end at. It is compiled when it is first used, and `re` keeps it: most commands search no name."""


def name_words(name: str) -> tuple[str, ...]:
    """Return the different words of a name of one or more component groups, folded, in their order.

    Words end at a component delimiter `^`, a group delimiter `=`, white space, and the marks that stand in and between
    names: `, - . '` and their like. A word is cut to `MAX_WORD` characters, a name to `MAX_WORDS` words.
    """
    if name.isascii():
        folded = name.lower()
    else:
        apart = unicodedata.normalize("NFKD", name.encode("utf-8", "replace").decode()).casefold()
        # Once more: what casefold makes may have marks, such as the dot of a capital I with one.
        bare = "".join([c for c in unicodedata.normalize("NFKD", apart) if not _is_mark(c)])
        folded = unicodedata.normalize("NFC", bare).translate(_LETTERS)
    words = dict.fromkeys(word[:MAX_WORD] for word in re.split(_BETWEEN, folded.replace("\0", "")) if word)
    return tuple(words)[:MAX_WORDS]


def _is_mark(character: str) -> bool:
    # The voicing marks of kana are letters of their own to who reads them: ガ is not カ.
    return unicodedata.category(character) in ("Mn", "Cf") and character not in "\u3099\u309a"
