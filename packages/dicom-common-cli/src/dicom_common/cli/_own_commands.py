"""The commands that this package has itself, and where each is."""

from __future__ import annotations

from typing import Any

import click

from dicom_common.cli._errors import CommandError, kind_and_place
from dicom_common.host import COMMANDS, installed_plugins

__all__ = ["HOMES", "as_command", "failure_of", "shadowed"]

HOMES = {
    "init": "_init",
    "ingest": "_ingest",
    "find": "_search",
    "metadata": "_search",
    "get": "_get",
    "remove": "_remove",
    "check": "_inspect",
    "conformance": "_conformance",
    "plugins": "_inspect",
    "config": "_settings",
    "reconcile": "_reconcile",
    "copy": "_copy",
    "migrate": "_migrate",
    "log": "_log",
    "prune": "_prune",
    "worker": "_worker",
    "documents": "_documents",
    "relay": "_events",
    "events": "_events",
    "dead-letters": "_dead_letters",
}
"""Each command and the module that has a click command of its name, `_` for `-`. None imports a backend or pydicom."""


def shadowed(name: str) -> str:
    """Say that a package registers a command that can never be called."""
    return f"A package registers the command `{name}`, which dicom-common has itself: uninstall the package."


def failure_of(name: str, error: BaseException) -> CommandError:
    """Make the error for the command of a package that raised what no command may raise: it names the distribution."""
    distribution = " and ".join(plugin.distribution for plugin in installed_plugins(COMMANDS) if plugin.name == name)
    return CommandError(
        f"this is a bug of {distribution}, which offers the command `{name}`: {kind_and_place(error)}. Please report it"
        " to its authors, with the traceback that `dicom-common --verbose ...` prints."
    )


def as_command(name: str, offered: Any) -> click.Command:
    """Return what a package offers as the command of that name.

    Raises:
        CommandError: it is something else.
    """
    if not isinstance(offered, click.Command):
        raise CommandError(f"The command `{name}` is not a click command: upgrade the package that registers it.")
    return offered
