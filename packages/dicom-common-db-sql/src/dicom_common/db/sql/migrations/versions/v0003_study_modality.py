"""The modalities of each study in a table of their own, ordered by the study's date.

Without it the first page of a rare modality asks every study in turn.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, ForeignKey, Index, MetaData, Table, inspect, text as statement

from dicom_common.db.sql._steps import create_missing, product
from dicom_common.db.sql.expressions._types import integer, primary_key, text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

tables = MetaData(naming_convention={"fk": "fk_%(table_name)s_%(column_0_name)s"})
for _name in ("tenant", "study"):  # what it refers to
    Table(_name, tables, Column("pk", primary_key(), primary_key=True))
_study_modality = Table(
    "study_modality",
    tables,
    Column("study_fk", primary_key(), ForeignKey("study.pk"), primary_key=True, autoincrement=False),
    Column("modality", text(), primary_key=True),
    Column("tenant_fk", primary_key(), ForeignKey("tenant.pk"), nullable=False, autoincrement=False),
    Column("study_date", integer(), nullable=False),
    Column("study_uid", text(64), nullable=False),
)
Index(
    "study_modality_order",
    _study_modality.c.tenant_fk,
    _study_modality.c.modality,
    _study_modality.c.study_date.desc(),
    _study_modality.c.study_uid,
)


def upgrade() -> None:
    """Create the table, fill it from the series, and drop the index that it takes the place of."""
    connection = op.get_bind()
    create_missing(connection, [_study_modality], product())
    connection.execute(statement("DELETE FROM study_modality"))
    connection.execute(
        statement(
            "INSERT INTO study_modality (study_fk, modality, tenant_fk, study_date, study_uid)"
            " SELECT DISTINCT study.pk, series.modality, study.tenant_fk, study.study_date, study.study_uid"
            " FROM series JOIN study ON study.pk = series.study_fk WHERE series.modality IS NOT NULL"
        )
    )
    if "series_study_modality" in {index["name"] for index in inspect(connection).get_indexes("series")}:
        op.drop_index("series_study_modality", "series")
