"""DICOM JSON back to a data set: every VR, what is refused, and that nothing of a value is in an error."""

from __future__ import annotations

import base64
import io
import json
import struct
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pydicom
import pytest
from hypothesis import given, strategies as st

from dicom_common.core import DicomError
from dicom_common.dicom import dataset_from_json
from dicom_common.dicom._value_fields import VALUE_FIELDS, Literal, decimal_text


def field_of(vr: str, *values: Any) -> bytes:
    """Encode `values` under a private tag, write the data set with pydicom, and take the Value Field from the bytes."""
    data_set = dataset_from_json(json.dumps({"00091001": {"vr": vr, "Value": list(values)}}))
    return written_field(data_set, 0x00091001)


def written_field(data_set: pydicom.Dataset, tag: int) -> bytes:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data_set, implicit_vr=False, little_endian=True)
    again = pydicom.dcmread(io.BytesIO(buffer.getvalue()), force=True)
    raw = again.get_item(tag)
    assert isinstance(raw, pydicom.dataelem.RawDataElement)
    assert raw.value is not None or raw.length == 0
    return raw.value or b""


@pytest.mark.parametrize(
    ("vr", "values", "expected"),
    [
        ("AE", ["ONE", "TWO"], b"ONE\\TWO "),
        ("CS", ["A", None, "B"], b"A\\\\B"),
        ("DA", ["20260102"], b"20260102"),
        ("UI", ["1.2.3"], b"1.2.3\0"),
        ("LO", ["Grün"], "Grün ".encode()),
        ("LT", [" a\\b"], b" a\\b"),
        ("UR", ["http://a/b"], b"http://a/b"),
        ("AT", ["00100020", "7FE00010"], struct.pack("<4H", 0x0010, 0x0020, 0x7FE0, 0x0010)),
        ("DS", [1.5, None, "1,5"], b"1.5\\\\1,5"),
        ("IS", [7, -3, "x"], b"7\\-3\\x"),
        ("IS", [2.0], b"2 "),
        ("US", [1, 65535], struct.pack("<2H", 1, 65535)),
        ("SS", [-1], struct.pack("<h", -1)),
        ("UL", [2**32 - 1], struct.pack("<I", 2**32 - 1)),
        ("SL", [-(2**31)], struct.pack("<i", -(2**31))),
        ("UV", ["18446744073709551615", 1], struct.pack("<2Q", 2**64 - 1, 1)),
        ("SV", ["-9223372036854775808"], struct.pack("<q", -(2**63))),
        ("FL", [0.1, "NaN", "-inf"], struct.pack("<3f", 0.1, float("nan"), float("-inf"))),
        ("FD", [0.1, "inf"], struct.pack("<2d", 0.1, float("inf"))),
        ("PN", [{"Alphabetic": "A^B"}], b"A^B "),
        ("PN", [{"Phonetic": "C"}, None, {"Alphabetic": "A", "Ideographic": "B"}], b"==C\\\\A=B"),
    ],
)
def test_the_values_of_a_vr_become_its_value_field(vr: str, values: list[Any], expected: bytes) -> None:
    assert field_of(vr, *values) == expected


@pytest.mark.parametrize("vr", ["OB", "OD", "OF", "OL", "OV", "OW", "UN", "US"])
def test_inline_binary_is_the_value_field_itself(vr: str) -> None:
    raw = bytes(range(16))
    tree = {"00091001": {"vr": vr, "InlineBinary": base64.b64encode(raw).decode()}}
    assert written_field(dataset_from_json(tree), 0x00091001) == raw


def test_attributes_without_a_value_are_empty() -> None:
    data_set = dataset_from_json('{"00100010":{"vr":"PN"},"00081115":{"vr":"SQ"},"00081140":{"vr":"SQ","Value":[]}}')
    assert data_set.PatientName == ""
    assert len(data_set.ReferencedSeriesSequence) == 0
    assert len(data_set.ReferencedImageSequence) == 0


