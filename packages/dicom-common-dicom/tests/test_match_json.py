"""A match of a search says what the reader's DICOM JSON says, of every file, and is valid DICOM JSON by itself."""

from __future__ import annotations

import json
from datetime import date, time
from pathlib import Path
from typing import Any

import pytest

from dicom_common.core import (
    ATTRIBUTES,
    ATTRIBUTES_BY_KEYWORD,
    DicomError,
    Instance,
    Match,
    PersonName,
    RequestAttributes as Request,
)
from dicom_common.dicom import match_to_json, read


def match_of(instance: Instance) -> Match:
    return {attribute.keyword: getattr(instance, attribute.field) for attribute in ATTRIBUTES}


def written(match: Match, *keywords: str, **given: Any) -> Any:
    return json.loads(match_to_json(match, keywords or tuple(match), **given))


def seconds(attribute: Any) -> list[float]:
    """Write a time of any precision as one that can be compared."""
    return [float(f"{value.partition('.')[0]:0<6}.{value.partition('.')[2]}") for value in attribute.get("Value", ())]


def test_it_agrees_with_the_reader_about_every_file(corpus_file: Path) -> None:
    try:
        reading = read(corpus_file)
    except DicomError:
        return
    match, metadata = match_of(reading.instance), json.loads(reading.metadata)
    found = written(match)
    assert list(found) == sorted(f"{attribute.tag:08X}" for attribute in ATTRIBUTES) or "00080005" in found
    tolerated = {finding.tag for finding in reading.instance.warnings}
    for attribute in ATTRIBUTES:
        tag = f"{attribute.tag:08X}"
        ours, theirs = found[tag], metadata.get(tag, {"vr": attribute.vr})
        if tag in tolerated or theirs["vr"] != attribute.vr:
            continue  # it was indexed otherwise than it is written, with a finding
        if attribute.vr == "TM":
            ours, theirs = seconds(ours), seconds(theirs)
        elif attribute.vr == "SQ":
            searched = ("00400009", "00401001")
            theirs = [{key: item.get(key, {"vr": "SH"}) for key in searched} for item in theirs.get("Value", ())]
            ours = ours.get("Value", [])
        assert ours == theirs, attribute.keyword


def test_an_attribute_without_a_value_has_its_vr_only() -> None:
    for attribute in ATTRIBUTES:
        for nothing in (
            (None, (), "") if attribute.vr in ("CS", "UI") else ((None, ()) if attribute.multiple else (None,))
        ):
            assert written({attribute.keyword: nothing}) == {f"{attribute.tag:08X}": {"vr": attribute.vr}}


def test_only_what_is_asked_for_is_written_and_what_is_of_a_lower_level_is_left_out() -> None:
    match: Match = {"PatientID": "1", "StudyID": "2"}
    assert written(match, "StudyID", "Modality") == {"00200010": {"vr": "SH", "Value": ["2"]}}
    assert match_to_json(match, ()) == b"{}"
    with pytest.raises(KeyError, match="PixelData"):
        match_to_json(match, ("PixelData",))


def test_computed_attributes() -> None:
    counts = {
        "NumberOfPatientRelatedStudies": "00201200",
        "NumberOfPatientRelatedSeries": "00201202",
        "NumberOfPatientRelatedInstances": "00201204",
        "NumberOfStudyRelatedSeries": "00201206",
        "NumberOfStudyRelatedInstances": "00201208",
        "NumberOfSeriesRelatedInstances": "00201209",
    }
    match: Match = {"ModalitiesInStudy": ("CT", "MR"), "SOPClassesInStudy": ("1.2", "1.3")} | dict.fromkeys(counts, 7)
    assert written(match) == {
        "00080061": {"vr": "CS", "Value": ["CT", "MR"]},
        "00080062": {"vr": "UI", "Value": ["1.2", "1.3"]},
    } | {tag: {"vr": "IS", "Value": [7]} for tag in counts.values()}


