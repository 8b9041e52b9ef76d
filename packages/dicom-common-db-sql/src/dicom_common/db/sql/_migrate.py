"""The versions of the schema. The history is in `migrations`; Alembic is imported only where there is work for it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from dicom_common.core import SchemaVersionError

__all__ = ["HEAD", "KNOWN", "VERSION_TABLE", "migrate", "require", "version"]

VERSION_TABLE = "schema_version"
KNOWN = ("0001", "0002", "0003")
"""The versions that this code knows, the oldest first."""
HEAD = KNOWN[-1]
"""The version that this code needs."""

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


def migrate(connection: Connection, where: str) -> None:
    """Bring the schema to the version that is needed, in the transaction that the connection is in.

    Raises:
        SchemaVersionError: the database has a newer schema.
    """
    if require(version(connection), where):
        return
    from alembic import command  # noqa: PLC0415 - 150 ms that an index which is up to date does not pay
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
