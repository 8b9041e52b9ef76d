"""What the reader makes of every file, against pydicom: each difference must be in a table, with its reason."""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import re
import warnings
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom_differences import DIFFERENCES
from pydicom_pairs import Pair, is_equal, pairs, text_of

from dicom_common.core import ATTRIBUTES, DicomError, Instance, PersonName
from dicom_common.dicom import Reading, Reason, Rule, read

PIXEL_DATA = {0x7FE00008, 0x7FE00009, 0x7FE00010}


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


# Attributes


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


# The place of pixel data


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
