"""Finding plugins by their entry points, and importing only those that the configuration names."""

from __future__ import annotations

import pkgutil
import re
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import Any, TypeVar

import pluggy

from dicom_common.core import (
    Backend,
    BrokenPluginError,
    IncompatiblePluginError,
    PluginConflictError,
    PluginError,
    PluginNotFoundError,
    did_you_mean,
    hookspecs,
)
from dicom_common.host._settings import field_types
from dicom_common.toolkit import TimeLimitError, call_within

__all__ = [
    "CALLED_HOOKS",
    "COMMANDS",
    "EXTENSION",
    "KINDS",
    "PluginInfo",
    "Plugins",
    "distributions_of",
    "installed_plugins",
    "let_through",
]

KINDS = ("storage", "db", "cache", "broker", "auth", "keyring")
"""The kinds of backend: the same word in the distribution, the import, the entry-point group, the hook, the table."""
EXTENSION = "extension"
"""The entry-point group of extensions: `dicom_common.extension`."""
COMMANDS = "commands"
"""The entry-point group of subcommands of `dicom-common`, each by its name: `dicom_common.commands`."""
CALLED_HOOKS = frozenset(
    ("dicom_common_accept", "dicom_common_stored", "dicom_common_audit", "dicom_common_audit_refusal")
)
"""The hooks of what an extension opens."""

T = TypeVar("T")


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
    """List the plugins of all kinds, extensions and commands.

    Nothing is imported: a broken plugin, or one with a slow SDK, does no harm.
    """
    found = []
    for kind in (*KINDS, EXTENSION, COMMANDS):
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
                        version=_metadata(entry, "Version"),
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
    """The plugins that are in use, each imported once, in one plugin manager. Thread-safe.

    Attributes:
        manager: pluggy's, with the hook specifications. A module is registered when it is first asked for.
    """

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self._modules: dict[tuple[str, str], Any] = {}
        self._importing: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def backend(self, kind: str, name: str, *, time_limit: float | None = None) -> Backend[Any]:
        """Import the plugin of a kind, or an extension, and return what it registers.

        Args:
            kind: one of `KINDS`, or `EXTENSION`.
            name: the entry point's.
            time_limit: seconds that its import may take; by default it is waited for. One that is being imported by
                another thread, which may have given up, is not waited for.

        Raises:
            PluginError: one of the four, each of which says what to do.
        """
        return self._within(time_limit, self._backend, kind, name)

    def _within(self, time_limit: float | None, function: Callable[[str, str], T], kind: str, name: str) -> T:
        if time_limit is None:
            return function(kind, name)
        if (kind, name) in self._importing:
            raise _broken(kind, name, "its import has not come to an end")
        try:
            return call_within(time_limit, function, kind, name)
        except TimeLimitError:
            raise _broken(kind, name, f"its import has not come to an end within {time_limit:g} s") from None

    def _backend(self, kind: str, name: str) -> Backend[Any]:
        offered = self._offered(kind, name, f"{hookspecs.PROJECT}_{kind}", Backend)
        # One module may offer several backends of a kind under several names.
        chosen = [backend for backend in offered if backend.name == name]
        if len(chosen) != 1 or not callable(chosen[0].open):
            others = ", ".join(repr(backend.name) for backend in offered) or "none"
            raise _broken(
                kind,
                name,
                f"its hook {hookspecs.PROJECT}_{kind} has to return one Backend called {name!r}, and returns {others}",
            )
        try:
            field_types(chosen[0].settings)
        except Exception as error:  # whatever reading an annotation raises
            raise _broken(
                kind, name, "its settings have to be a dataclass whose annotations can be read at run time"
            ) from error
        return chosen[0]

    def command(self, name: str, *, time_limit: float | None = None) -> Any:
        """Import the package that registers a command, and return the command: an object with this name.

        Args:
            name: the entry point's, and the command's.
            time_limit: as in `backend`.

        Raises:
            PluginError: one of the four; the package that offers no command of this name is broken.
        """
        return self._within(time_limit, self._command, COMMANDS, name)

    def _command(self, kind: str, name: str) -> Any:
        for commands in self._offered(kind, name, f"{hookspecs.PROJECT}_{kind}", object):
            for command in commands if isinstance(commands, Sequence) else ():
                if getattr(command, "name", None) == name:
                    return command
        raise _broken(kind, name, f"it offers no command called {name!r}")

    def _offered(self, kind: str, name: str, hook: str, what: type[T]) -> list[T]:
        """Call one hook of one plugin."""
        module = self._load(kind, name)
        if hook not in {caller.name for caller in self.manager.get_hookcallers(module) or ()}:
            raise _broken(kind, name, f"it does not implement the hook {hook}")
        others = [plugin for plugin in self.manager.get_plugins() if plugin is not module]
        try:
            return [offer for offer in self.manager.subset_hook_caller(hook, others)() if isinstance(offer, what)]
        except BaseException as error:
            let_through(error)
            raise _broken(kind, name, f"its hook {hook} failed ({type(error).__name__})") from error

    def _load(self, kind: str, name: str) -> Any:
        module = self._modules.get((kind, name))
        if module is None:
            # Two threads may both do this: the import is Python's to lock. Our lock is not held meanwhile: one plugin
            # whose import hangs must not hold up all others.
            self._importing.add((kind, name))
            try:
                module = _module_of(kind, name)
            finally:
                self._importing.discard((kind, name))
            with self._lock:
                if self.manager.get_name(module) is None:  # it may be known by another name of its backends
                    self._register(kind, name, module)
                self._modules[kind, name] = module
        return module

    def _register(self, kind: str, name: str, module: Any) -> None:
        try:
            self.manager.register(module, f"{kind}.{name}")
            self.manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            self._forget(module)
            raise _broken(kind, name, f"its hooks do not fit those of this core ({_line(error)})") from error
        misplaced = {caller.name for caller in self.manager.get_hookcallers(module) or ()} & CALLED_HOOKS
        if misplaced:
            self._forget(module)
            raise _broken(
                kind, name, f"{min(misplaced)} has to be a method of what dicom_common_extension opens, not a function"
            )

    def _forget(self, module: Any) -> None:
        if self.manager.get_name(module) is not None:
            self.manager.unregister(module)


