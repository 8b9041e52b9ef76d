"""Finding plugins by their entry points, and importing only those that the configuration names."""

from __future__ import annotations

import dataclasses
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import Any

import pluggy

from dicom_common.core import _hooks
from dicom_common.core._backend import Backend
from dicom_common.core._errors import (
    BrokenPluginError,
    IncompatiblePluginError,
    PluginConflictError,
    PluginError,
    PluginNotFoundError,
)
from dicom_common.core._settings import did_you_mean

__all__ = ["EXTENSION", "KINDS", "PluginInfo", "Plugins", "installed_plugins"]

KINDS = ("storage", "db", "cache", "broker", "auth")
"""The kinds of backend: the same word in the distribution, the import, the entry-point group, the hook, the table."""
EXTENSION = "extension"
"""The entry-point group of extensions: `dicom_common.extension`."""


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


def installed_plugins() -> list[PluginInfo]:
    """List the plugins of all kinds. Nothing is imported: a broken one, or one with a slow SDK, disturbs nobody."""
    found = []
    for kind in (*KINDS, EXTENSION):
        for name, entries in sorted(_entries(kind).items()):
            for entry in entries:
                try:
                    _checked(kind, name, entries)
                    _check_module(kind, entry)
                    state, reason = "ready", ""
                except PluginError as error:
                    state, reason = _STATES[type(error)], str(error)
                found.append(
                    PluginInfo(
                        kind=kind,
                        name=name,
                        distribution=_distribution(entry),
                        version=entry.dist.version if entry.dist else "",
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


class Plugins:
    """The plugins that are in use. Thread-safe."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(_hooks.PROJECT)
        self.manager.add_hookspecs(_hooks)
        self._lock = threading.Lock()

    def backend(self, kind: str, name: str) -> Backend[Any]:
        """Import the plugin of a kind and return what it registers.

        Raises:
            PluginError: one of the four, each of which says what to do.
        """
        with self._lock:
            module = self._load(kind, name)
            hook = self.subset(f"{_hooks.PROJECT}_{kind}", module)
            try:
                offered = [backend for backend in hook() if isinstance(backend, Backend)]
            except Exception as error:
                raise _broken(kind, name, f"its hook failed: {type(error).__name__}") from error
        # One module may offer several backends of a kind under several names.
        chosen = [backend for backend in offered if backend.name == name]
        if len(chosen) != 1 or not dataclasses.is_dataclass(chosen[0].settings):
            raise _broken(
                kind, name, f"its hook dicom_common_{kind} has to return one Backend({name!r}, dataclass, callable)"
            )
        return chosen[0]

    def extension(self, name: str) -> Any:
        """Import an extension and return its module."""
        with self._lock:
            return self._load(EXTENSION, name)

    def subset(self, hook: str, plugin: Any) -> pluggy.HookCaller:
        """Return a caller of a hook that calls this plugin only."""
        others = [other for other in self.manager.get_plugins() if other is not plugin]
        return self.manager.subset_hook_caller(hook, others)

    def _load(self, kind: str, name: str) -> Any:
        known = _entries(kind)
        if name not in known:
            raise PluginNotFoundError(_not_found(kind, name, known))
        entry = _checked(kind, name, known[name])
        try:
            plugin = entry.load()
        except (Exception, SystemExit) as error:  # a plugin may do anything when it is imported
            raise _broken(kind, name, f"importing {entry.value} failed: {type(error).__name__}") from error
        if not self.manager.is_registered(plugin):
            try:
                self.manager.register(plugin, f"{kind}.{name}")
                self.manager.check_pending()
            except (pluggy.PluginValidationError, ValueError) as error:
                self.manager.unregister(plugin)
                raise _broken(kind, name, f"its hooks do not fit: {error}") from error
        return plugin


def _entries(kind: str) -> dict[str, list[EntryPoint]]:
    """Return the entry points of a kind by name, each distribution once (an editable install may be seen twice)."""
    found: dict[str, dict[str, EntryPoint]] = defaultdict(dict)
    for entry in entry_points(group=f"{_hooks.PROJECT}.{kind}"):
        found[entry.name].setdefault(_distribution(entry), entry)
    return {name: list(by_distribution.values()) for name, by_distribution in found.items()}


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.module


def _not_found(kind: str, name: str, known: Iterable[str]) -> str:
    installed = ", ".join(sorted(known)) or "none"
    hint = did_you_mean(name, known)
    # The pip line is a guess by our naming rule; a third party's distribution may be called anything.
    what = f"pip install dicom-common-{kind}-{name}" if kind != EXTENSION else "pip install its distribution"
    return f"No {kind} plugin called {name!r} is installed (installed: {installed}).{hint} To add it: {what}"


def _checked(kind: str, name: str, entries: list[EntryPoint]) -> EntryPoint:
    """Return the one entry point that may be imported, judged by metadata alone."""
    if len(entries) > 1:
        names = " and ".join(sorted(_distribution(entry) for entry in entries))
        raise PluginConflictError(f"{names} both offer the {kind} plugin {name!r}: uninstall one of them.")
    entry = entries[0]
    for text in (entry.dist.requires or []) if entry.dist else []:
        _check_requirement(kind, name, _distribution(entry), text)
    return entry


def _check_requirement(kind: str, name: str, distribution: str, text: str) -> None:
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - 20 ms, needed here only

    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return
    if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
        return
    try:
        present = version(requirement.name)
    except PackageNotFoundError:
        raise _broken(kind, name, f"{distribution} needs {requirement.name}, which is not installed") from None
    if requirement.name == "dicom-common-core" and not requirement.specifier.contains(present, prereleases=True):
        raise IncompatiblePluginError(
            f"The {kind} plugin {name!r} ({distribution}) needs dicom-common-core{requirement.specifier}, and {present}"
            f" is installed: upgrade one of them, for example with pip install --upgrade {distribution}"
        )


def _check_module(kind: str, entry: EntryPoint) -> None:
    """Look for the module of an entry point without importing it or any package above it."""
    path: list[str] | None = None
    parts = entry.module.split(".")
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        specs = (finder.find_spec(name, path) for finder in sys.meta_path)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is None:
            raise _broken(kind, entry.name, f"its module {entry.module} is not there")
        path = list(spec.submodule_search_locations or [])


def _broken(kind: str, name: str, why: str) -> BrokenPluginError:
    return BrokenPluginError(
        f"The {kind} plugin {name!r} is broken: {why}. Reinstall or upgrade it, or name another in [{kind}]."
    )
