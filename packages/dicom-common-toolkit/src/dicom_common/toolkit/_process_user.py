"""Whom an audit event of a command names."""

from __future__ import annotations

import os
import socket

__all__ = ["process_user"]


def process_user() -> str:
    """Return the user of the operating system that this process runs as: `<name>@<host>` (PS3.15 A.5.2.1)."""
    number = os.getuid()
    try:
        import pwd  # noqa: PLC0415 - asked for by commands and local ingests only

        name = pwd.getpwuid(number).pw_name
    except (ImportError, KeyError):  # a container may run as a number that has no name
        name = f"uid-{number}"
    return f"{name}@{socket.gethostname()}"
