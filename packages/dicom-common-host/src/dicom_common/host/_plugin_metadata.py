"""What the metadata of the installed distributions tell of plugins, without importing any."""

from __future__ import annotations

import pkgutil
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.machinery import PathFinder
from importlib.metadata import (
    Distribution,
    EntryPoint,
    EntryPoints,
    PackageNotFoundError,
    distribution as find_distribution,
    entry_points,
)
from typing import TYPE_CHECKING

from dicom_common.core import (
    BrokenPluginError,
    IncompatiblePluginError,
    PluginConflictError,
    PluginError,
    hookspecs,
)

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = [
    "COMMANDS",
    "CONFORMANCE",
    "EXTENSION",
    "KINDS",
    "PluginInfo",
    "broken",
    "distributions_of",
    "entries_of",
    "installed_plugins",
    "only_entry",
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
READER = "reader"
"""The entry-point group of the engines that read DICOM, which `reader.engine` chooses from: `dicom_common.reader`."""
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_OF_EXTRA = re.compile(r";(?:(?!\bor\b).)*\bextra\s*==\s*(['\"])[^'\"]+\1\s*$")
_BOUND = re.compile(r"(>=|<)\s*(\d+(?:\.\d+)*)")
_RELEASE = re.compile(r"\d+(?:\.\d+)*")


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


def distributions_of(plugins: Iterable[tuple[str, str]]) -> set[str]:
    """Return the names of the distributions that offer these plugins, given by kind and name. Nothing is imported."""
    return {_distribution(entry) for kind, name in plugins for entry in entries_of(kind).get(name, ())}


def _distribution(entry: EntryPoint) -> str:
    return _header(entry, "Name") or entry.value


def _header(entry: EntryPoint, key: str) -> str:
    return next(iter(_headers(entry, key)), "")


def _headers(entry: EntryPoint, key: str) -> list[str]:
    """Return the values of a field of the metadata of an entry point's distribution."""
    lines = _lines(entry.dist) if entry.dist else ()
    return [line.partition(":")[2].strip() for line in lines if line.startswith(f"{key}:")]


@lru_cache
def _lines(distribution: Distribution) -> tuple[str, ...]:
    """Return the fields of the metadata of a distribution.

    Read line by line: `importlib.metadata` takes a parser of e-mail for it, which costs more than all else here. A
    half-removed distribution may have entry points and no metadata. It is known by identity: `entry_points` makes a new
    one each time, so what was installed or removed meanwhile is seen.
    """
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    return tuple(text.partition("\n\n")[0].splitlines())


def only_entry(kind: str, name: str, entries: list[EntryPoint]) -> EntryPoint:
    """Return the one entry point that may be imported, judged by metadata alone."""
    if len(entries) > 1:
        names = " and ".join(sorted(_distribution(entry) for entry in entries))
        raise PluginConflictError(f"{names} both offer the {kind} plugin {name!r}: uninstall one of them.")
    entry = entries[0]
    for text in _headers(entry, "Requires-Dist"):
        _check_requirement(kind, name, _distribution(entry), text)
    return entry


def _check_requirement(kind: str, name: str, distribution: str, text: str) -> None:
    match = _REQUIREMENT.match(text)
    if match is None or (";" in text and not _applies(text)):
        return
    required = match[1]
    try:
        present = find_distribution(required)
    except PackageNotFoundError:
        raise broken(kind, name, f"{distribution} needs {required}, which is not installed") from None
    if _normalized(required) == "dicom-common-core" and not _allows(text, present.version):
        wanted = text[match.end() :].strip()
        raise IncompatiblePluginError(
            f"The {kind} plugin {name!r} ({distribution}) needs dicom-common-core{wanted}, and {present.version}"
            f" is installed: upgrade one of them, for example with pip install --upgrade {distribution}"
        )


def _applies(text: str) -> bool:
    """Tell whether a requirement with a marker, such as that of an extra, is one here."""
    if _OF_EXTRA.search(text):
        return False
    requirement = _parsed(text)
    return requirement is not None and (not requirement.marker or bool(requirement.marker.evaluate({"extra": ""})))


@cache
def _allows(text: str, present: str) -> bool:
    """Tell whether a version is among those that a requirement allows."""
    written = text.partition(";")[0][len(_REQUIREMENT.match(text)[0]) :].strip(" ()")  # type: ignore[index]  # it matched
    bounds = [_BOUND.fullmatch(one.strip()) for one in written.split(",")]
    if all(bounds) and _RELEASE.fullmatch(present):  # plain numbers: no need of the library
        has = _numbers(present)
        return all(has >= _numbers(one[2]) if one[1] == ">=" else has < _numbers(one[2]) for one in bounds if one)
    requirement = _parsed(text)
    return requirement is None or requirement.specifier.contains(present, prereleases=True)


def _numbers(release: str) -> tuple[int, ...]:
    numbers = [int(part) for part in release.split(".")]
    while numbers and not numbers[-1]:  # 1.0 is 1
        numbers.pop()
    return tuple(numbers)


def _parsed(text: str) -> Requirement | None:
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - 20 ms, needed here only

    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def _normalized(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


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
