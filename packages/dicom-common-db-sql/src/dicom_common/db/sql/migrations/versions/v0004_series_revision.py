"""A revision of each series, which every change of its instances makes another one.

What is made from the index, such as a metadata document, is known to be stale by it; what changed is read in order.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, ForeignKey, Index, MetaData, Table, text as statement

from dicom_common.db.sql._steps import create_missing, product
from dicom_common.db.sql.expressions._types import integer, primary_key

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

tables = MetaData(naming_convention={"fk": "fk_%(table_name)s_%(column_0_name)s"})
Table("series", tables, Column("pk", primary_key(), primary_key=True))  # what it refers to
_series_revision = Table(
    "series_revision",
    tables,
    Column("series_fk", primary_key(), ForeignKey("series.pk"), primary_key=True, autoincrement=False),
    Column("revision", integer(), nullable=False),
)
Index("series_revision_order", _series_revision.c.revision, _series_revision.c.series_fk)


def upgrade() -> None:
    """Create the table, and give every series a first revision: of long ago, since no better one is known."""
    connection = op.get_bind()
    create_missing(connection, [_series_revision], product())
    connection.execute(statement("DELETE FROM series_revision"))
    connection.execute(statement("INSERT INTO series_revision (series_fk, revision) SELECT pk, 0 FROM series"))
