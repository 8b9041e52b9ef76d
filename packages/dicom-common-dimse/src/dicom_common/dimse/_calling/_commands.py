"""The commands that call peers: `echo`, `query`, `send`, `fetch`."""

from __future__ import annotations

import click

from dicom_common.core import hookimpl
from dicom_common.dimse._calling._ask_commands import echo, query
from dicom_common.dimse._calling._fetch_command import fetch
from dicom_common.dimse._calling._send_command import send

__all__ = ["dicom_common_commands"]


@hookimpl
def dicom_common_commands() -> list[click.Command]:
    """Offer them."""
    return [echo, query, send, fetch]
