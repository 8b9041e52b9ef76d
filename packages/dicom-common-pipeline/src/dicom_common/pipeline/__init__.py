"""Ingest, outbox relay and reconciliation: what makes a storage, an index and a broker one system."""

from dicom_common.pipeline._bury import dead_topic
from dicom_common.pipeline._copy import CopyOptions, copy_objects
from dicom_common.pipeline._copy_check import check_against_index
from dicom_common.pipeline._copy_journal import CopyJournal
from dicom_common.pipeline._copy_results import CopyResult, CopyStatus
from dicom_common.pipeline._crew import WorkerDiedError, default_jobs
from dicom_common.pipeline._dead_letter import DeadLetter
from dicom_common.pipeline._dead_letters import DeadLetters
from dicom_common.pipeline._document import Document
from dicom_common.pipeline._document_layout import DEFAULT_DOCUMENT_LAYOUT, DocumentLayout
from dicom_common.pipeline._document_sweep import DocumentSweep, SweepStatus, Swept
from dicom_common.pipeline._documents import MetadataDocuments
from dicom_common.pipeline._files import find_files
from dicom_common.pipeline._ingest import Ingest
from dicom_common.pipeline._ingest_files import ingest_files
from dicom_common.pipeline._lag import check_lag
from dicom_common.pipeline._layout import DEFAULT_LAYOUT, Layout
from dicom_common.pipeline._messages import access_message
from dicom_common.pipeline._read import read_verified
from dicom_common.pipeline._reconcile import Difference, DifferenceKind, Progress, Reconciliation
from dicom_common.pipeline._relay import Relay
from dicom_common.pipeline._results import Received, Result, Status
from dicom_common.pipeline._schemas import TopicKind, message_schema
from dicom_common.pipeline._settings import (
    DocumentSettings,
    IngestSettings,
    RetentionSettings,
    TopicSettings,
    WorkerSettings,
)
from dicom_common.pipeline._sweep import remove, sweep
from dicom_common.pipeline._worker import Worker

__all__ = [
    "DEFAULT_DOCUMENT_LAYOUT",
    "DEFAULT_LAYOUT",
    "CopyJournal",
    "CopyOptions",
    "CopyResult",
    "CopyStatus",
    "DeadLetter",
    "DeadLetters",
    "Difference",
    "DifferenceKind",
    "Document",
    "DocumentLayout",
    "DocumentSettings",
    "DocumentSweep",
    "Ingest",
    "IngestSettings",
    "Layout",
    "MetadataDocuments",
    "Progress",
    "Received",
    "Reconciliation",
    "Relay",
    "Result",
    "RetentionSettings",
    "Status",
    "SweepStatus",
    "Swept",
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
    "find_files",
    "ingest_files",
    "message_schema",
    "read_verified",
    "remove",
    "sweep",
]
