"""`migrate`: the schema of the index."""

from __future__ import annotations

import dataclasses

import click

from dicom_common.cli._help import below
from dicom_common.cli._output import print_line
from dicom_common.cli._session import Session, pass_session
from dicom_common.core import Migrations, Services

__all__ = ["migrate"]


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common migrate",
                "dicom-common --config /etc/dicom-common.toml migrate",
            ],
        }
    )
)
@pass_session
def migrate(session: Session) -> None:
    """Update the schema of the index.

    Brings it to the version that this release needs; make a backup first. Does nothing where the schema is up to date.
    """
    services = session.services
    name = services.config.backend("db") or ""
    # Where the configuration says that opening never migrates, an older schema may not be opened at all; here it may.
    settings = services.plugins.backend("db", name).settings
    if any(field.name == "migrate" for field in dataclasses.fields(settings)):
        services = Services(session.load({"db.migrate": "on-open"}))
    with services:
        database = services.db
        if not isinstance(database, Migrations):
            print_line(f"The index {name} has no schema versions: nothing to do.")
            return
        database.migrate()
        print_line(f"The schema has version {database.schema_version()[0]}, the one that this release needs.")
