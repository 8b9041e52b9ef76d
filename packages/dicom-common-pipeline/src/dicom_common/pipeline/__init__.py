"""What makes a storage, an index and a broker one system. One folder for each kind of work.

`_ingest` takes instances in; `_worker` indexes what receivers only stored; `_events` publishes, by way of the outbox;
`_documents` keeps metadata ready; `_reconcile` repairs what a crash left; `_copy` copies to another storage. What
several of them need lies beside them: settings, the layout of storage keys, the pool of worker processes.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dicom_common.pipeline._bulk_data import (
        BulkData as BulkData,
        list_bulk_data as list_bulk_data,
        open_all_bulk_data as open_all_bulk_data,
        open_bulk_data as open_bulk_data,
    )
    from dicom_common.pipeline._copy._check import check_against_index as check_against_index
    from dicom_common.pipeline._copy._copy import CopyOptions as CopyOptions, copy_objects as copy_objects
    from dicom_common.pipeline._copy._journal import CopyJournal as CopyJournal
    from dicom_common.pipeline._copy._results import CopyResult as CopyResult, CopyStatus as CopyStatus
    from dicom_common.pipeline._discarded import delete_discarded as delete_discarded
    from dicom_common.pipeline._documents._build import (
        BuildStatus as BuildStatus,
        BuiltDocument as BuiltDocument,
        DocumentBuilder as DocumentBuilder,
    )
    from dicom_common.pipeline._documents._document import Document as Document
    from dicom_common.pipeline._documents._documents import MetadataDocuments as MetadataDocuments
    from dicom_common.pipeline._documents._layout import (
        DEFAULT_DOCUMENT_LAYOUT as DEFAULT_DOCUMENT_LAYOUT,
        DocumentLayout as DocumentLayout,
    )
    from dicom_common.pipeline._documents._objects import valid_objects as valid_objects
    from dicom_common.pipeline._events._access_log import AccessLog as AccessLog
    from dicom_common.pipeline._events._dead_letter import DeadLetter as DeadLetter
    from dicom_common.pipeline._events._dead_letters import DeadLetters as DeadLetters
    from dicom_common.pipeline._events._lag import check_lag as check_lag
    from dicom_common.pipeline._events._messages import access_message as access_message
    from dicom_common.pipeline._events._publish_dead import DeadReason as DeadReason, dead_topic as dead_topic
    from dicom_common.pipeline._events._relay import Relay as Relay
    from dicom_common.pipeline._events._topics import TopicKind as TopicKind, message_schema as message_schema
    from dicom_common.pipeline._frames import Frames as Frames, open_frames as open_frames
    from dicom_common.pipeline._held_bytes import HELD as HELD, MOST_HELD as MOST_HELD, HeldBytes as HeldBytes
    from dicom_common.pipeline._ingest._companions import is_companion as is_companion
    from dicom_common.pipeline._ingest._files import (
        Missed as Missed,
        MissedReason as MissedReason,
        find_files as find_files,
    )
    from dicom_common.pipeline._ingest._ingest import Ingest as Ingest
    from dicom_common.pipeline._ingest._ingest_files import ingest_files as ingest_files
    from dicom_common.pipeline._ingest._reasons import IngestReason as IngestReason, IngestRule as IngestRule
    from dicom_common.pipeline._ingest._results import Received as Received, Result as Result, Status as Status
    from dicom_common.pipeline._ingest._status_codes import StatusCodes as StatusCodes, status_codes as status_codes
    from dicom_common.pipeline._journal_file import journal_table as journal_table, open_journal as open_journal
    from dicom_common.pipeline._layout import DEFAULT_LAYOUT as DEFAULT_LAYOUT, Layout as Layout
    from dicom_common.pipeline._object_ranges import ObjectLostError as ObjectLostError, ranges_of as ranges_of
    from dicom_common.pipeline._process_pool import WorkerDiedError as WorkerDiedError, default_jobs as default_jobs
    from dicom_common.pipeline._read import read_verified as read_verified
    from dicom_common.pipeline._reconcile._differences import (
        Action as Action,
        Difference as Difference,
        DifferenceKind as DifferenceKind,
        Phase as Phase,
        Progress as Progress,
    )
    from dicom_common.pipeline._reconcile._reconcile import Reconciliation as Reconciliation
    from dicom_common.pipeline._remove import remove as remove
    from dicom_common.pipeline._retrieve import (
        Retrieved as Retrieved,
        read_ahead as read_ahead,
        retrieve as retrieve,
    )
    from dicom_common.pipeline._settings import (
        DocumentSettings as DocumentSettings,
        IngestSettings as IngestSettings,
        RetentionSettings as RetentionSettings,
        TopicSettings as TopicSettings,
        WorkerSettings as WorkerSettings,
    )
    from dicom_common.pipeline._worker._worker import Worker as Worker

__all__ = [
    "DEFAULT_DOCUMENT_LAYOUT",
    "DEFAULT_LAYOUT",
    "HELD",
    "MOST_HELD",
    "AccessLog",
    "Action",
    "BuildStatus",
    "BuiltDocument",
    "BulkData",
    "CopyJournal",
    "CopyOptions",
    "CopyResult",
    "CopyStatus",
    "DeadLetter",
    "DeadLetters",
    "DeadReason",
    "Difference",
    "DifferenceKind",
    "Document",
    "DocumentBuilder",
    "DocumentLayout",
    "DocumentSettings",
    "Frames",
    "HeldBytes",
    "Ingest",
    "IngestReason",
    "IngestRule",
    "IngestSettings",
    "Layout",
    "MetadataDocuments",
    "Missed",
    "MissedReason",
    "ObjectLostError",
    "Phase",
    "Progress",
    "Received",
    "Reconciliation",
    "Relay",
    "Result",
    "RetentionSettings",
    "Retrieved",
    "Status",
    "StatusCodes",
    "TopicKind",
    "TopicSettings",
    "Worker",
    "WorkerDiedError",
    "WorkerSettings",
    "access_message",
    "check_against_index",
    "check_lag",
    "copy_objects",
    "dead_topic",
    "default_jobs",
    "delete_discarded",
    "find_files",
    "ingest_files",
    "is_companion",
    "journal_table",
    "list_bulk_data",
    "message_schema",
    "open_all_bulk_data",
    "open_bulk_data",
    "open_frames",
    "open_journal",
    "ranges_of",
    "read_ahead",
    "read_verified",
    "remove",
    "retrieve",
    "status_codes",
    "valid_objects",
]

_HOMES = {
    "AccessLog": "_events._access_log",
    "Action": "_reconcile._differences",
    "BuildStatus": "_documents._build",
    "BuiltDocument": "_documents._build",
    "BulkData": "_bulk_data",
    "CopyJournal": "_copy._journal",
    "CopyOptions": "_copy._copy",
    "CopyResult": "_copy._results",
    "CopyStatus": "_copy._results",
    "DEFAULT_DOCUMENT_LAYOUT": "_documents._layout",
    "DEFAULT_LAYOUT": "_layout",
    "HELD": "_held_bytes",
    "MOST_HELD": "_held_bytes",
    "HeldBytes": "_held_bytes",
    "DeadLetter": "_events._dead_letter",
    "DeadLetters": "_events._dead_letters",
    "DeadReason": "_events._publish_dead",
    "Difference": "_reconcile._differences",
    "DifferenceKind": "_reconcile._differences",
    "Document": "_documents._document",
    "DocumentBuilder": "_documents._build",
    "DocumentLayout": "_documents._layout",
    "DocumentSettings": "_settings",
    "Frames": "_frames",
    "Ingest": "_ingest._ingest",
    "IngestReason": "_ingest._reasons",
    "IngestRule": "_ingest._reasons",
    "IngestSettings": "_settings",
    "Layout": "_layout",
    "MetadataDocuments": "_documents._documents",
    "Missed": "_ingest._files",
    "MissedReason": "_ingest._files",
    "Phase": "_reconcile._differences",
    "Progress": "_reconcile._differences",
    "Received": "_ingest._results",
    "Reconciliation": "_reconcile._reconcile",
    "Relay": "_events._relay",
    "Result": "_ingest._results",
    "RetentionSettings": "_settings",
    "Retrieved": "_retrieve",
    "Status": "_ingest._results",
    "StatusCodes": "_ingest._status_codes",
    "TopicKind": "_events._topics",
    "TopicSettings": "_settings",
    "Worker": "_worker._worker",
    "WorkerDiedError": "_process_pool",
    "WorkerSettings": "_settings",
    "access_message": "_events._messages",
    "check_against_index": "_copy._check",
    "check_lag": "_events._lag",
    "copy_objects": "_copy._copy",
    "dead_topic": "_events._publish_dead",
    "default_jobs": "_process_pool",
    "delete_discarded": "_discarded",
    "find_files": "_ingest._files",
    "ingest_files": "_ingest._ingest_files",
    "is_companion": "_ingest._companions",
    "list_bulk_data": "_bulk_data",
    "message_schema": "_events._topics",
    "open_all_bulk_data": "_bulk_data",
    "open_bulk_data": "_bulk_data",
    "open_frames": "_frames",
    "journal_table": "_journal_file",
    "open_journal": "_journal_file",
    "ObjectLostError": "_object_ranges",
    "ranges_of": "_object_ranges",
    "read_ahead": "_retrieve",
    "read_verified": "_read",
    "remove": "_remove",
    "retrieve": "_retrieve",
    "status_codes": "_ingest._status_codes",
    "valid_objects": "_documents._objects",
}
"""Where each name is. It is imported when it is used: an ingest needs no copy and no reconciliation."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
