"""What makes a storage, an index and a broker one system. One folder for each kind of work.

`_ingest` takes instances in; `_worker` indexes what receivers only stored; `_events` publishes, by way of the outbox;
`_documents` keeps metadata ready; `_reconcile` repairs what a crash left; `_copy` copies to another storage. What
several of them need lies beside them: settings, the layout of storage keys, the pool of worker processes.
"""

from dicom_common.pipeline._copy._check import check_against_index
from dicom_common.pipeline._copy._copy import CopyOptions, copy_objects
from dicom_common.pipeline._copy._journal import CopyJournal
from dicom_common.pipeline._copy._results import CopyResult, CopyStatus
from dicom_common.pipeline._documents._build import BuildStatus, BuiltDocument, DocumentBuilder
from dicom_common.pipeline._documents._document import Document
from dicom_common.pipeline._documents._documents import MetadataDocuments
from dicom_common.pipeline._documents._layout import DEFAULT_DOCUMENT_LAYOUT, DocumentLayout
from dicom_common.pipeline._documents._objects import valid_objects
from dicom_common.pipeline._events._dead_letter import DeadLetter
from dicom_common.pipeline._events._dead_letters import DeadLetters
from dicom_common.pipeline._events._lag import check_lag
from dicom_common.pipeline._events._messages import access_message
from dicom_common.pipeline._events._publish_dead import DeadReason, dead_topic
from dicom_common.pipeline._events._relay import Relay
from dicom_common.pipeline._events._topics import TopicKind, message_schema
from dicom_common.pipeline._ingest._companions import is_companion
from dicom_common.pipeline._ingest._files import Missed, MissedReason, find_files
from dicom_common.pipeline._ingest._ingest import Ingest
from dicom_common.pipeline._ingest._ingest_files import ingest_files
from dicom_common.pipeline._ingest._reasons import IngestReason
from dicom_common.pipeline._ingest._results import Received, Result, Status
from dicom_common.pipeline._layout import DEFAULT_LAYOUT, Layout
from dicom_common.pipeline._process_pool import WorkerDiedError, default_jobs
from dicom_common.pipeline._read import read_verified
from dicom_common.pipeline._reconcile._differences import Action, Difference, DifferenceKind, Phase, Progress
from dicom_common.pipeline._reconcile._reconcile import Reconciliation
from dicom_common.pipeline._remove import delete_discarded, remove
from dicom_common.pipeline._settings import (
    DocumentSettings,
    IngestSettings,
    RetentionSettings,
    TopicSettings,
    WorkerSettings,
)
from dicom_common.pipeline._worker._worker import Worker

__all__ = [
    "DEFAULT_DOCUMENT_LAYOUT",
    "DEFAULT_LAYOUT",
    "Action",
    "BuildStatus",
    "BuiltDocument",
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
    "Ingest",
    "IngestReason",
    "IngestSettings",
    "Layout",
    "MetadataDocuments",
    "Missed",
    "MissedReason",
    "Phase",
    "Progress",
    "Received",
    "Reconciliation",
    "Relay",
    "Result",
    "RetentionSettings",
    "Status",
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
    "message_schema",
    "read_verified",
    "remove",
    "valid_objects",
]
