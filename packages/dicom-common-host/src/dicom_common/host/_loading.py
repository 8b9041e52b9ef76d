"""Importing plugins: only those that the configuration names."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pluggy

from dicom_common.core import Backend, hookspecs
from dicom_common.host._contracts import CONTRACTS, Contract
from dicom_common.host._plugin_metadata import COMMANDS, broken, find_entry, plugin_name
from dicom_common.host._settings import field_types
from dicom_common.toolkit import TimeLimitError, call_within

__all__ = ["CALLED_HOOKS", "Plugins", "let_through", "misfit"]

CALLED_HOOKS = frozenset(
    ("dicom_common_accept", "dicom_common_stored", "dicom_common_audit", "dicom_common_audit_refusal")
)
"""The hooks of what an extension opens."""

T = TypeVar("T")


def warn_of_deprecated_hooks(manager: pluggy.PluginManager, contracts: Mapping[str, Contract]) -> None:
    """Have pluggy warn who implements a hook that is on its way out; of a Protocol, the opening of a backend warns."""
    for name, contract in contracts.items():
        if (caller := getattr(manager.hook, name, None)) is not None:
            caller.spec.warn_on_impl = contract.warning(name)


class Plugins:
    """The plugins that are in use, each imported once, in one plugin manager. Thread-safe.

    Attributes:
        manager: pluggy's, with the hook specifications. A module is registered when it is first asked for.
    """

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        warn_of_deprecated_hooks(self.manager, CONTRACTS)
        self._modules: dict[tuple[str, str], Any] = {}
        self._importing: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def backend(self, kind: str, name: str, *, time_limit: float | None = None) -> Backend[Any]:
        """Import the plugin of a kind, or an extension, and return what it registers.

        Args:
            kind: one of `KINDS`, or `EXTENSION`.
            name: the entry point's, or `distribution:name` where two distributions offer it.
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
            raise broken(kind, name, "its import has not come to an end")
        try:
            return call_within(time_limit, function, kind, name)
        except TimeLimitError:
            raise broken(kind, name, f"its import has not come to an end within {time_limit:g} s") from None

    def _backend(self, kind: str, name: str) -> Backend[Any]:
        hook, own = f"{hookspecs.PROJECT}_{kind}", plugin_name(name)
        offered = self._offered(kind, name, hook, Backend)
        # One module may offer several backends of a kind under several names.
        chosen = [backend for backend in offered if backend.name == own]
        if len(chosen) != 1 or not callable(chosen[0].open):
            others = ", ".join(repr(backend.name) for backend in offered) or "none"
            raise broken(kind, name, f"its hook {hook} has to return one Backend called {own!r}, and returns {others}")
        try:
            field_types(chosen[0].settings)
        except Exception as error:  # whatever reading an annotation raises
            raise broken(
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
        raise broken(kind, name, f"it offers no command called {name!r}")

    def _offered(self, kind: str, name: str, hook: str, what: type[T]) -> list[T]:
        """Call one hook of one plugin."""
        module = self._load(kind, name)
        if hook not in {caller.name for caller in self.manager.get_hookcallers(module) or ()}:
            raise broken(kind, name, f"it does not implement the hook {hook}")
        others = [plugin for plugin in self.manager.get_plugins() if plugin is not module]
        try:
            return [offer for offer in self.manager.subset_hook_caller(hook, others)() if isinstance(offer, what)]
        except BaseException as error:
            let_through(error)
            raise broken(kind, name, f"its hook {hook} failed ({type(error).__name__})") from error

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
            raise broken(kind, name, f"its hooks do not fit those of this core ({misfit(error)})") from error
        misplaced = {caller.name for caller in self.manager.get_hookcallers(module) or ()} & CALLED_HOOKS
        if misplaced:
            self._forget(module)
            raise broken(
                kind, name, f"{min(misplaced)} has to be a method of what dicom_common_extension opens, not a function"
            )

    def _forget(self, module: Any) -> None:
        if self.manager.get_name(module) is not None:
            self.manager.unregister(module)


def misfit(error: Exception) -> str:
    """Say why pluggy did not register a plugin; of what is not pluggy's own error, only the kind."""
    is_known = isinstance(error, pluggy.PluginValidationError)
    return " ".join(str(error).split()) if is_known else type(error).__name__


def _module_of(kind: str, name: str) -> Any:
    entry = find_entry(kind, name)
    try:
        return entry.load()
    except BaseException as error:  # a plugin may do anything when it is imported
        let_through(error)
        raise broken(kind, name, f"importing {entry.value} failed ({_failure(error)})") from error


def _failure(error: BaseException) -> str:
    """Describe a failed import without the text of the error, which may hold anything, a secret too."""
    kind, missing = type(error).__name__, getattr(error, "name", None)
    if isinstance(error, ModuleNotFoundError) and all(part.isidentifier() for part in str(missing).split(".")):
        return f"{kind}: No module named {missing!r}"
    if isinstance(error, SyntaxError) and isinstance(error.filename, str) and Path(error.filename).is_file():
        return f"{kind} in {Path(error.filename).name} line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    return f"{kind} in {Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else kind


def let_through(error: BaseException) -> None:
    """Raise Ctrl-C of a person again, which only the main thread gets; elsewhere a plugin made it."""
    if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
        raise error
