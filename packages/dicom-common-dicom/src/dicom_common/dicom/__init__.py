"""Reading DICOM: one safe, tolerant pass over the bytes gives the record of an instance and its DICOM JSON."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicom_common.dicom._absolute_uris import absolute_bulk_data as absolute_bulk_data
    from dicom_common.dicom._attribute_of import Asked as Asked, attribute_of as attribute_of
    from dicom_common.dicom._character_set_names import DEFINED_TERMS as DEFINED_TERMS, codec_of as codec_of
    from dicom_common.dicom._character_sets import CharacterSet as CharacterSet, character_set as character_set
    from dicom_common.dicom._data_set_start import data_set_offset as data_set_offset
    from dicom_common.dicom._dictionary import dictionary_vr as dictionary_vr, private_vr as private_vr
    from dicom_common.dicom._file_start import (
        IMPLEMENTATION_CLASS_UID as IMPLEMENTATION_CLASS_UID,
        IMPLEMENTATION_VERSION_NAME as IMPLEMENTATION_VERSION_NAME,
        file_start as file_start,
    )
    from dicom_common.dicom._fragments import ByteRange as ByteRange, ReadRange as ReadRange
    from dicom_common.dicom._frames import Frame as Frame, FrameIndex as FrameIndex, index_frames as index_frames
    from dicom_common.dicom._from_json import BulkData as BulkData, dataset_from_json as dataset_from_json
    from dicom_common.dicom._match_json import match_to_json as match_to_json
    from dicom_common.dicom._named import NamedInstance as NamedInstance, named_instance as named_instance
    from dicom_common.dicom._query_parse import parse_query as parse_query
    from dicom_common.dicom._read import Readable as Readable, Reading as Reading, read as read
    from dicom_common.dicom._read_header import read_header as read_header
    from dicom_common.dicom._reasons import Reason as Reason
    from dicom_common.dicom._rules import Rule as Rule
    from dicom_common.dicom._settings import ReaderSettings as ReaderSettings
    from dicom_common.dicom._transfer_syntaxes import (
        TRANSFER_SYNTAXES as TRANSFER_SYNTAXES,
        TransferSyntax as TransferSyntax,
        transfer_syntax as transfer_syntax,
    )
    from dicom_common.dicom._uid import (
        hash_uid as hash_uid,
        is_valid_uid as is_valid_uid,
        new_uid as new_uid,
        validate_uid as validate_uid,
    )
    from dicom_common.dicom._value_places import (
        ValuePlace as ValuePlace,
        find_value as find_value,
        find_values as find_values,
        inflate as inflate,
        pixel_word as pixel_word,
        swapped as swapped,
    )

__all__ = [
    "DEFINED_TERMS",
    "IMPLEMENTATION_CLASS_UID",
    "IMPLEMENTATION_VERSION_NAME",
    "TRANSFER_SYNTAXES",
    "Asked",
    "BulkData",
    "ByteRange",
    "CharacterSet",
    "Frame",
    "FrameIndex",
    "NamedInstance",
    "ReadRange",
    "Readable",
    "ReaderSettings",
    "Reading",
    "Reason",
    "Rule",
    "TransferSyntax",
    "ValuePlace",
    "absolute_bulk_data",
    "attribute_of",
    "character_set",
    "codec_of",
    "data_set_offset",
    "dataset_from_json",
    "dictionary_vr",
    "file_start",
    "find_value",
    "find_values",
    "hash_uid",
    "index_frames",
    "inflate",
    "is_valid_uid",
    "match_to_json",
    "named_instance",
    "new_uid",
    "parse_query",
    "pixel_word",
    "private_vr",
    "read",
    "read_header",
    "swapped",
    "transfer_syntax",
    "validate_uid",
]

_HOMES = {
    "Asked": "_attribute_of",
    "BulkData": "_from_json",
    "ByteRange": "_fragments",
    "CharacterSet": "_character_sets",
    "DEFINED_TERMS": "_character_set_names",
    "Frame": "_frames",
    "FrameIndex": "_frames",
    "IMPLEMENTATION_CLASS_UID": "_file_start",
    "IMPLEMENTATION_VERSION_NAME": "_file_start",
    "ReadRange": "_fragments",
    "NamedInstance": "_named",
    "Readable": "_read",
    "ReaderSettings": "_settings",
    "Reading": "_read",
    "Reason": "_reasons",
    "Rule": "_rules",
    "TRANSFER_SYNTAXES": "_transfer_syntaxes",
    "TransferSyntax": "_transfer_syntaxes",
    "ValuePlace": "_value_places",
    "absolute_bulk_data": "_absolute_uris",
    "attribute_of": "_attribute_of",
    "character_set": "_character_sets",
    "codec_of": "_character_set_names",
    "data_set_offset": "_data_set_start",
    "dataset_from_json": "_from_json",
    "dictionary_vr": "_dictionary",
    "file_start": "_file_start",
    "find_value": "_value_places",
    "find_values": "_value_places",
    "hash_uid": "_uid",
    "index_frames": "_frames",
    "inflate": "_value_places",
    "is_valid_uid": "_uid",
    "match_to_json": "_match_json",
    "named_instance": "_named",
    "new_uid": "_uid",
    "parse_query": "_query_parse",
    "pixel_word": "_value_places",
    "private_vr": "_dictionary",
    "read": "_read",
    "read_header": "_read_header",
    "swapped": "_value_places",
    "transfer_syntax": "_transfer_syntaxes",
    "validate_uid": "_uid",
}
"""Where each name is. It is imported when it is used: a search needs the query parser and not the reader."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
