"""The words of names, for fuzzy matching, and where the frames of instances lie.

The words follow from the names that are kept. Frames are found by who has the objects: see `KeptFrames`.
"""

from __future__ import annotations

from typing import Any

from alembic import op
from sqlalchemy import Column, Connection, MetaData, Table, bindparam, inspect, select

from dicom_common.db.sql._values import words
from dicom_common.db.sql.expressions._types import blob, primary_key, text

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

tables = MetaData()
_ROWS = 1000
"""Rows that are in memory at once."""
_NAMES = tuple(
    (
        Table(table, tables, Column("pk", primary_key(), primary_key=True), Column(name, text(767))),
        name,
        Column(f"{name}_words", text(767)),
    )
    for table, name in (("patient", "patient_name"), ("study", "referring_physician_name"))
)


def upgrade() -> None:
    """Add the columns, and fill those of the words."""
    connection = op.get_bind()
    _add(connection, "instance_json", Column("frames", blob()))
    for table, name, column in _NAMES:
        _add(connection, table.name, column)
        _fill(connection, table, name)


def _add(connection: Connection, table: str, column: Column[Any]) -> None:
    if column.name not in {one["name"] for one in inspect(connection).get_columns(table)}:
        op.add_column(table, column)


def _fill(connection: Connection, table: Table, name: str) -> None:
    there = table.to_metadata(MetaData())
    there.append_column(Column(f"{name}_words", text(767)))
    after = 0
    asked = select(there.c.pk, there.c[name]).order_by(there.c.pk).limit(_ROWS)
    change = there.update().where(there.c.pk == bindparam("at")).values({f"{name}_words": bindparam("words")})
    while found := connection.execute(asked.where(there.c.pk > after)).all():
        if made := [{"at": pk, "words": words(person)} for pk, person in found if person]:
            connection.execute(change, made)
        after = found[-1][0]
