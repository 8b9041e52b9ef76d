"""`migrate`: the schema of the index."""

from __future__ import annotations

import click

from dicom_common.cli._help import below
from dicom_common.cli._output import print_line
from dicom_common.cli._session import Session, pass_session
from dicom_common.core import Migrations

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
    database = session.services.db
    if not isinstance(database, Migrations):
        print_line(f"The {session.config.backend('db')} index has no schema versions: nothing to do.")
        return
    had, needed = database.schema_version()
    if had == needed:
        print_line(f"The schema is up to date: version {needed}.")
        return
    database.migrate()
    print_line(f"The schema was {'empty' if had is None else f'of version {had}'} and is of version {needed} now.")