def test_attributes_of_the_caller_are_in_their_places_and_win() -> None:
    match: Match = {"PatientID": "1", "StudyDate": date(2026, 1, 2)}
    more = {0x00081190: b'{"vr":"UR","Value":["https://x"]}', 0x00100020: b'{"vr":"LO"}', 0x00080005: b'{"vr":"CS"}'}
    text = match_to_json(match, tuple(match), more=more)
    assert text == (
        b'{"00080005":{"vr":"CS"},"00080020":{"vr":"DA","Value":["20260102"]},'
        b'"00081190":{"vr":"UR","Value":["https://x"]},"00100020":{"vr":"LO"}}'
    )


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("StudyDate", date(99, 1, 2), ["00990102"]),
        ("StudyTime", time(1, 2, 3), ["010203"]),
        ("StudyTime", time(23, 59, 59, 120), ["235959.00012"]),
        ("PatientName", PersonName("A^B", "", "C"), [{"Alphabetic": "A^B", "Phonetic": "C"}]),
        ("PatientName", PersonName("", "B"), [{"Ideographic": "B"}]),
        ("PatientID", "1\\\\2", ["1", None, "2"]),
        ("PatientID", '<"\n\x1f', ['<"\n\x1f']),
        ("ImageType", ("ORIGINAL", "", "AXIAL"), ["ORIGINAL", None, "AXIAL"]),
        ("SliceThickness", 2.5, [2.5]),
        ("SliceThickness", 1e300, [1e300]),
        ("ImagePositionPatient", (1.0, -0.5, 3.0), [1, -0.5, 3]),
        ("SeriesNumber", -3, [-3]),
        ("Rows", 512, [512]),
    ],
)
def test_values(keyword: str, value: Any, expected: list[Any]) -> None:
    attribute = ATTRIBUTES_BY_KEYWORD[keyword]
    assert written({keyword: value}) == {f"{attribute.tag:08X}": {"vr": attribute.vr, "Value": expected}}


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("PatientName", PersonName()), ("SliceThickness", float("nan")), ("PatientID", "\\"), ("ImageType", ("", ""))],
)
def test_what_has_no_value_that_json_could_have_is_empty(keyword: str, value: Any) -> None:
    attribute = ATTRIBUTES_BY_KEYWORD[keyword]
    assert written({keyword: value}) == {f"{attribute.tag:08X}": {"vr": attribute.vr}}


def test_numbers_are_strings_where_the_reader_writes_them_so() -> None:
    match: Match = {"SliceThickness": 2.0, "SeriesNumber": 5, "ImagePositionPatient": (1.0, 2.5), "Rows": 3}
    values = [one["Value"] for one in written(match, numbers_as="string").values()]
    assert values == [["2"], ["5"], ["1", "2.5"], [3]], "US is a number all the same (PS3.18 Table F.2.3-1)"


def test_requests_are_a_sequence() -> None:
    match: Match = {"RequestAttributesSequence": (Request("S1", None), Request(None, "R\\2"))}
    assert written(match) == {
        "00400275": {
            "vr": "SQ",
            "Value": [
                {"00400009": {"vr": "SH", "Value": ["S1"]}, "00401001": {"vr": "SH"}},
                {"00400009": {"vr": "SH"}, "00401001": {"vr": "SH", "Value": ["R", "2"]}},
            ],
        }
    }


def test_text_that_is_not_ascii_says_that_it_is_utf_8() -> None:
    match: Match = {"ImageType": ("A",), "PatientName": PersonName("Ä", "山")}
    assert list(written(match)) == ["00080005", "00080008", "00100010"]
    assert written(match)["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert "00080005" not in written(match, "ImageType")
    early = written(match, more={0x00041130: b'{"vr":"CS"}'})
    assert list(early) == ["00041130", "00080005", "00080008", "00100010"]


def test_a_lone_surrogate_makes_no_answer_invalid() -> None:
    assert written({"PatientID": "\ud800"})["00100020"]["Value"] == ["?"]
