"""`dicom-common modality-gate`: the counts."""

from __future__ import annotations

import click

from acme_modality_gate._gate import Settings, counts
from dicom_common.cli import Session, pass_session, print_json, print_line
from dicom_common.core import hookimpl

__all__ = ["dicom_common_commands", "modality_gate"]


@click.command("modality-gate")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@pass_session
def modality_gate(session: Session, *, as_json: bool) -> None:
    """Print how many instances of each SOP Class were stored."""
    for tenant, sop_class, stored in counts(session.services.settings("modality-gate", Settings)):
        if as_json:
            print_json({"tenant": tenant, "sop_class": sop_class, "stored": stored})
        else:
            print_line(f"{stored:8} {tenant} {sop_class}")


@hookimpl
def dicom_common_commands() -> list[click.Command]:
    """Offer the command."""
    return [modality_gate]
