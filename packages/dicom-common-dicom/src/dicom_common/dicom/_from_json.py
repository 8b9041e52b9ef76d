"""DICOM JSON (PS3.18 annex F) back to a data set."""

from __future__ import annotations

import json
import re
import struct
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from dicom_common.core import DicomError
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._value_fields import VALUE_FIELDS, Literal, pad

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["BulkData", "dataset_from_json"]

BulkData = Callable[[str], bytes | None]
"""Given a BulkDataURI as the JSON has it, returns the Value Field (little endian), or None if it cannot be had."""

_KEY: Final = re.compile(r"[0-9A-Fa-f]{8}")
_CONTENTS: Final = ("Value", "InlineBinary", "BulkDataURI")
_CHARACTER_SET: Final = 0x00080005
_FOREIGN_GROUPS: Final = (0x0000, 0x0002, 0xFFFE)
_UTF_8: Final = "ISO_IR 192"
# The VRs that Specific Character Set affects (PS3.5 6.1.2.2); all other text is of the default repertoire.
_AFFECTED: Final = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))


def dataset_from_json(
    source: bytes | str | Mapping[str, Any], *, bulk_data: BulkData | None = None, max_depth: int = 64
) -> Dataset:
    """Make a data set of one DICOM JSON object.

    Written in explicit VR little endian and read again, the data set gives the same DICOM JSON (PS3.18 F.3): values
    are encoded here, as they are, and pydicom interprets them only when they are asked for. The text is UTF-8, so
    Specific Character Set (0008,0005) becomes `ISO_IR 192` wherever it stands, and is added where text needs it.

    Args:
        source: the object, as JSON or already parsed. Not the array of them that QIDO-RS and metadata responses are.
        bulk_data: fetches what a BulkDataURI stands for. Where it returns None, or is not given, the element is empty.
        max_depth: how deep sequences may be nested. What Python's stack does not hold is refused as well.

    Raises:
        DicomError: reason `invalid-json`: the message names the tag, also where it is one that is not part of a data
            set: a group length, or of the groups 0000 (commands), 0002 (File Meta Information) and FFFE (items);
            `too-deep`.
    """
    tree = _parse(source) if isinstance(source, (bytes, str)) else source
    if not isinstance(tree, Mapping):
        raise DicomError(Reason.INVALID_JSON, "The JSON is not an object: give one element of the array at a time.")
    try:
        return _DataSets(bulk_data, max_depth).make(tree)
    except RecursionError:
        raise DicomError(Reason.TOO_DEEP, "The JSON is nested deeper than Python's stack holds.") from None


def _parse(source: bytes | str) -> object:
    try:
        return json.loads(
            source,
            parse_float=Literal,
            parse_int=Literal,
            parse_constant=_no_constant,
            object_pairs_hook=_object,
        )
    except RecursionError:
        raise DicomError(Reason.TOO_DEEP, "The JSON is nested too deep.") from None
    except ValueError:  # its text may quote the document
        raise DicomError(Reason.INVALID_JSON, "This is not JSON in UTF-8 with unique keys (RFC 8259).") from None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        # Two readers may choose differently between two values of one key; so neither is chosen.
        raise ValueError("a key occurs twice")
    return members


def _decode_base64(given: object) -> bytes | None:
    if not isinstance(given, str) or isinstance(given, Literal):
        return None
    try:
        return b64decode(given, validate=True)
    except ValueError:
        return None