def _module_of(kind: str, name: str) -> Any:
    known = _entries(kind)
    if name not in known:
        raise PluginNotFoundError(_not_found(kind, name, known))
    entry = _checked(kind, name, known[name])
    try:
        return entry.load()
    except BaseException as error:  # a plugin may do anything when it is imported
        let_through(error)
        # The text of an error may hold anything, a secret too; that of these two is Python's own.
        text = f": {_line(error)}" if isinstance(error, ImportError | SyntaxError) else ""
        raise _broken(kind, name, f"importing {entry.value} failed ({type(error).__name__}{text})") from error


def let_through(error: BaseException) -> None:
    """Raise Ctrl-C of a person again, which only the main thread gets; elsewhere a plugin made it."""
    if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
        raise error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _entries(kind: str) -> dict[str, list[EntryPoint]]:
    """Return the entry points of a kind by name, each distribution once (an editable install may be seen twice)."""
    found: dict[str, dict[str, EntryPoint]] = defaultdict(dict)
    for entry in entry_points(group=f"{hookspecs.PROJECT}.{kind}"):
        found[entry.name].setdefault(_distribution(entry), entry)
    return {name: [entry for _, entry in sorted(entries.items())] for name, entries in found.items()}


def distributions_of(plugins: Iterable[tuple[str, str]]) -> set[str]:
    """Return the names of the distributions that offer these plugins, given by kind and name. Nothing is imported."""
    return {_distribution(entry) for kind, name in plugins for entry in _entries(kind).get(name, ())}


def _distribution(entry: EntryPoint) -> str:
    return _metadata(entry, "Name") or entry.value


def _metadata(entry: EntryPoint, key: str) -> str:
    # A half-removed distribution may have entry points and no metadata.
    if entry.dist is None or key not in entry.dist.metadata:
        return ""
    return entry.dist.metadata[key]


def _not_found(kind: str, name: str, known: Iterable[str]) -> str:
    installed = ", ".join(sorted(known)) or "none"
    hint = did_you_mean(name, known)
    # The pip line is a guess by our naming rule; a third party's distribution may be called anything.
    what = f"pip install dicom-common-{kind}-{name}" if kind in KINDS else "pip install its distribution"
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
    if _normalized(requirement.name) == "dicom-common-core" and not requirement.specifier.contains(
        present, prereleases=True
    ):
        raise IncompatiblePluginError(
            f"The {kind} plugin {name!r} ({distribution}) needs dicom-common-core{requirement.specifier}, and {present}"
            f" is installed: upgrade one of them, for example with pip install --upgrade {distribution}"
        )


def _normalized(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _check_module(kind: str, entry: EntryPoint) -> None:
    """Look for the module of an entry point without importing it or any package above it."""
    # Not `entry.module`: what that raises for a text that names no module differs between versions of Python.
    module = entry.value.partition(":")[0].partition("[")[0].strip()
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        raise _broken(kind, entry.name, f"its entry point {entry.value!r} names no module")
    path: list[str] | None = None
    for count in range(1, len(parts) + 1):
        path = _locations(".".join(parts[:count]), path)
        if path is None:
            raise _broken(kind, entry.name, f"its module {module} is not there")


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


def _broken(kind: str, name: str, why: str) -> BrokenPluginError:
    instead = {EXTENSION: "remove it from `extensions`", COMMANDS: "uninstall it"}.get(
        kind, f"name another in [{kind}]"
    )
    return BrokenPluginError(f"The {kind} plugin {name!r} is broken: {why}. Reinstall or upgrade it, or {instead}.")
