"""The differences from pydicom that are meant, each with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pydicom
from pydicom.dataelem import DataElement
from pydicom_pairs import TEXT, Pair, our_value, text_of, their_value, trimmed

from dicom_common.dicom import ReaderSettings

LONGEST_HELD = ReaderSettings().max_element_value


@dataclass(frozen=True)
class Difference:
    """A difference from pydicom that is meant."""

    name: str
    reason: str
    applies: Callable[[Pair], bool]


def tag_of(pair: Pair) -> int:
    return pair.path[-1]


def both(pair: Pair) -> tuple[Mapping[str, Any], DataElement] | None:
    return None if pair.ours is None or pair.theirs is None else (pair.ours, pair.theirs)


def is_character_set(pair: Pair) -> bool:
    return tag_of(pair) == 0x00080005 and pair.ours == {"vr": "CS", "Value": ["ISO_IR 192"]}


def is_dropped(pair: Pair) -> bool:
    return pair.ours is None


def is_known_tag_in_un(pair: Pair) -> bool:
    known = both(pair)
    if known is None or known[1].VR != "UN" or known[0]["vr"] != pydicom.datadict.dictionary_VR(tag_of(pair)):
        return False
    text = known[1].value.decode("ascii").strip(" \0")
    return our_value(known[0]) in ("bulk data", [text])


def is_swapped(pair: Pair) -> bool:
    width = {"OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8}
    known = both(pair)
    if known is None or not pair.big_endian or known[0]["vr"] not in width:
        return False
    size = width[known[0]["vr"]]
    theirs = known[1].value
    return bool(our_value(known[0]) == b"".join(theirs[at : at + size][::-1] for at in range(0, len(theirs), size)))


def is_guessed(pair: Pair) -> bool:
    known = both(pair)
    if known is None or known[0]["vr"] != known[1].VR or known[1].VR not in TEXT | {"PN"}:
        return False
    return "\N{REPLACEMENT CHARACTER}" in str(their_value(known[1])) and len(our_value(known[0])) > 0


def is_ended_by_nul(pair: Pair) -> bool:
    known = both(pair)
    if known is None or known[0]["vr"] != known[1].VR or known[1].VR not in TEXT | {"PN"}:
        return False
    theirs = text_of(known[1].value)
    kept = [part.partition("\0")[0].strip(" ") for part in theirs.split("\\")]
    ours = our_value(known[0])
    if known[1].VR == "PN":
        ours = ["=".join(name).rstrip("=") for name in ours]
    return "\0" in theirs and ours == trimmed(kept, "")


def is_marked(pair: Pair) -> bool:
    known = both(pair)
    if known is None or known[0]["vr"] != known[1].VR or known[1].VR not in TEXT | {"PN"}:
        return False
    return text_of(known[1].value).strip("\0 ").startswith(("\xff\xfe", "\xfe\xff", "\xef\xbb\xbf"))


def is_left_out(pair: Pair) -> bool:
    known = both(pair)
    if known is None or "Value" in known[0] or "BulkDataURI" in known[0]:
        return False
    return len(known[1].value) > LONGEST_HELD


def is_second(pair: Pair) -> bool:
    """Tell whether pydicom has an empty value that stands behind a first one, which counts."""
    known = both(pair)
    return known is not None and not their_value(known[1]) and bool(our_value(known[0]))


DIFFERENCES = (
    Difference(
        "group length",
        "PS3.18 F.2.2: group length attributes shall not be in a DICOM JSON object. pydicom keeps them.",
        lambda pair: is_dropped(pair) and tag_of(pair) & 0xFFFF == 0,
    ),
    Difference(
        "stray delimiters",
        "PS3.5 7.5: (FFFE,xxxx) delimit items and sequences and are no data elements. pydicom lists them and cannot "
        "give their values.",
        lambda pair: is_dropped(pair) and tag_of(pair) >> 16 == 0xFFFE and pair.error == "NotImplementedError",
    ),
    Difference(
        "UTF-8",
        "PS3.18 F.2: the JSON is UTF-8, so Specific Character Set reads ISO_IR 192 where it is, and is added where "
        "there was none and text is not ASCII.",
        is_character_set,
    ),
    Difference(
        "known tags in UN",
        "PS3.5 6.2.2 note 2: a receiver that knows the VR of an attribute sent as UN may use it.",
        is_known_tag_in_un,
    ),
    Difference(
        "big endian words",
        "PS3.18 F.2.7: InlineBinary is little endian whatever the transfer syntax. pydicom leaves the words as read.",
        is_swapped,
    ),
    Difference(
        "text that is not what it is declared as",
        "PS3.5 6.1.2.3 declares the default repertoire where the data set says nothing; bytes beyond it have no "
        "defined reading. pydicom puts U+FFFD; here UTF-8 and then the configured character set are tried.",
        is_guessed,
    ),
    Difference(
        "NUL in text",
        "PS3.5 6.1.3: NUL is not a control character of text. It ends a value, as it does in C; pydicom keeps it.",
        is_ended_by_nul,
    ),
    Difference(
        "byte order marks",
        "Unicode begins with one where a writer did not know of character sets. It tells what the text is encoded in.",
        is_marked,
    ),
    Difference(
        "values beyond a limit",
        "`max_element_value`: a text longer than explicit VR can hold (PS3.5 7.1.2) is not held.",
        is_left_out,
    ),
    Difference(
        "the first occurrence",
        "PS3.5 7.1: a tag occurs once. Of two the first one counts, and a finding says so; with pydicom the last.",
        is_second,
    ),
)
