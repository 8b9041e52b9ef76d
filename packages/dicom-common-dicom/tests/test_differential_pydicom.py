"""Every attribute of every file, against what pydicom makes of it; what differs must be in a table, with its reason.

pydicom is asked for its decoded values, never for its JSON: here they are turned into the plainest form that can be
compared, by code that shares nothing with the encoder.
"""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import math
import re
import struct
import warnings
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from dicom_common.core import ATTRIBUTES, DicomError, Instance, PersonName
from dicom_common.dicom import ReaderSettings, Reading, Reason, Rule, read

TEXT = {"AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
ONE_TEXT = {"LT", "ST", "UR", "UT"}
NUMBERS = {"FL", "FD", "SL", "SS", "SV", "UL", "US", "UV"}
BYTES = {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}
PIXEL_DATA = {0x7FE00008, 0x7FE00009, 0x7FE00010}
LONGEST_HELD = ReaderSettings().max_element_value


@dataclass(frozen=True)
class Pair:
    """An attribute as both have it; None where one of them has none."""

    path: tuple[int, ...]
    big_endian: bool
    ours: Mapping[str, Any] | None
    theirs: DataElement | None
    error: str = ""
    """Why pydicom gives no value, where it does not."""


def pairs(tree: Mapping[str, Any], data_set: Dataset, path: tuple[int, ...] = ()) -> Iterator[Pair]:
    """Pair the attributes of both sides, and of the items of their sequences."""
    tags = {int(key, 16) for key in tree} | {int(tag) for tag in data_set._dict}
    big_endian = data_set.original_encoding[1] is False
    for tag in sorted(tags):
        ours = tree.get(f"{tag:08X}")
        way = (*path, tag)
        if tag not in data_set._dict:
            yield Pair(way, big_endian, ours, None)
            continue
        try:
            theirs = data_set[tag]
        except Exception as error:  # noqa: BLE001  # pydicom raises many; which one is part of the comparison
            yield Pair(way, big_endian, ours, None, error=type(error).__name__)
            continue
        yield Pair(way, big_endian, ours, theirs)
        if theirs.VR == "SQ" and ours is not None and ours["vr"] == "SQ":
            for item, other in zip(ours.get("Value", []), theirs.value, strict=False):
                yield from pairs(item, other, way)


def our_value(ours: Mapping[str, Any]) -> Any:  # noqa: PLR0911  # one answer for each form of value
    """Turn an attribute of DICOM JSON into a list of comparable values."""
    vr = ours["vr"]
    if "BulkDataURI" in ours:
        return "bulk data"
    if "InlineBinary" in ours:
        return base64.b64decode(ours["InlineBinary"])
    values = ours.get("Value", [])
    if vr == "SQ":
        return len(values)
    if vr == "PN":
        groups = ("Alphabetic", "Ideographic", "Phonetic")
        return [tuple((value or {}).get(group, "") for group in groups) for value in values]
    if vr in BYTES:
        return b""
    if vr == "FL":
        return [single(number(value)) for value in values]
    if vr in {"DS", "IS"} | NUMBERS:
        return [number(value) for value in values]
    return ["" if value is None else value for value in values]


def their_value(theirs: DataElement) -> Any:  # noqa: PLR0911  # as above
    """Turn a value of pydicom into the same form."""
    vr, value = theirs.VR, theirs.value
    if vr == "SQ":
        return len(value)
    if vr in BYTES or isinstance(value, bytes):
        return value or b""
    values = list(value) if isinstance(value, (MultiValue, list)) else [] if value is None else [value]
    if vr == "PN":
        names = [tuple((*str(name).split("="), "", "", "")[:3]) for name in values]
        return trimmed([tuple(group.strip(" \0") for group in name) for name in names], ("", "", ""))
    if vr == "AT":
        return [f"{int(tag):08X}" for tag in values]
    if vr in {"DS", "IS"}:
        return trimmed([number(getattr(each, "original_string", each)) for each in values], "")
    if vr in NUMBERS:
        return [number(each) for each in values]
    texts = list(map(text_of, values))
    return trimmed([text.rstrip(" \0") if vr in ONE_TEXT - {"UR"} else text.strip(" \0") for text in texts], "")


def text_of(value: Any) -> str:
    """Give a value as it was written: numbers and dates of pydicom keep their text, names keep bytes."""
    original = getattr(value, "original_string", value)
    return original if isinstance(original, str) else str(value)


def trimmed(values: list[Any], empty: Any) -> list[Any]:
    """Nothing but empty values is no value (PS3.18 F.2.5)."""
    return [] if all(value == empty for value in values) else values


def number(value: Any) -> Any:
    """Make numbers comparable that are text on one side; NaN is equal to itself here."""
    if value is None:
        return ""
    if isinstance(value, str):
        try:
            value = float(value.strip(" \0"))
        except ValueError:
            return value.strip(" \0")
    return "NaN" if math.isnan(value) else float(value)


def single(value: Any) -> Any:
    """Round to the 32 bits of FL: the JSON has the shortest decimal that gives them again, pydicom a double."""
    return value if isinstance(value, str) else struct.unpack("<f", struct.pack("<f", value))[0]


def is_equal(pair: Pair) -> bool:
    if pair.ours is None or pair.theirs is None or pair.ours["vr"] != pair.theirs.VR:
        return False
    ours, theirs = our_value(pair.ours), their_value(pair.theirs)
    if ours == "bulk data":
        return len(pair.theirs.value if isinstance(pair.theirs.value, bytes) else str(theirs)) > 0
    return bool(ours == theirs)


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


@pytest.fixture(autouse=True)
def _tolerant_pydicom() -> Iterator[None]:
    """pydicom judges no values here, and does not say what it thinks of the files."""
    before = pydicom.config.settings.reading_validation_mode
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    with warnings.catch_warnings(action="ignore"):
        yield
    pydicom.config.settings.reading_validation_mode = before


def read_by_both(path: Path) -> tuple[Reading, Dataset] | None:
    """Read a file twice; None where one of the two cannot, or where pydicom, without a word, finds no data set."""
    try:
        reading = read(path)
    except DicomError:
        return None
    try:
        data_set = pydicom.dcmread(path, force=True)
    except Exception:  # noqa: BLE001  # pydicom raises many
        return None
    return (reading, data_set) if "SOPInstanceUID" in data_set else None


def test_every_attribute_is_what_pydicom_says_or_differs_for_a_reason(corpus_file: Path) -> None:
    readings = read_by_both(corpus_file)
    if readings is None:
        return
    assert not unexplained(*readings)


def unexplained(reading: Reading, data_set: Dataset) -> list[Pair]:
    return [
        pair
        for pair in pairs(json.loads(reading.metadata), data_set)
        if not is_equal(pair) and not any(difference.applies(pair) for difference in DIFFERENCES)
    ]


UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


def test_files_without_identity_say_the_same_when_they_are_given_one(corpus_file: Path) -> None:
    """Palettes, character set samples and others, which are refused as they are."""
    try:
        read(corpus_file)
    except DicomError as refusal:
        if refusal.reason != Reason.MISSING_UID:
            return
    else:
        return
    data_set = pydicom.dcmread(corpus_file, force=True)
    for keyword in UIDS:
        if not data_set.get(keyword):
            setattr(data_set, keyword, "1.2.3")
    buffer = io.BytesIO()
    # What is not touched is written as it was read.
    is_implicit, is_little = data_set.original_encoding
    pydicom.dcmwrite(buffer, data_set, implicit_vr=is_implicit, little_endian=is_little)
    again = pydicom.dcmread(io.BytesIO(buffer.getvalue()), force=True)
    assert not unexplained(read(buffer.getvalue()), again)


def test_the_place_of_pixel_data_is_where_pydicom_finds_it(corpus_file: Path) -> None:
    readings = read_by_both(corpus_file)
    if readings is None or readings[0].instance.transfer_syntax_uid.endswith(".99"):
        return
    place, data_set = readings[0].instance.pixel_data, readings[1]
    tags = [tag for tag in sorted(PIXEL_DATA) if tag in data_set and data_set[tag].value]
    if not tags:
        assert place is None or place.length == 0
        return
    assert place is not None
    theirs = data_set[place.tag].value
    data = corpus_file.read_bytes()
    assert place.tag in tags
    assert data[place.offset : place.offset + len(theirs)] == theirs
    assert place.length == (None if data_set[place.tag].is_undefined_length else len(theirs))


# The record


def expected_field(vr: str, text: str) -> Any:  # noqa: PLR0911  # as above
    """Read one value of the record from its text, None where it is not one of its VR."""
    try:
        match vr:
            case "DA":
                # Dots and hyphens are of other standards, and have one reading.
                text = re.sub(r"(\d{4})([.-])(\d\d)\2(\d\d)", r"\1\3\4", text)
                return dt.datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007  # a date has no zone
            case "TM":
                whole, _, fraction = text.replace(":", "").partition(".")
                value = dt.datetime.strptime(whole, "%H%M%S"[: len(whole)])  # noqa: DTZ007  # a time has no zone
                return value.time().replace(microsecond=int(fraction.ljust(6, "0")) if fraction else 0)
            case "DS":
                return float(text) if math.isfinite(float(text)) else None
            case "IS" | "US":
                return int(text)
            case "PN":
                return PersonName(*(group.strip(" ") for group in text.split("=")[:3]))
    except ValueError:
        return None
    return text or None


def their_fields(data_set: Dataset, doubles: Container[str]) -> Iterator[tuple[str, Any]]:
    for attribute in ATTRIBUTES:
        if attribute.tag not in data_set or attribute.vr in {"SQ", "UI"} or f"{attribute.tag:08X}" in doubles:
            continue
        element = data_set[attribute.tag]
        if attribute.vr != element.VR:
            continue
        value = element.value
        raw = list(value) if isinstance(value, MultiValue) else [] if value in (None, "") else [value]
        texts = [text_of(each).rstrip(" \0").lstrip(" ") for each in raw]
        if any(character in text for text in texts for character in "\0\N{REPLACEMENT CHARACTER}"):
            continue
        values = [expected_field(attribute.vr, text) for text in texts]
        if attribute.multiple:
            is_text = attribute.vr == "CS"
            yield attribute.field, tuple(texts) if is_text else tuple(values) if None not in values else ()
        else:
            yield attribute.field, values[0] if values else None


def test_the_record_has_what_pydicom_says(corpus_file: Path) -> None:
    readings = read_by_both(corpus_file)
    if readings is None:
        return
    instance: Instance = readings[0].instance
    doubles = {finding.tag for finding in instance.warnings if finding.rule == Rule.DUPLICATE}
    different = {
        field: (getattr(instance, field), expected)
        for field, expected in their_fields(readings[1], doubles)
        if (getattr(instance, field) or None) != (expected or None)
    }
    assert not different


def test_each_difference_of_the_table_occurs(corpus_files: Sequence[Path]) -> None:
    unused = {difference.name for difference in DIFFERENCES}
    for path in corpus_files:
        readings = read_by_both(path)
        if readings is None:
            continue
        for pair in pairs(json.loads(readings[0].metadata), readings[1]):
            if unused and not is_equal(pair):
                unused -= {difference.name for difference in DIFFERENCES if difference.applies(pair)}
    # pydicom's own files have no malformed text; those of the data folder have all.
    assert not unused or not any("dicom-fuzzing-corpus" in path.parts for path in corpus_files)
