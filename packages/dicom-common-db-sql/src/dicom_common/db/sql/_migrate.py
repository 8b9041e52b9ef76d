"""Changing the schema. The history is in `migrations`.

This module is imported only where there is work for it, and before the transaction begins: a slow import in the middle
of one would look like a writer that stands still.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Column,
    Connection,
    Dialect,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    inspect,
    literal,
    text,
)
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement

from dicom_common.db.sql._steps import FIRST_ROWS
from dicom_common.db.sql._traits import SchemaTraits
from dicom_common.db.sql._versions import HEAD, VERSION_TABLE, require

__all__ = ["differences", "migrate", "schema_script", "tables_of", "upgrade", "version"]

_version_table = Table(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)
"""As Alembic makes it."""
_FOLDER = Path(__file__).parent / "migrations"


def version(connection: Connection) -> str | None:
    """Return the version that the database has; None: it is empty."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    # Constant text: the table's name is above.
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 - see above
    return None if found is None else str(found)


def migrate(connection: Connection, traits: SchemaTraits, where: str) -> None:
    """Bring the schema to the version that is needed, in the transaction that the connection is in.

    Args:
        connection: to the database.
        traits: what is to be known of the product.
        where: what the database is called in messages.

    Raises:
        SchemaVersionError: the database has a newer schema.
    """
    if not require(version(connection), where):
        upgrade(connection, traits, HEAD)


def schema_script(dialect: Dialect, tables: MetaData) -> list[str]:
    """Return the statements that make what all migrations together would make, for `SchemaTraits.script`."""
    rows = FIRST_ROWS | {VERSION_TABLE: {"version_num": HEAD}}
    made: list[str] = []
    for table in (*tables.sorted_tables, _version_table):
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        elements: list[DDLElement] = [CreateTable(table), *map(CreateIndex, indexes)]
        made += [str(one.compile(dialect=dialect)) for one in elements]
        if table.name in rows:
            first = insert(table).values({name: literal(value) for name, value in rows[table.name].items()})
            made.append(str(first.compile(dialect=dialect, compile_kwargs={"literal_binds": True})))
    return made


def upgrade(connection: Connection, traits: SchemaTraits, target: str) -> None:
    """Run the migrations up to a version. One that was killed half-way is run again from its beginning."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes |= {"connection": connection, "traits": traits}
    if not connection.in_transaction():
        connection.begin()  # Alembic ends every transaction but one that it finds
    command.upgrade(config, target)


def differences(connection: Connection, tables: MetaData) -> list[str]:
    """Return in what the tables that are there differ from those that the code has; nothing where all is well.

    Tables that only one product needs, or that somebody else has made, do not count.
    """

    def ours(_: object, name: str | None, kind: str, reflected: bool, __: object) -> bool:
        return not (kind == "table" and reflected and name not in tables.tables)

    options = {"version_table": VERSION_TABLE, "include_object": ours}
    return [str(one) for one in compare_metadata(MigrationContext.configure(connection, opts=options), tables)]


def tables_of(target: str) -> MetaData:
    """Return the tables that the migration to a version has made."""
    made = ScriptDirectory(str(_FOLDER)).get_revision(target).module.tables
    assert isinstance(made, MetaData)
    return made