def test_sequences_and_empty_items_come_back() -> None:
    tree = {
        "0040A730": {"vr": "SQ", "Value": [{}, None, {"0040A730": {"vr": "SQ", "Value": [{"00080100": short("x")}]}}]}
    }
    data_set = dataset_from_json(tree)
    first, second, third = data_set.ContentSequence
    assert (len(first), len(second)) == (0, 0)
    assert third.ContentSequence[0].CodeValue == "x"


def short(text: str) -> dict[str, Any]:
    return {"vr": "SH", "Value": [text]}


def test_the_character_set_becomes_utf_8_wherever_it_stands() -> None:
    tree = {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 100"]},
        "0040A730": {"vr": "SQ", "Value": [{"00080005": {"vr": "CS", "Value": ["GB18030"]}, "00080100": short("ü")}]},
        "00081030": {"vr": "LO", "Value": ["日本"]},
    }
    data_set = read_back(dataset_from_json(tree))
    assert data_set.SpecificCharacterSet == "ISO_IR 192"
    assert data_set.StudyDescription == "日本"
    assert data_set.ContentSequence[0].SpecificCharacterSet == "ISO_IR 192"
    assert data_set.ContentSequence[0].CodeValue == "ü"


def test_a_character_set_is_added_where_text_needs_it() -> None:
    in_item = {"0040A730": {"vr": "SQ", "Value": [{"00080100": short("a")}, {"00080100": short("ü")}]}}
    data_set = read_back(dataset_from_json(in_item))
    assert data_set.SpecificCharacterSet == "ISO_IR 192"
    assert [item.CodeValue for item in data_set.ContentSequence] == ["a", "ü"]
    assert "SpecificCharacterSet" not in dataset_from_json({"00080100": short("a")})


def test_an_item_that_declares_its_own_character_set_needs_none_around_it() -> None:
    own = {"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}, "00080100": short("ü")}
    data_set = read_back(dataset_from_json({"0040A730": {"vr": "SQ", "Value": [own]}, "00100020": short("a")}))
    assert "SpecificCharacterSet" not in data_set
    assert data_set.ContentSequence[0].CodeValue == "ü"


def read_back(data_set: pydicom.Dataset) -> pydicom.Dataset:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data_set, implicit_vr=False, little_endian=True)
    return pydicom.dcmread(io.BytesIO(buffer.getvalue()), force=True)


@pytest.mark.parametrize(
    "tag", ["00000002", "00000000", "00020010", "00020000", "FFFEE000", "fffee0dd", "00080000", "00090000", "7FE00000"]
)
def test_what_is_not_part_of_a_data_set_is_refused_by_its_tag(tag: str) -> None:
    attribute = {tag: {"vr": "UL", "Value": [1]}}
    with pytest.raises(DicomError, match=tag.upper()) as refusal:
        dataset_from_json(attribute)
    assert refusal.value.reason == "invalid-json"
    with pytest.raises(DicomError, match=rf"00081140\.{tag.upper()}") as refusal:
        dataset_from_json({"00081140": {"vr": "SQ", "Value": [attribute]}})
    assert refusal.value.reason == "invalid-json"