class _DataSets:
    """Makes a data set and those of its items."""

    def __init__(self, bulk_data: BulkData | None, max_depth: int) -> None:
        # Reading a file needs no pydicom, whose import takes half a second.
        from pydicom.charset import convert_encodings, default_encoding  # noqa: PLC0415  # see above

        self._bulk_data = bulk_data
        self._max_depth = max_depth
        self._path: list[str] = []
        self._ascii = True
        self._default: str = default_encoding
        self._utf_8 = convert_encodings(_UTF_8)

    def make(self, tree: Mapping[str, Any]) -> Dataset:
        elements = self._elements(tree)
        if not self._ascii and _CHARACTER_SET not in elements:
            elements[_CHARACTER_SET] = self._raw(_CHARACTER_SET, "CS", _UTF_8.encode())
        return self._data_set(elements)

    def _data_set(self, elements: dict[int, Any]) -> Dataset:
        from pydicom.dataset import Dataset  # noqa: PLC0415  # as above
        from pydicom.tag import BaseTag  # noqa: PLC0415  # as above

        # ASCII is the same in both; what is not declared and not ASCII is in an item, under the top's UTF-8.
        encoding = self._default if self._ascii and _CHARACTER_SET not in elements else self._utf_8
        tags = {BaseTag(tag): elements[tag] for tag in sorted(elements)}
        data_set = Dataset(tags, parent_encoding=encoding)
        # Tells pydicom that the raw values below are what a writer of this encoding would write.
        data_set.set_original_encoding(is_implicit_vr=False, is_little_endian=True, character_encoding=encoding)
        return data_set

    def _elements(self, tree: Mapping[str, Any]) -> dict[int, Any]:
        elements: dict[int, Any] = {}
        for key, attribute in tree.items():
            if not isinstance(key, str) or _KEY.fullmatch(key) is None:
                raise DicomError(Reason.INVALID_JSON, f"A key {self._where()}is not a tag of eight hex digits.")
            tag = int(key, 16)
            if tag & 0xFFFF == 0 or tag >> 16 in _FOREIGN_GROUPS:
                what = "a group length" if tag & 0xFFFF == 0 else f"of group {key[:4].upper()}"
                raise DicomError(
                    Reason.INVALID_JSON,
                    f"The attribute {'.'.join([*self._path, key.upper()])} is {what}, which is not part of a data set; "
                    "leave it out (PS3.18 F.2.2).",
                )
            if tag in elements:
                raise DicomError(Reason.INVALID_JSON, f"The tag {key.upper()} {self._where()}occurs twice.")
            self._path.append(key.upper())
            elements[tag] = self._element(tag, attribute)
            self._path.pop()
        return elements

    def _where(self) -> str:
        return f"in {'.'.join(self._path)} " if self._path else ""

    def _invalid(self, what: str) -> DicomError:
        return DicomError(Reason.INVALID_JSON, f"The attribute {'.'.join(self._path)} {what} (PS3.18 F.2).")

    def _element(self, tag: int, attribute: object) -> Any:
        if not isinstance(attribute, Mapping):
            raise self._invalid("is not an object")
        vr = attribute.get("vr")
        contents = [name for name in _CONTENTS if name in attribute]
        if not isinstance(vr, str) or (vr != "SQ" and vr not in VALUE_FIELDS):
            raise self._invalid("has no vr, or one that is not of the standard")
        if len(contents) > 1:
            raise self._invalid(f"has {' and '.join(contents)}, of which only one may be there")
        content = contents[0] if contents else None
        if tag == _CHARACTER_SET:
            return self._raw(tag, "CS", _UTF_8.encode())
        if vr == "SQ":
            return self._sequence(tag, content, attribute)
        value = b"" if content is None else self._value(vr, content, attribute[content])
        return self._raw(tag, vr, pad(value, b"\0"))

    def _raw(self, tag: int, vr: str, value: bytes) -> Any:
        from pydicom.dataelem import RawDataElement  # noqa: PLC0415  # as above
        from pydicom.tag import BaseTag  # noqa: PLC0415  # as above

        return RawDataElement(BaseTag(tag), vr, len(value), value, 0, is_implicit_VR=False, is_little_endian=True)

    def _value(self, vr: str, content: str, given: object) -> bytes:
        if content == "BulkDataURI":
            if not isinstance(given, str) or isinstance(given, Literal):
                raise self._invalid("has a BulkDataURI that is not a string")
            return (self._bulk_data(given) if self._bulk_data else None) or b""
        if content == "InlineBinary":
            inline = _decode_base64(given)
            if inline is None:
                raise self._invalid("has an InlineBinary that is not base64")
            return inline
        if not isinstance(given, list):
            raise self._invalid("has a Value that is not an array")
        try:
            value = VALUE_FIELDS[vr](given)
        except (ValueError, TypeError, KeyError, OverflowError, struct.error):
            raise self._invalid(f"has a Value that is not one of VR {vr}") from None
        if self._ascii and vr in _AFFECTED and not value.isascii():
            self._ascii = False
        return value

    def _sequence(self, tag: int, content: str | None, attribute: Mapping[str, Any]) -> Any:
        from pydicom.dataelem import DataElement  # noqa: PLC0415  # as above
        from pydicom.sequence import Sequence  # noqa: PLC0415  # as above

        items = attribute["Value"] if content == "Value" else []
        if content not in {None, "Value"} or not isinstance(items, list):
            raise self._invalid("is a sequence, and has something else than an array of items")
        if len(self._path) > self._max_depth:
            raise DicomError(Reason.TOO_DEEP, f"Sequences are nested deeper than {self._max_depth}.")
        # An item that is null, or missing altogether, is an empty one (F.2.5).
        trees = [{} if item is None else item for item in items]
        if not all(isinstance(tree, Mapping) for tree in trees):
            raise self._invalid("has an item that is not an object")
        return DataElement(tag, "SQ", Sequence([self._item(tree) for tree in trees]))

    def _item(self, tree: Mapping[str, Any]) -> Dataset:
        before = self._ascii
        elements = self._elements(tree)
        item = self._data_set(elements)
        if _CHARACTER_SET in elements:
            self._ascii = before  # its text says nothing of what the data sets around have to declare
        return item
