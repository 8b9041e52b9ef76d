"""`config`: what is configured, and where it was written."""

from __future__ import annotations

from typing import Any

import click

from dicom_common.cli._help import below
from dicom_common.cli._instances import as_json
from dicom_common.cli._output import print_json, print_line, print_table
from dicom_common.cli._session import Session, pass_session
from dicom_common.cli._streams import only_results
from dicom_common.cli._toml import toml_value
from dicom_common.host import Explained

__all__ = ["config"]


@click.group(
    epilog=below(
        {
            "Examples": [
                "dicom-common config show",
                "dicom-common --config site.toml config explain",
            ],
        }
    )
)
def config() -> None:
    """Show the configuration in effect."""


@config.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common config show",
                "dicom-common config show --json | jq .storage",
            ],
        }
    )
)
@as_json
@pass_session
def show(session: Session, *, as_json: bool) -> None:
    """Print every setting in effect, as TOML; with --json as one document. Secrets are masked."""
    tables: dict[str, dict[str, Any]] = {}
    for row in _explained(session):
        table, _, key = row.key.rpartition(".")
        tables.setdefault(table, {})[key] = row.value
    if as_json:
        general = tables.pop("", {})
        print_json({**general, **tables})
        return
    for table, settings in tables.items():
        if table:
            print_line("")
            print_line(f"[{table}]")
        for key, value in settings.items():
            print_line(f"# {key} is not set" if value is None else f"{key} = {toml_value(value)}")


@config.command(
    epilog=below(
        {
            "Examples": [
                "dicom-common config explain",
                "dicom-common config explain --json",
            ],
        }
    )
)
@as_json
@pass_session
def explain(session: Session, *, as_json: bool) -> None:
    """Print every setting in effect and where it was written. Secrets are masked."""
    rows = _explained(session)
    if as_json:
        for row in rows:
            print_json({"key": row.key, "value": row.value, "origin": row.origin})
    else:
        cells = [(row.key, "" if row.value is None else toml_value(row.value), row.origin) for row in rows]
        print_table(["setting", "value", "origin"], cells, whole=["setting", "value", "origin"])


def _explained(session: Session) -> list[Explained]:
    from dicom_common.host import explain as explain_settings  # noqa: PLC0415 - it imports plugins

    with only_results():
        return explain_settings(session.config, session.services.plugins)
