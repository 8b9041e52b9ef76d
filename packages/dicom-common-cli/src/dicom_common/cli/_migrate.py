"""`migrate`: the schema of the index."""

from __future__ import annotations

import dataclasses

import click

from dicom_common.cli._errors import ExitCode
from dicom_common.cli._help import below
from dicom_common.cli._instances import as_json
from dicom_common.cli._output import note, print_json, print_line
from dicom_common.cli._session import Session, pass_session
from dicom_common.core import AuditKind, Migrations, SchemaVersionError
from dicom_common.host import Services

__all__ = ["migrate"]


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common migrate --status",
                "dicom-common --config /etc/dicom-common.toml migrate",
            ],
            "Exit codes": ["1  with --status: the schema is not the one that this release needs"],
        }
    )
)
@click.option("--status", is_flag=True, help="Only show the version that is there and the one that is needed.")
@as_json
@pass_session
def migrate(session: Session, *, status: bool, as_json: bool) -> int:
    """Update the schema of the index.

    Brings it to the version that this release needs; make a backup first. Does nothing where the schema is up to date.
    One that was interrupted is run again. There is no way back to an older version but the backup.
    """
    services = session.existing if status else session.services
    if not status:
        with session.auditing(AuditKind.RESTRICTED_FUNCTION_USED, None, command="migrate") as deed:
            deed.begin()
            return _migrate(session, services, status=False, as_json=as_json)
    return _migrate(session, services, status=True, as_json=as_json)


def _migrate(session: Session, services: Services, *, status: bool, as_json: bool) -> int:
    name = services.config.backend("db") or ""
    # Where the configuration says that opening never migrates, an older schema may not be opened at all; here it may.
    # To look at it, it is opened so that it is refused by its version.
    settings = services.plugins.backend("db", name).settings
    if any(field.name == "migrate" for field in dataclasses.fields(settings)):
        services = Services(session.load({"db.migrate": "never" if status else "on-open"}))
    with services:
        try:
            version, needed = _versions(services, migrating=not status)
        except SchemaVersionError as error:
            if not status:
                raise
            version, needed = error.found, error.needed
            note(str(error))
    if as_json:
        print_json({"backend": name, "version": version, "needed": needed, "current": version == needed})
    elif needed is None:
        print_line(f"The index {name} has no schema versions: nothing to do.")
    elif version == needed:
        print_line(f"The schema has version {version}, the one that this release needs.")
    else:
        print_line(f"The schema has version {version or 'none'}, and this release needs {needed}.")
    return ExitCode.OK if version == needed else ExitCode.DIFFERENT


def _versions(services: Services, *, migrating: bool) -> tuple[str | None, str | None]:
    """Return the version that is there, and the one that is needed (None: this database has none)."""
    database = services.db
    if not isinstance(database, Migrations):
        return None, None
    if migrating:
        database.migrate()
    return database.schema_version()
