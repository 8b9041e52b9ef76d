"""The commands that this package has itself, and where each is."""

from __future__ import annotations

__all__ = ["HOMES", "shadowed"]

HOMES = {
    "init": "_init",
    "ingest": "_ingest",
    "find": "_search",
    "metadata": "_search",
    "get": "_get",
    "remove": "_remove",
    "check": "_inspect",
    "plugins": "_inspect",
    "config": "_settings",
    "reconcile": "_reconcile",
    "copy": "_copy",
    "migrate": "_migrate",
    "log": "_log",
    "prune": "_prune",
    "worker": "_worker",
    "documents": "_documents",
    "keys": "_keys",
    "certs": "_certs",
    "relay": "_events",
    "events": "_events",
    "dead-letters": "_dead_letters",
}
"""Each command and the module that has a click command of its name, `_` for `-`. None imports a backend or pydicom."""


def shadowed(name: str) -> str:
    """Say that a package registers a command that can never be called."""
    return f"A package registers the command `{name}`, which dicom-common has itself: uninstall the package."
