"""The logs of received objects and of web requests. Frozen, as the one before it."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Index, MetaData, Table

from dicom_common.db.sql._steps import create_missing, product
from dicom_common.db.sql.expressions._types import integer, key_text, long_text, number, text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

tables = MetaData()

_received = Table(
    "received_log",
    tables,
    Column("created", integer(), primary_key=True, autoincrement=False),  # microseconds since 1970
    Column("id", text(64), primary_key=True),
    Column("tenant", text(63), nullable=False),
    Column("study_uid", text(64), nullable=False),
    Column("series_uid", text(64), nullable=False),
    Column("sop_uid", text(64), nullable=False),
    Column("storage_key", key_text(), nullable=False),
    Column("size", integer(), nullable=False),
    Column("transfer_syntax_uid", text(64), nullable=False),
    Column("target_transfer_syntax_uid", text(64)),
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
_access = Table(
    "access_log",
    tables,
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
Index("received_log_tenant", _received.c.tenant, _received.c.created, _received.c.id)
Index("received_log_study", _received.c.tenant, _received.c.study_uid, _received.c.created, _received.c.id)
Index("access_log_tenant", _access.c.tenant, _access.c.created, _access.c.id)


def upgrade() -> None:
    """Create the tables and their indexes."""
    create_missing(op.get_bind(), tables.sorted_tables, product())
