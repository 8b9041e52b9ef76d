"""What plugins share and no contract asks for: meanings of errors, retries, walks, files, uploads, JSON, statements.

It depends on the core only. `query_rules` is a module of its own, for databases and readers of query text.
"""

from dicom_common.toolkit._backoff import Backoff
from dicom_common.toolkit._json import MAX_JSON_DEPTH, parse_json
from dicom_common.toolkit._meanings import Meaning, Meanings
from dicom_common.toolkit._private_files import make_private_file, make_private_folder, others_may
from dicom_common.toolkit._process_user import process_user
from dicom_common.toolkit._regular_files import NotRegularError, read_regular
from dicom_common.toolkit._retry import BusyError, DoubtfulError, Retry
from dicom_common.toolkit._spool import SPOOL_MEMORY, SpoolSink, spooled_upload
from dicom_common.toolkit._statement import StatementSection, StatementTable
from dicom_common.toolkit._suggestion import did_you_mean
from dicom_common.toolkit._time_limit import EscapedError, TimeLimitError, call_within
from dicom_common.toolkit._uploads import OpenUploads, Sink, StreamedUpload
from dicom_common.toolkit._walk import TreeEntry, walk_tree

__all__ = [
    "MAX_JSON_DEPTH",
    "SPOOL_MEMORY",
    "Backoff",
    "BusyError",
    "DoubtfulError",
    "EscapedError",
    "Meaning",
    "Meanings",
    "NotRegularError",
    "OpenUploads",
    "Retry",
    "Sink",
    "SpoolSink",
    "StatementSection",
    "StatementTable",
    "StreamedUpload",
    "TimeLimitError",
    "TreeEntry",
    "call_within",
    "did_you_mean",
    "make_private_file",
    "make_private_folder",
    "others_may",
    "parse_json",
    "process_user",
    "read_regular",
    "spooled_upload",
    "walk_tree",
]
