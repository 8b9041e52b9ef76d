"""What plugins share and no contract asks for: meanings of errors, retries, walks, files, uploads, JSON, statements.

It depends on the core only. `query_rules` is a module of its own, for databases and readers of query text.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicom_common.toolkit._backoff import Backoff as Backoff
    from dicom_common.toolkit._json import MAX_JSON_DEPTH as MAX_JSON_DEPTH, parse_json as parse_json
    from dicom_common.toolkit._meanings import Meaning as Meaning, Meanings as Meanings
    from dicom_common.toolkit._private_files import (
        make_private_file as make_private_file,
        make_private_folder as make_private_folder,
        others_may as others_may,
    )
    from dicom_common.toolkit._process_user import process_user as process_user
    from dicom_common.toolkit._regular_files import NotRegularError as NotRegularError, read_regular as read_regular
    from dicom_common.toolkit._retry import BusyError as BusyError, DoubtfulError as DoubtfulError, Retry as Retry
    from dicom_common.toolkit._spool import (
        SPOOL_MEMORY as SPOOL_MEMORY,
        SpoolSink as SpoolSink,
        spooled_upload as spooled_upload,
        spooling as spooling,
    )
    from dicom_common.toolkit._statement import StatementSection as StatementSection, StatementTable as StatementTable
    from dicom_common.toolkit._suggestion import did_you_mean as did_you_mean
    from dicom_common.toolkit._time_limit import (
        EscapedError as EscapedError,
        TimeLimitError as TimeLimitError,
        call_within as call_within,
    )
    from dicom_common.toolkit._uploads import OpenUploads as OpenUploads, Sink as Sink, StreamedUpload as StreamedUpload
    from dicom_common.toolkit._walk import TreeEntry as TreeEntry, walk_tree as walk_tree

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
    "spooling",
    "walk_tree",
]

_HOMES = {
    "MAX_JSON_DEPTH": "_json",
    "SPOOL_MEMORY": "_spool",
    "Backoff": "_backoff",
    "BusyError": "_retry",
    "DoubtfulError": "_retry",
    "EscapedError": "_time_limit",
    "Meaning": "_meanings",
    "Meanings": "_meanings",
    "NotRegularError": "_regular_files",
    "OpenUploads": "_uploads",
    "Retry": "_retry",
    "Sink": "_uploads",
    "SpoolSink": "_spool",
    "StatementSection": "_statement",
    "StatementTable": "_statement",
    "StreamedUpload": "_uploads",
    "TimeLimitError": "_time_limit",
    "TreeEntry": "_walk",
    "call_within": "_time_limit",
    "did_you_mean": "_suggestion",
    "make_private_file": "_private_files",
    "make_private_folder": "_private_files",
    "others_may": "_private_files",
    "parse_json": "_json",
    "process_user": "_process_user",
    "read_regular": "_regular_files",
    "spooled_upload": "_spool",
    "spooling": "_spool",
    "walk_tree": "_walk",
}
"""Where each name is. It is imported when it is used: a cache needs no walk and no statement."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
