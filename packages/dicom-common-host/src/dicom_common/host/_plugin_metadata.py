"""What the metadata of the installed distributions tell of plugins, without importing any."""

from __future__ import annotations

import pkgutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import EntryPoint, EntryPoints, entry_points

from dicom_common.core import (
    BrokenPluginError,
    IncompatiblePluginError,
    PluginConflictError,
    PluginError,
    PluginNotFoundError,
    hookspecs,
)
from dicom_common.host._listed_plugins import LISTED
from dicom_common.host._requirements import headers, normalized, unmet
from dicom_common.toolkit import did_you_mean

__all__ = [
    "CHECKS",
    "COMMANDS",
    "CONFORMANCE",
    "EXTENSION",
    "KINDS",
    "READER",
    "SERVERS",
    "PluginInfo",
    "broken",
    "distributions_of",
    "find_entry",
    "installed_plugins",
    "plugin_name",
]

KINDS = ("storage", "db", "cache", "broker", "auth", "keyring")
"""The kinds of backend: the same word in the distribution, the import, the entry-point group, the hook, the table."""
EXTENSION = "extension"
"""The entry-point group of extensions: `dicom_common.extension`."""
COMMANDS = "commands"
"""The entry-point group of subcommands of `dicom-common`, each by its name: `dicom_common.commands`."""
CHECKS = "checks"
"""The entry-point group of functions that tell the health of a package itself, for `check`: `dicom_common.checks`. Each
takes nothing and returns a `Health`."""
CONFORMANCE = "conformance"
"""The entry-point group of functions that write a package's part of the conformance statement, for `conformance`:
`dicom_common.conformance`. Each takes the `Config` and returns a `StatementSection`."""
SERVERS = "servers"
"""The entry-point group of servers that a command can run beside its own, each by its name: `dicom_common.servers`.
Each takes the command's `Session`, and returns a context manager: it listens and serves until that ends."""
READER = "reader"
"""The entry-point group of the engines that read DICOM, which `reader.engine` chooses from: `dicom_common.reader`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """What the metadata of the installed distributions tell of one plugin."""

    kind: str
    name: str
    distribution: str
    version: str
    state: str
    """`ready`, `conflict`, `incompatible` or `broken`, as far as can be told without importing it."""
    reason: str = ""
    """Why it is not ready, and what to do."""
    summary: str = ""
    """The one line in which its distribution describes itself."""


def installed_plugins(*kinds: str) -> list[PluginInfo]:
    """List the plugins of some kinds; by default of all kinds, engines of the reader, extensions and commands.

    Nothing is imported: a broken plugin, or one with a slow SDK, does no harm.
    """
    select, found = entry_points().select, []  # which reads a file of every distribution: once
    for kind in kinds or (*KINDS, READER, EXTENSION, COMMANDS):
        for name, entries in sorted(entries_of(kind, select).items()):
            for entry in entries:
                try:
                    only_entry(kind, name, entries)
                    _check_module(kind, entry)
                    state, reason = "ready", ""
                except PluginError as error:
                    state, reason = _STATES[type(error)], str(error)
                found.append(
                    PluginInfo(
                        kind=kind,
                        name=name,
                        distribution=_distribution(entry),
                        version=_header(entry, "Version"),
                        summary=_header(entry, "Summary"),
                        state=state,
                        reason=reason,
                    )
                )
    return found


_STATES: dict[type[PluginError], str] = {
    PluginConflictError: "conflict",
    IncompatiblePluginError: "incompatible",
    BrokenPluginError: "broken",
}


def entries_of(kind: str, select: Callable[..., EntryPoints] = entry_points) -> dict[str, list[EntryPoint]]:
    """Return the entry points of a kind by name, each distribution once (an editable install may be seen twice).

    Args:
        kind: of a backend, or `EXTENSION` or `COMMANDS`.
        select: returns the entry points of a group.
    """
    found: dict[str, dict[str, EntryPoint]] = defaultdict(dict)
    for entry in select(group=f"{hookspecs.PROJECT}.{kind}"):
        found[entry.name].setdefault(_distribution(entry), entry)
    return {name: [entry for _, entry in sorted(entries.items())] for name, entries in found.items()}


def plugin_name(chosen: str) -> str:
    """Return the name of a plugin as a configuration chooses it: `name`, or `distribution:name`."""
    return chosen.rpartition(":")[2]


def distributions_of(plugins: Iterable[tuple[str, str]]) -> set[str]:
    """Return the names of the distributions that offer these plugins, given by kind and name. Nothing is imported."""
    return {_distribution(entry) for kind, name in plugins for entry in _offering(kind, name, entries_of(kind))}


def find_entry(kind: str, chosen: str) -> EntryPoint:
    """Return the one entry point that a configuration chooses, if it may be imported, judged by metadata alone.

    Args:
        kind: of a backend, or `EXTENSION` or `COMMANDS`.
        chosen: the entry point's name, or `distribution:name` where two distributions offer it.

    Raises:
        PluginNotFoundError, PluginConflictError, IncompatiblePluginError, BrokenPluginError: as their names say.
    """
    known = entries_of(kind)
    entries = _offering(kind, chosen, known)
    if not entries:
        raise PluginNotFoundError(_not_found(kind, chosen, known))
    return only_entry(kind, plugin_name(chosen), entries)


def _offering(kind: str, chosen: str, known: Mapping[str, list[EntryPoint]]) -> list[EntryPoint]:
    entries = known.get(plugin_name(chosen), [])
    distribution = chosen.rpartition(":")[0]
    if kind in (READER, COMMANDS) or not distribution:
        return entries
    return [entry for entry in entries if normalized(_distribution(entry)) == normalized(distribution)]


def _not_found(kind: str, chosen: str, known: Mapping[str, list[EntryPoint]]) -> str:
    name = plugin_name(chosen)
    if name in known:
        offering = " and ".join(_distribution(entry) for entry in known[name])
        return f"No {kind} plugin {chosen!r} is installed: {name!r} is offered by {offering}."
    listed = LISTED.get(kind, {})
    installed = f" (installed: {', '.join(sorted(known))})" if known else ""
    hint = "" if name in listed else did_you_mean(name, {*known, *listed})
    what = f"pip install {listed[name]}" if name in listed else "install the distribution that offers it"
    return f"No {kind} plugin called {name!r} is installed{installed}.{hint} To add it: {what}."


def _distribution(entry: EntryPoint) -> str:
    return _header(entry, "Name") or entry.value


def _header(entry: EntryPoint, key: str) -> str:
    return next(iter(headers(entry.dist, key) if entry.dist else ()), "")


def only_entry(kind: str, name: str, entries: list[EntryPoint]) -> EntryPoint:
    """Return the one entry point that may be imported, judged by metadata alone."""
    if len(entries) > 1:
        distributions = sorted(_distribution(entry) for entry in entries)
        choice = _choice(kind, f"{distributions[0]}:{name}")
        raise PluginConflictError(
            f"{' and '.join(distributions)} both offer the {kind} plugin {name!r}: {choice}uninstall one of them."
        )
    entry = entries[0]
    lacking = unmet(entry.dist) if entry.dist else None
    if lacking is None:
        return entry
    distribution = _distribution(entry)
    if lacking.present is None:
        raise broken(kind, name, f"{distribution} needs {lacking.required}, which is not installed")
    raise IncompatiblePluginError(
        f"The {kind} plugin {name!r} ({distribution}) needs {normalized(lacking.required)}{lacking.wanted}, and"
        f" {lacking.present} is installed: upgrade one of them, for example with pip install --upgrade {distribution}"
    )


def _choice(kind: str, example: str) -> str:
    """Say how a configuration tells two distributions apart, where one can."""
    if kind == EXTENSION:
        return f'write extensions = ["{example}"] to choose one, or '
    return f'write backend = "{example}" below [{kind}] to choose one, or ' if kind in KINDS else ""


def _check_module(kind: str, entry: EntryPoint) -> None:
    """Look for the module of an entry point without importing it or any package above it."""
    # Not `entry.module`: what that raises for a text that names no module differs between versions of Python.
    module = entry.value.partition(":")[0].partition("[")[0].strip()
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        raise broken(kind, entry.name, f"its entry point {entry.value!r} names no module")
    path: list[str] | None = None
    for count in range(1, len(parts) + 1):
        path = _locations(".".join(parts[:count]), path)
        if path is None:
            raise broken(kind, entry.name, f"its module {module} is not there")


def _locations(name: str, path: list[str] | None) -> list[str] | None:
    """Return where the submodules of a module are; None where the module is not there."""
    for finder in sys.meta_path:
        if finder is not PathFinder and (spec := finder.find_spec(name, path)):
            return list(spec.submodule_search_locations or [])
    # PathFinder itself cannot look below a namespace package that is not imported: it asks `sys.modules` for it.
    portions: list[str] = []
    for folder in sys.path if path is None else path:
        importer = pkgutil.get_importer(folder)
        spec = importer.find_spec(name) if importer else None
        if spec and spec.loader:
            return list(spec.submodule_search_locations or [])
        portions += (spec.submodule_search_locations or []) if spec else []
    return portions or None


def broken(kind: str, name: str, why: str) -> BrokenPluginError:
    """Make the error for a plugin that cannot be used, with the cure for its kind."""
    instead = {EXTENSION: "remove it from `extensions`", COMMANDS: "uninstall it"}.get(
        kind, f"name another in [{kind}]"
    )
    return BrokenPluginError(f"The {kind} plugin {name!r} is broken: {why}. Reinstall or upgrade it, or {instead}.")
