"""The sources of the attributes of patients, studies and series; a patient for each study without a Patient ID.

The rows themselves are derived when all migrations are done: those whose `sources` are NULL. See `SqlDatabase.migrate`.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    MetaData,
    Table,
    UniqueConstraint,
    inspect,
    text as statement,
)

from dicom_common.db.sql._steps import create_missing, product
from dicom_common.db.sql.expressions._types import flag, integer, long_text, primary_key, text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

tables = MetaData(
    naming_convention={
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)
Table("tenant", tables, Column("pk", primary_key(), primary_key=True))  # what it refers to
_patient = Table(
    "patient",
    tables,
    Column("pk", primary_key(), primary_key=True, autoincrement=False),
    Column("tenant_fk", primary_key(), ForeignKey("tenant.pk"), nullable=False, autoincrement=False),
    Column("patient_name", text(767)),
    Column("patient_id", text(), nullable=False),
    Column("issuer_of_patient_id", text(), nullable=False),
    Column("patient_birth_date", integer()),
    Column("patient_birth_time", integer()),
    Column("patient_sex", text()),
    Column("patient_name_alphabetic", text()),
    Column("patient_name_ideographic", text()),
    Column("patient_name_phonetic", text()),
    Column("without_id", flag(), nullable=False),
    Column("without_issuer", flag(), nullable=False),
    Column("of_study", text(64), nullable=False),
    Column("studies", integer(), nullable=False),
    Column("series", integer(), nullable=False),
    Column("instances", integer(), nullable=False),
    Column("sources", long_text()),
    UniqueConstraint("tenant_fk", "patient_id", "issuer_of_patient_id", "of_study"),
)
for _group in ("alphabetic", "ideographic", "phonetic"):
    _folded = _patient.c[f"patient_name_{_group}"]
    Index(
        f"patient_name_{_group}",
        _patient.c.tenant_fk,
        _folded,
        sqlite_where=_folded.is_not(None),
        postgresql_where=_folded.is_not(None),
    )
Index(
    "patient_order",
    _patient.c.tenant_fk,
    _patient.c.without_id,
    _patient.c.patient_id,
    _patient.c.without_issuer,
    _patient.c.issuer_of_patient_id,
    _patient.c.of_study,
)
_NATURAL = "uq_patient_tenant_fk_patient_id_issuer_of_patient_id"


def upgrade() -> None:
    """Change the columns and the natural key of patients; every row is to be derived again."""
    connection = op.get_bind()
    if product().alters_tables:
        _change_patients(connection)
    else:
        _copy_patients(connection)
    for name in ("study", "series"):
        _change_columns(connection, name)


def _columns(connection: Connection, table: str) -> set[str]:
    return {column["name"] for column in inspect(connection).get_columns(table)}


def _change_columns(connection: Connection, table: str) -> None:
    there = _columns(connection, table)
    if "sources" not in there:
        op.add_column(table, Column("sources", long_text()))
    if "latest" in there:
        op.drop_column(table, "latest")


def _change_patients(connection: Connection) -> None:
    if "of_study" not in _columns(connection, "patient"):
        op.add_column("patient", Column("of_study", text(64), nullable=False, server_default=""))
        op.alter_column("patient", "of_study", server_default=None, existing_type=text(64), existing_nullable=False)
    _change_columns(connection, "patient")
    unique = {one["name"] for one in inspect(connection).get_unique_constraints("patient")}
    if f"{_NATURAL}_of_study" not in unique:
        names = ["tenant_fk", "patient_id", "issuer_of_patient_id", "of_study"]
        op.create_unique_constraint(f"{_NATURAL}_of_study", "patient", names)
    if _NATURAL in unique:
        op.drop_constraint(_NATURAL, "patient", type_="unique")
    if any(
        index["name"] == "patient_order" and "of_study" not in index["column_names"]
        for index in inspect(connection).get_indexes("patient")
    ):
        op.drop_index("patient_order", "patient")
    create_missing(connection, [_patient], product())


def _copy_patients(connection: Connection) -> None:
    """SQLite cannot drop the natural key of a table: the table is made anew, and studies refer to it again then."""
    names = ", ".join(column.name for column in _patient.columns if column.name not in ("of_study", "sources"))
    connection.execute(statement("PRAGMA defer_foreign_keys = ON"))
    connection.execute(statement(f"CREATE TEMPORARY TABLE former AS SELECT {names} FROM patient"))  # noqa: S608 - ours
    connection.execute(statement("DROP TABLE patient"))
    create_missing(connection, [_patient], product())
    connection.execute(statement(f"INSERT INTO patient ({names}, of_study) SELECT {names}, '' FROM former"))  # noqa: S608
    connection.execute(statement("DROP TABLE former"))
