"""Reading DICOM: one safe, tolerant pass over the bytes gives the record of an instance and its DICOM JSON."""

from dicom_common.dicom._fragments import ByteRange, ReadRange
from dicom_common.dicom._frames import Frame, FrameIndex, index_frames
from dicom_common.dicom._from_json import BulkData, dataset_from_json
from dicom_common.dicom._query_parse import parse_query
from dicom_common.dicom._read import Readable, Reading, read
from dicom_common.dicom._read_header import read_header
from dicom_common.dicom._reasons import Reason
from dicom_common.dicom._rules import Rule
from dicom_common.dicom._settings import ReaderSettings
from dicom_common.dicom._transfer_syntaxes import TRANSFER_SYNTAXES, TransferSyntax, transfer_syntax
from dicom_common.dicom._uid import hash_uid, is_valid_uid, new_uid, validate_uid

__all__ = [
    "TRANSFER_SYNTAXES",
    "BulkData",
    "ByteRange",
    "Frame",
    "FrameIndex",
    "ReadRange",
    "Readable",
    "ReaderSettings",
    "Reading",
    "Reason",
    "Rule",
    "TransferSyntax",
    "dataset_from_json",
    "hash_uid",
    "index_frames",
    "is_valid_uid",
    "new_uid",
    "parse_query",
    "read",
    "read_header",
    "transfer_syntax",
    "validate_uid",
]