def test_bulk_data_is_fetched_by_its_uri() -> None:
    tree = {"7FE00010": {"vr": "OW", "BulkDataURI": "bulk/1"}, "00420011": {"vr": "OB", "BulkDataURI": "bulk/2"}}
    asked = []

    def fetch(uri: str) -> bytes | None:
        asked.append(uri)
        return b"\1\2\3" if uri == "bulk/1" else None

    data_set = dataset_from_json(tree, bulk_data=fetch)
    assert asked == ["bulk/1", "bulk/2"]
    assert data_set.PixelData == b"\1\2\3\0"
    assert not data_set.EncapsulatedDocument
    assert not dataset_from_json(tree).PixelData


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("1.00", "1.00"), ("-0", "-0"), ("1E5", "1E5"), ("0.1", "0.1"), ("12345678901234567", "12345678901234567")),
        ("-0.12345678901234", "-.12345678901234"),
        ("1.2345678901e+100", "1.2345678901e100"),
        ("0.10000000000000000000", "0.1"),
        ("0.30000000000000004", ".30000000000000004"),
    ],
)
def test_a_number_becomes_a_decimal_string_without_loss(text: str, expected: str) -> None:
    assert decimal_text(Literal(text)) == expected
    assert float(expected) == float(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_survives_its_way_through_a_decimal_string(number: float) -> None:
    assert float(decimal_text(Literal(repr(number)))) == number
    assert float(decimal_text(number)) == number


@pytest.mark.parametrize(
    "source",
    [
        *("", "[]", "null", "1", '"x"', "{", b"\xff\xfe", '{"00100010":NaN}', '{"00100010":{"vr":"PN"},"00100010":1}'),
        *('{"PatientName":{"vr":"PN"}}', '{"0010001":{"vr":"PN"}}', '{"00100010":[]}', '{"00100010":{}}'),
        *('{"00100010":{"vr":"XX"}}', '{"00100010":{"vr":1}}', '{"00100010":{"vr":"PN","Value":"DOE^JANE"}}'),
        '{"00100010":{"vr":"PN","Value":["DOE^JANE"]}}',
        '{"00100010":{"vr":"PN","Value":[{"Alphabetic":1}]}}',
        '{"00100010":{"vr":"PN","Value":[{"Family":"DOE^JANE"}]}}',
        '{"00100010":{"vr":"LO","Value":[{"Alphabetic":"DOE^JANE"}]}}',
        '{"00100010":{"vr":"LO","Value":[5]}}',
        '{"00100010":{"vr":"LO","Value":["\\ud800DOE^JANE"]}}',
        '{"00100010":{"vr":"LT","Value":["DOE^JANE","b"]}}',
        '{"00100010":{"vr":"US","Value":["DOE^JANE"]}}',
        *('{"00100010":{"vr":"US","Value":[65536]}}', '{"00100010":{"vr":"US","Value":[1.5]}}'),
        *('{"00100010":{"vr":"US","Value":[null]}}', '{"00100010":{"vr":"US","Value":[true]}}'),
        *('{"00100010":{"vr":"UL","Value":[1e999]}}', '{"00100010":{"vr":"FL","Value":[1e300]}}'),
        *('{"00100010":{"vr":"FD","Value":["DOE^JANE"]}}', '{"00100010":{"vr":"FD","Value":[[]]}}'),
        *('{"00100010":{"vr":"IS","Value":[1.5]}}', '{"00100010":{"vr":"DS","Value":[false]}}'),
        *('{"00100010":{"vr":"AT","Value":["DOE^JANE"]}}', '{"00100010":{"vr":"OB","Value":["DOE^JANE"]}}'),
        *('{"00100010":{"vr":"OB","InlineBinary":"DOE^JANE"}}', '{"00100010":{"vr":"OB","InlineBinary":1234}}'),
        *('{"00100010":{"vr":"OB","InlineBinary":"AA==\\n"}}', '{"00100010":{"vr":"OB","InlineBinary":"\u00fc"}}'),
        *('{"00100010":{"vr":"OB","BulkDataURI":1}}', '{"00100010":{"vr":"OB","BulkDataURI":null}}'),
        '{"00100010":{"vr":"OB","BulkDataURI":"x","InlineBinary":""}}',
        *('{"00100010":{"vr":"SQ","Value":[1]}}', '{"00100010":{"vr":"SQ","Value":{}}}'),
        *('{"00100010":{"vr":"SQ","InlineBinary":""}}', '{"0010001a":{"vr":"LO"},"0010001A":{"vr":"LO"}}'),
        '{"00100010":{"vr":"US","Value":[' + "9" * 5000 + "]}}",
    ],
)
def test_what_is_not_dicom_json_is_refused_without_being_repeated(source: str | bytes) -> None:
    with pytest.raises(DicomError) as refusal:
        dataset_from_json(source)
    assert refusal.value.reason == "invalid-json"
    message = str(refusal.value)
    assert "DOE" not in message
    assert len(message) < 200


def test_an_error_in_an_item_names_the_way_to_it() -> None:
    tree = {"0040A730": {"vr": "SQ", "Value": [{"00080100": {"vr": "US", "Value": ["x"]}}]}}
    with pytest.raises(DicomError, match=r"0040A730\.00080100"):
        dataset_from_json(tree)


@pytest.mark.parametrize("depth", [65, 1000, 200_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    text = '{"0040A730":{"vr":"SQ","Value":[' * depth + "{}" + "]}}" * depth
    with pytest.raises(DicomError) as refusal:
        dataset_from_json(text)
    assert refusal.value.reason == "too-deep"


@pytest.mark.parametrize("max_depth", [64, 200, 10_000])
def test_deep_nesting_of_what_is_parsed_is_refused(max_depth: int) -> None:
    tree: dict[str, Any] = {}
    for _ in range(5000):
        tree = {"0040A730": {"vr": "SQ", "Value": [tree]}}
    with pytest.raises(DicomError) as refusal:
        dataset_from_json(tree, max_depth=max_depth)
    assert refusal.value.reason == "too-deep"
    tree["0040A730"]["Value"] = [tree]  # without an end
    with pytest.raises(DicomError) as refusal:
        dataset_from_json(tree, max_depth=max_depth)
    assert refusal.value.reason == "too-deep"


def test_deep_lists_in_a_value_are_refused() -> None:
    value: list[Any] = []
    for _ in range(5000):
        value = [value]
    for vr in ("LO", "PN", "US", "DS", "AT", "SQ"):
        with pytest.raises(DicomError) as refusal:
            dataset_from_json({"00091000": {"vr": vr, "Value": value}})
        assert refusal.value.reason == "invalid-json"


def test_the_deepest_nesting_that_is_allowed_is_read() -> None:
    text = '{"0040A730":{"vr":"SQ","Value":[' * 64 + "{}" + "]}}" * 64
    data_set = dataset_from_json(text)
    for _ in range(64):
        data_set = data_set.ContentSequence[0]
    assert len(data_set) == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
VRS = st.sampled_from(["SQ", *VALUE_FIELDS])
ATTRIBUTES = st.fixed_dictionaries(
    {"vr": VRS | JSON},
    optional={"Value": st.lists(JSON, max_size=3) | JSON, "InlineBinary": JSON, "BulkDataURI": JSON},
)
OBJECTS = st.dictionaries(st.from_regex(r"\A[0-9A-F]{8}\Z") | st.text(max_size=9), ATTRIBUTES | JSON, max_size=4)


@given(OBJECTS)
def test_no_object_raises_anything_undocumented(tree: Mapping[str, Any]) -> None:
    for source in (tree, json.dumps(tree)):
        try:
            data_set = dataset_from_json(source)
        except DicomError as refusal:
            reason = refusal.reason
        else:
            reason = "accepted"
            assert all(f"{int(tag):08X}" in {key.upper() for key in tree} | {"00080005"} for tag in data_set._dict)
        assert reason in {"accepted", "invalid-json", "too-deep"}


def test_importing_the_package_and_reading_do_not_import_pydicom() -> None:
    """Its import takes half a second, which a command line feels each time."""
    code = (
        "import sys; from dicom_common.core import DicomError; from dicom_common.dicom import read\n"
        "try: read(b'nothing')\n"
        "except DicomError: sys.exit('pydicom' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("vr", "value"), [("LO", "A\\B"), ("CS", "\\"), ("UI", "1.2\\3"), ("PN", {"Alphabetic": "A\\B"}), ("DS", "1\\2")]
)
def test_a_value_with_the_delimiter_of_values_is_refused(vr: str, value: Any) -> None:
    with pytest.raises(DicomError) as caught:
        dataset_from_json({"00091001": {"vr": vr, "Value": [value]}})
    assert caught.value.reason == "invalid-json"
    assert field_of("LT", "A\\B ") == b"A\\B "
