"""`remove`: instances out, for good."""

from __future__ import annotations

import sys

import click

from dicom_common.cli._errors import CommandError, ExitCode
from dicom_common.cli._help import below
from dicom_common.cli._instances import as_json, count, instances, nothing_stored, tenant as tenant_option
from dicom_common.cli._output import note, print_json, print_line
from dicom_common.cli._session import Session, pass_session
from dicom_common.core import AuditKind

__all__ = ["remove"]


@click.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common remove 1.2.826.0.1.3680043",
                "dicom-common remove 1.2.826.0.1.3680043 1.2.826.0.1.3680044 --yes",
            ],
        }
    )
)
@instances
@click.option("--yes", is_flag=True, help="Do not ask.")
@tenant_option
@as_json
@pass_session
def remove(  # noqa: PLR0913 - each is an option
    session: Session,
    *,
    study: str,
    series: str | None,
    instance: str | None,
    tenant: str | None,
    yes: bool,
    as_json: bool,
) -> int:
    """Remove instances for good.

    Removes a study, a series or an instance from the index, then from the storage. Asks before it does on a terminal;
    elsewhere it needs --yes. There is no way back. The events that tell others of it go to the outbox, and from there
    to the broker with those of the next ingest, worker or relay.
    """
    from dicom_common.pipeline import remove as remove_instances  # noqa: PLC0415 - imports pydicom

    services = session.existing
    whose = session.tenant(tenant)
    number = count(services, whose, study, series, instance)
    if not number:
        raise nothing_stored(study, series, instance)
    if not yes:
        if not sys.stdin.isatty():
            raise CommandError("Not a terminal: pass --yes to remove permanently.")
        if not click.confirm(f"Remove {_instances(number)} of tenant {whose} for good?", err=True):
            note("Nothing was removed.")
            return ExitCode.DIFFERENT
    kind = AuditKind.STUDY_DELETED if series is None else AuditKind.INSTANCES_DELETED
    with session.auditing(kind, whose, command="remove", series=series, instance=instance) as deed:
        deed.about(services, study)
        deed.begin()
        removed = remove_instances(services, whose, study, series, instance)
        deed.touched(removed)
    if as_json:
        for stored in removed:
            print_json({"sop_instance_uid": stored.sop_uid, "key": stored.key})
    else:
        print_line(f"removed {_instances(len(removed))}")
    return ExitCode.OK


def _instances(number: int) -> str:
    return f"{number} instance{'' if number == 1 else 's'}"
