"""The tables of the logs. Their primary keys begin with the time, and they refer to no other table.

So both can be partitioned by ranges of `created` (PostgreSQL and MySQL want the partition's column in every unique key,
and MySQL no foreign keys), records come in at the end of the key, and the oldest are one range of it.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Table

from dicom_common.db.sql._columns import MAX_UID
from dicom_common.db.sql.expressions._tables import metadata
from dicom_common.db.sql.expressions._types import integer, key_text, long_text, number, text

__all__ = ["access_log", "metadata", "received_log"]

received_log = Table(
    "received_log",
    metadata,
    Column("created", integer(), primary_key=True, autoincrement=False),  # microseconds since 1970
    Column("id", text(64), primary_key=True),
    Column("tenant", text(63), nullable=False),
    Column("study_uid", text(MAX_UID), nullable=False),
    Column("series_uid", text(MAX_UID), nullable=False),
    Column("sop_uid", text(MAX_UID), nullable=False),
    Column("storage_key", key_text(), nullable=False),
    Column("size", integer(), nullable=False),
    Column("transfer_syntax_uid", text(MAX_UID), nullable=False),
    Column("target_transfer_syntax_uid", text(MAX_UID)),
    Column("transfer_status", text(), nullable=False),
    Column("frames", integer(), nullable=False),
    Column("worker_node", text(), nullable=False),
    Column("patient_id", text(), nullable=False),
    Column("accession_number", text()),
    Column("study_date", integer()),
    Column("source_ip", text()),
    Column("source_ae", text()),
    sqlite_with_rowid=False,
)
access_log = Table(
    "access_log",
    metadata,
    Column("created", integer(), primary_key=True, autoincrement=False),
    Column("id", text(64), primary_key=True),
    Column("tenant", text(63), nullable=False),
    Column("request_id", text(), nullable=False),
    Column("method", text(), nullable=False),
    Column("path", long_text(), nullable=False),
    Column("query", long_text(), nullable=False),
    Column("peer", text()),
    Column("headers", long_text(), nullable=False),  # a JSON object
    Column("user_name", text()),
    Column("user_id", text()),
    Column("status", integer(), nullable=False),
    Column("content_length", integer()),
    Column("duration_ms", number()),
    sqlite_with_rowid=False,
)
Index("received_log_tenant", received_log.c.tenant, received_log.c.created, received_log.c.id)
Index("received_log_study", received_log.c.tenant, received_log.c.study_uid, received_log.c.created, received_log.c.id)
Index("access_log_tenant", access_log.c.tenant, access_log.c.created, access_log.c.id)
