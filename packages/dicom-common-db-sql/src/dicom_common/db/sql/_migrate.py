"""The versions of the schema. The history is in `migrations`; Alembic is imported only where there is work for it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, insert, inspect, text
from sqlalchemy.schema import CreateTable

from dicom_common.core import SchemaVersionError
from dicom_common.db.sql._dialect import SchemaTraits
from dicom_common.db.sql._steps import FIRST_ROWS, create_missing

__all__ = ["HEAD", "KNOWN", "VERSION_TABLE", "differences", "migrate", "require", "tables_of", "upgrade", "version"]

VERSION_TABLE = "schema_version"
KNOWN = ("0001", "0002", "0003", "0004", "0005")
"""The versions that this code knows, the oldest first."""
HEAD = KNOWN[-1]
"""The version that this code needs."""

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


def require(found: str | None, where: str) -> bool:
    """Tell whether the version is the one that is needed.

    Raises:
        SchemaVersionError: it is newer.
    """
    if found is not None and found not in KNOWN:
        raise SchemaVersionError(
            f"{where} has the schema version {found}, which is newer than {HEAD}, the newest that this version of"
            " dicom-common-db-sql knows: upgrade the packages; the only way back is a backup.",
            found,
            HEAD,
        )
    return found == HEAD


def migrate(connection: Connection, traits: SchemaTraits, where: str, tables: MetaData) -> None:
    """Bring the schema to the version that is needed, in the transaction that the connection is in.

    Args:
        connection: to the database.
        traits: what is to be known of the product.
        where: what the database is called in messages.
        tables: those of the newest version: an empty database that needs nothing else gets them at once.

    Raises:
        SchemaVersionError: the database has a newer schema.
    """
    found = version(connection)
    if require(found, where):
        return
    is_empty = found is None and not tables.tables.keys() & set(inspect(connection).get_table_names())
    if is_empty and traits.only_tables:
        _create(connection, traits, tables)
    else:
        upgrade(connection, traits, HEAD)


def _create(connection: Connection, traits: SchemaTraits, tables: MetaData) -> None:
    """Make what all migrations together would make, without Alembic."""
    create_missing(connection, tables.sorted_tables, traits)
    for name, row in FIRST_ROWS.items():
        connection.execute(insert(tables.tables[name]).values(row))
    connection.execute(CreateTable(_version_table))
    connection.execute(insert(_version_table).values(version_num=HEAD))


def upgrade(connection: Connection, traits: SchemaTraits, target: str) -> None:
    """Run the migrations up to a version. One that was killed half-way is run again from its beginning."""
    from alembic import command  # noqa: PLC0415 - 150 ms that an index which is up to date does not pay
    from alembic.config import Config  # noqa: PLC0415

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
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - as in `upgrade`
    from alembic.migration import MigrationContext  # noqa: PLC0415

    def ours(_: object, name: str | None, kind: str, reflected: bool, __: object) -> bool:
        return not (kind == "table" and reflected and name not in tables.tables)

    options = {"version_table": VERSION_TABLE, "include_object": ours}
    return [str(one) for one in compare_metadata(MigrationContext.configure(connection, opts=options), tables)]


def tables_of(target: str) -> MetaData:
    """Return the tables that the migration to a version has made."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - as in `upgrade`

    made = ScriptDirectory(str(_FOLDER)).get_revision(target).module.tables
    assert isinstance(made, MetaData)
    return made
