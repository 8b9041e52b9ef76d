"""Values that the DICOM JSON has as a bulk data URI, and those that it has inline as base64."""

from __future__ import annotations

import base64

import pytest
from made_attributes import BASE, attributes, element, one, reading
from made_elements import item


@pytest.mark.parametrize("vr", ["OB", "UN", "DS"])
def test_a_long_value_is_a_bulk_data_uri_and_a_short_one_is_not(vr: str) -> None:
    value = b"1" * 64
    assert one(0x00091001, vr, value, bulk_data_threshold=63) == {"vr": vr, "BulkDataURI": f"{BASE}00091001"}
    assert "BulkDataURI" not in one(0x00091001, vr, value, bulk_data_threshold=64)


@pytest.mark.parametrize("vr", ["UT", "LT", "UC", "ST"])
def test_text_is_bulk_data_only_where_it_is_too_long_to_be_held(vr: str) -> None:
    limits = {"bulk_data_threshold": 8, "max_element_value": 64}
    assert one(0x00091001, vr, b"1" * 64, **limits) == {"vr": vr, "Value": ["1" * 64]}
    assert one(0x00091001, vr, b"1" * 66, **limits) == {"vr": vr, "BulkDataURI": f"{BASE}00091001"}
    assert one(0x00091001, vr, b"1" * 66, bulk_data_threshold=66, max_element_value=8) == {
        "vr": vr,
        "Value": ["1" * 66],
    }


@pytest.mark.parametrize("vr", ["UT", "LT", "UC", "ST"])
@pytest.mark.parametrize(
    ("term", "codec"), [("ISO_IR 100", "latin-1"), ("ISO_IR 144", "iso8859-5"), ("GB18030", "gb18030")]
)
def test_long_text_is_in_utf_8_whatever_its_data_set_has(vr: str, term: str, codec: str) -> None:
    text = {"latin-1": "Größe", "iso8859-5": "Размер", "gb18030": "大小"}[codec] * 800
    result = reading(element(0x00080005, "CS", term.encode()), element(0x00091001, vr, text.encode(codec)))
    assert attributes(result)["00091001"] == {"vr": vr, "Value": [text]}


@pytest.mark.parametrize("vr", ["LO", "SH", "PN", "CS", "UI", "DA"])
def test_a_vr_for_which_json_has_no_bulk_data_is_never_one(vr: str) -> None:
    assert "BulkDataURI" not in one(0x00091001, vr, b"1" * 64, bulk_data_threshold=8)


def test_the_uri_of_a_nested_value_has_item_numbers() -> None:
    nested = item(b"") + item(element(0x00091001, "OB", bytes(64)))
    written = one(0x0040A730, "SQ", nested, bulk_data_threshold=8)
    assert written["Value"][1]["00091001"]["BulkDataURI"] == f"{BASE}0040A730.2.00091001"


@pytest.mark.parametrize(("tag", "vr"), [(0x7FE00010, "OW"), (0x7FE00008, "OF"), (0x7FE00009, "OD")])
def test_pixel_data_is_always_a_bulk_data_uri_and_an_empty_one_is_none(tag: int, vr: str) -> None:
    assert one(tag, vr, bytes(8)) == {"vr": vr, "BulkDataURI": f"{BASE}{tag:08X}"}
    assert one(tag, vr, b"") == {"vr": vr}


def test_inline_binary_is_one_base64_text() -> None:
    value = bytes(range(256))
    assert one(0x00091001, "OB", value) == {"vr": "OB", "InlineBinary": base64.b64encode(value).decode()}


@pytest.mark.parametrize(("vr", "width"), [("OW", 2), ("OF", 4), ("OL", 4), ("OD", 8), ("OV", 8), ("OB", 1), ("UN", 1)])
def test_inline_binary_is_little_endian(vr: str, width: int) -> None:
    value = bytes(range(16))
    swapped = b"".join(value[at : at + width][::-1] for at in range(0, 16, width))
    result = reading(element(0x00091001, vr, value, order=">"), order=">")
    assert base64.b64decode(attributes(result)["00091001"]["InlineBinary"]) == swapped
