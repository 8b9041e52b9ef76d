"""Steps of migrations. Each looks first whether it was done: a migration that was killed half-way is run again.

SQLite and PostgreSQL undo a migration that does not end. MySQL commits at every change of a table: there the tables
that a killed migration has made are still there when it is run again.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Table, inspect
from sqlalchemy.schema import CreateIndex, CreateTable

from dicom_common.db.sql._traits import SchemaTraits

__all__ = ["FIRST_ROWS", "create_missing", "product"]

FIRST_ROWS: dict[str, dict[str, str | int]] = {"guard": {"pk": 1}, "outbox_lease": {"pk": 1, "relay": "", "until": 0}}
"""The rows of the tables that have just one."""


def product() -> SchemaTraits:
    """Return what is to be known of the product that is migrated."""
    from alembic import context  # noqa: PLC0415 - steps are run without Alembic, too

    traits: SchemaTraits = context.config.attributes["traits"]
    return traits


def create_missing(connection: Connection, tables: Iterable[Table], traits: SchemaTraits) -> None:
    """Create those of the tables that are not there, and those of their indexes."""
    there = set(inspect(connection).get_table_names())
    for table in tables:
        indexes: set[str | None] = set()
        if table.name in there:
            indexes = {index["name"] for index in inspect(connection).get_indexes(table.name)}
        else:
            options = traits.table_options
            table.dialect_kwargs.update({f"{connection.dialect.name}_{name}": options[name] for name in options})
            connection.execute(CreateTable(table))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            if index.name not in indexes:
                connection.execute(CreateIndex(index))
