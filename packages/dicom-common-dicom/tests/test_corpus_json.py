"""Every file: read or refused with a stable reason, and its DICOM JSON is what PS3.18 annex F describes."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pydicom
import pytest

from dicom_common.core import DicomError
from dicom_common.dicom import Reading, Reason, dataset_from_json, read

STRINGS = ["AE", "AS", "CS", "DA", "DT", "LO", "LT", "SH", "ST", "TM", "UC", "UI", "UR", "UT"]
BINARY = ["OB", "OD", "OF", "OL", "OV", "OW", "UN"]
MAY_BE_BULK = [
    *("DS", "FL", "FD", "IS", "LT", "OB", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "ST", "SV", "UC", "UL", "UN"),
    *("US", "UT", "UV"),
]
PIXEL_DATA = ["7FE00008", "7FE00009", "7FE00010"]


def values_of(item: Mapping[str, Any], *, nullable: bool = False) -> dict[str, Any]:
    """Describe `Value`: an array with one value at least that is not null (F.2.5)."""
    array: dict[str, Any] = {"type": "array", "minItems": 1, "items": item}
    if nullable:
        array |= {"items": {"anyOf": [item, {"type": "null"}]}, "contains": {"not": {"type": "null"}}}
    return {"Value": array}


TEXT = {"type": "string", "minLength": 1}
NOT_FINITE = {"enum": ["NaN", "inf", "-inf"]}
NUMBER_TEXT = {"type": "string", "pattern": "^-?[0-9]{16,20}$"}
FAMILIES: list[tuple[list[str], dict[str, Any]]] = [
    (STRINGS, values_of(TEXT, nullable=True)),
    (["AT"], values_of({"type": "string", "pattern": "^[0-9A-F]{8}$"})),
    (["DS"], values_of({"anyOf": [{"type": "number"}, TEXT]}, nullable=True)),
    (["IS"], values_of({"anyOf": [{"type": "integer"}, TEXT]}, nullable=True)),
    (["SV", "UV"], values_of({"anyOf": [{"type": "integer"}, NUMBER_TEXT]})),
    (["SL", "SS", "UL", "US"], values_of({"type": "integer"})),
    (["FD", "FL"], values_of({"anyOf": [{"type": "number"}, NOT_FINITE]})),
    (BINARY, {}),
    (["SQ"], values_of({"$ref": "#"})),
    (
        ["PN"],
        values_of(
            {
                "type": "object",
                "minProperties": 1,
                "properties": dict.fromkeys(["Alphabetic", "Ideographic", "Phonetic"], TEXT),
                "additionalProperties": False,
            },
            nullable=True,
        ),
    ),
]
BASE64 = {
    "type": "string",
    "minLength": 4,
    "pattern": "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
}


def attribute(vrs: list[str], properties: Mapping[str, Any]) -> dict[str, Any]:
    allowed = {"vr": {"enum": vrs}, **properties}
    if set(vrs) <= set(BINARY):
        allowed["InlineBinary"] = BASE64
    return {
        "type": "object",
        "required": ["vr"],
        "properties": {**allowed, "BulkDataURI": {"type": "string", "minLength": 1}},
        "additionalProperties": False,
        # `vr` and at most one more.
        "maxProperties": 2,
    }


def schema() -> dict[str, Any]:
    dispatch = [
        {"if": {"properties": {"vr": {"enum": vrs}}}, "then": attribute(vrs, properties)}
        for vrs, properties in FAMILIES
    ]
    known = [vr for vrs, _ in FAMILIES for vr in vrs]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "00080005": {"const": {"vr": "CS", "Value": ["ISO_IR 192"]}},
            **{tag: {"properties": {"InlineBinary": False, "Value": False}} for tag in PIXEL_DATA},
        },
        # No group lengths; not the groups of file meta and of commands.
        "patternProperties": {"^(?!0000|0002)[0-9A-F]{4}(?!0000)[0-9A-F]{4}$": {"$ref": "#/$defs/attribute"}},
        "additionalProperties": False,
        "$defs": {
            "attribute": {
                "type": "object",
                "required": ["vr"],
                "properties": {"vr": {"enum": known}},
                "if": {"required": ["BulkDataURI"]},
                "then": {"properties": {"vr": {"enum": MAY_BE_BULK}}},
                "allOf": dispatch,
            }
        },
    }


VALIDATOR = jsonschema.Draft202012Validator(schema())


def strict_json(text: bytes) -> Any:
    def refuse(name: str) -> None:
        pytest.fail(f"{name} is not JSON")

    return json.loads(text.decode("utf-8"), parse_constant=refuse)


def data_sets(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Iterate over a DICOM JSON object and the items in it."""
    yield tree
    for attribute in tree.values():
        if attribute["vr"] == "SQ":
            for item in attribute.get("Value", []):
                yield from data_sets(item)


