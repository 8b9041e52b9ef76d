"""The rules of every index as functions, for databases without SQL: merging, matching, changes, the outbox.

A backend that keeps entries as documents loads those that a call is about, asks a function here, and writes what that
says, in one transaction. It rebuilds no rule; `Database` in dicom-common-core says what the rules are.
"""

from __future__ import annotations

from dicom_common.toolkit._index_changes import Added, add_entries, in_order, may_relay, removed_from, stored_of
from dicom_common.toolkit._index_matching import count_rows, find_rows
from dicom_common.toolkit._index_records import entry_from_text, entry_text
from dicom_common.toolkit._index_rows import IndexRow, Patient, derive_rows, owner_of, patient_of, rank_of, rows_at

__all__ = [
    "Added",
    "IndexRow",
    "Patient",
    "add_entries",
    "count_rows",
    "derive_rows",
    "entry_from_text",
    "entry_text",
    "find_rows",
    "in_order",
    "may_relay",
    "owner_of",
    "patient_of",
    "rank_of",
    "removed_from",
    "rows_at",
    "stored_of",
]
