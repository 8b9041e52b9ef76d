"""The table of indexed attributes against the record, and against pydicom's dictionary."""

import dataclasses
import typing
from datetime import date, time

import pytest
from pydicom.datadict import dictionary_VR, keyword_for_tag

from dicom_common.core import (
    ATTRIBUTES,
    ATTRIBUTES_BY_KEYWORD,
    Attribute,
    Instance,
    Level,
    PersonName,
    RequestAttributes,
)

each = pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda attribute: attribute.keyword)

TYPE_OF_VR: dict[str, type] = {
    **dict.fromkeys(("LO", "SH", "CS", "UI", "AS"), str),
    **dict.fromkeys(("IS", "US"), int),
    "DS": float,
    "DA": date,
    "TM": time,
    "PN": PersonName,
    "SQ": RequestAttributes,
}


@each
def test_an_attribute_is_the_one_of_the_dictionary(attribute: Attribute) -> None:
    assert keyword_for_tag(attribute.tag) == attribute.keyword
    assert dictionary_VR(attribute.tag) == attribute.vr


@each
def test_the_field_of_an_attribute_has_the_type_of_its_vr(attribute: Attribute) -> None:
    hint = typing.get_type_hints(Instance)[attribute.field]
    expected = TYPE_OF_VR[attribute.vr]
    if attribute.multiple:
        assert hint == tuple[expected, ...]  # type: ignore[valid-type]  # made at run time
    else:
        assert hint in (expected, expected | None)


@each
def test_an_absent_attribute_is_none_or_an_empty_tuple(attribute: Attribute) -> None:
    (field,) = (field for field in dataclasses.fields(Instance) if field.name == attribute.field)
    if attribute.keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"):
        assert field.default is dataclasses.MISSING
    elif attribute.keyword == "PatientID":
        assert field.default == ""
    else:
        assert field.default == (() if attribute.multiple else None)


def test_no_field_tag_or_keyword_occurs_twice() -> None:
    for column in ("keyword", "tag", "field"):
        values = [getattr(attribute, column) for attribute in ATTRIBUTES]
        assert len(set(values)) == len(values)
    assert list(ATTRIBUTES_BY_KEYWORD.values()) == list(ATTRIBUTES)


def test_every_field_of_the_record_is_an_attribute_or_tells_of_the_bytes() -> None:
    of_the_bytes = {
        "transfer_syntax_uid",
        "size",
        "sha256",
        "data_set_offset",
        "pixel_data",
        "character_set",
        "warnings",
        "study_date_origin",
    }
    fields = {field.name for field in dataclasses.fields(Instance)}
    assert fields - {attribute.field for attribute in ATTRIBUTES} == of_the_bytes


def test_the_table_is_ordered_by_level_and_every_level_has_its_unique_key() -> None:
    levels = [attribute.level for attribute in ATTRIBUTES]
    assert levels == sorted(levels)
    keys = {"PatientID": 0, "StudyInstanceUID": 1, "SeriesInstanceUID": 2, "SOPInstanceUID": 3}
    assert {keyword: ATTRIBUTES_BY_KEYWORD[keyword].level for keyword in keys} == {k: Level(v) for k, v in keys.items()}