def strings(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for member in node.values():
            yield from strings(member)
    elif isinstance(node, list):
        for member in node:
            yield from strings(member)


def read_or_reason(path: Path) -> Reading | Reason:
    """Read a file; where it is refused, give the documented reason."""
    try:
        return read(path)
    except DicomError as refusal:
        return Reason(refusal.reason)


def test_every_file_is_read_or_refused_and_its_json_is_annex_f(corpus_file: Path) -> None:
    reading = read_or_reason(corpus_file)
    if isinstance(reading, Reason):
        return
    tree = strict_json(reading.metadata)
    VALIDATOR.validate(tree)
    for data_set in data_sets(tree):
        assert list(data_set) == sorted(data_set)
    for text in strings(tree):
        assert "\0" not in text
        assert not any("\ud800" <= character <= "\udfff" for character in text)


def test_the_json_is_a_fixed_point_through_a_data_set_of_pydicom(corpus_file: Path, tmp_path: Path) -> None:
    """PS3.18 F.3, with each BulkDataURI answered by bytes that the URI names, of the length that made it bulk data."""
    reading = read_or_reason(corpus_file)
    if isinstance(reading, Reason):
        return

    def fetch(uri: str) -> bytes:
        return uri.encode() * (2048 // len(uri) + 1)

    data_set = dataset_from_json(reading.metadata, bulk_data=fetch)
    for tag in (0x7FE00008, 0x7FE00009, 0x7FE00010):
        if tag in data_set:
            # As long as the attributes say, which the reader checks.
            del data_set[tag]
    data_set.file_meta = pydicom.dataset.FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    path = tmp_path / "again.dcm"
    with warnings.catch_warnings(action="ignore"):  # pydicom says that it writes over-long values as UN
        data_set.save_as(path, enforce_file_format=True)
    again = strict_json(read(path).metadata)
    before = strict_json(reading.metadata)
    for key in PIXEL_DATA:
        before.pop(key, None)
    assert again == before


def test_the_schema_refuses_what_it_should() -> None:
    bad: list[Any] = [
        *([], {"PatientName": {"vr": "PN"}}, {"0010001a": {"vr": "LO"}}, {"00080000": {"vr": "UL"}}, {"00100010": {}}),
        *({"00020010": {"vr": "UI"}}, {"00100010": {"vr": "XX"}}, {"00100010": {"vr": "PN", "Value": ["A"]}}),
        *({"00100010": {"vr": "PN", "Value": [{}]}}, {"00100010": {"vr": "PN", "Value": [None]}}),
        *({"00100020": {"vr": "LO", "Value": []}}, {"00100020": {"vr": "LO", "Value": [""]}}),
        *({"00100020": {"vr": "LO", "Value": [1]}}, {"00100020": {"vr": "LO", "Value": ["a"], "x": 1}}),
        *({"00100020": {"vr": "LO", "BulkDataURI": "x"}}, {"00280010": {"vr": "US", "Value": [None]}}),
        *({"00280010": {"vr": "US", "Value": [1.5]}}, {"00091001": {"vr": "OB", "InlineBinary": "A"}}),
        *({"00091001": {"vr": "OB", "Value": [1]}}, {"00091001": {"vr": "OB", "InlineBinary": "AA==", "Value": [1]}}),
        *({"00080005": {"vr": "CS", "Value": ["ISO_IR 100"]}}, {"7FE00010": {"vr": "OW", "InlineBinary": "AAA="}}),
        *({"00081140": {"vr": "SQ", "Value": []}}, {"00081140": {"vr": "SQ", "Value": [{"x": 1}]}}),
        *({"00081140": {"vr": "SQ", "Value": [{"00100020": {"vr": "LO", "Value": [""]}}]}},),
    ]
    for tree in bad:
        assert not VALIDATOR.is_valid(tree), tree
    good = {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00081140": {"vr": "SQ", "Value": [{}, {"00100020": {"vr": "LO", "Value": ["a", None]}}]},
        "00091001": {"vr": "FD", "Value": [1, 2.5, "NaN"]},
        "7FE00010": {"vr": "OW", "BulkDataURI": "x"},
    }
    VALIDATOR.validate(good)
