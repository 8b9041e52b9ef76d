"""The first schema.

It is made from the tables as they are in the code: nothing older exists. From the first release on, a change of the
tables is a migration of its own, and this one is frozen.
"""

from __future__ import annotations

from alembic import op

from dicom_common.db.sql._schema import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables and indexes."""
    metadata.create_all(op.get_bind())
