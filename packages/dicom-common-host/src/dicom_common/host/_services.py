"""Everything that a configuration names, opened when it is first used."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar, Unpack, cast

from dicom_common.core import (
    Authenticator,
    Backend,
    Broker,
    Cache,
    ConfigError,
    Database,
    Extension,
    Health,
    Keyring,
    Storage,
    UnavailableError,
    storage_table,
)
from dicom_common.host._config import Config
from dicom_common.host._extensions import Extensions
from dicom_common.host._health import health_within
from dicom_common.host._loading import Plugins
from dicom_common.host._opening import built_on, close_backend, open_backend
from dicom_common.host._plugin_metadata import EXTENSION, KINDS, plugin_name
from dicom_common.toolkit import TimeLimitError, call_within

__all__ = ["Services"]

T = TypeVar("T")


class _Ready(TypedDict, total=False):
    storage: Storage
    db: Database
    cache: Cache
    broker: Broker
    auth: Authenticator
    keyring: Keyring


class Services:
    """The backends that the configuration chooses. Thread-safe; a context manager that closes what was opened.

    A backend's plugin is imported, and the backend opened, when it is first asked for:

        with Services.from_file("dicom-common.toml") as services:
            services.storage.stat(key)

    Every property may raise `ConfigError`, `PluginError` and `BackendError`.

    Args:
        config: what chooses the backends.
        ready: live backends by their kind (`storage=..., db=...`) that take the place of those which the configuration
            chooses, for a test or an application that made them. They are not closed here.
    """

    def __init__(
        self,
        config: Config,
        **ready: Unpack[_Ready],
    ) -> None:
        self.config = config
        self.plugins = Plugins()
        self._ready = frozenset(ready)
        self._opened: dict[str, Any] = dict(ready)
        self._settings: dict[tuple[str, type[Any]], Any] = {}
        self._closed = False
        self._lock = threading.Lock()
        """Guards the two above; held for a moment only."""
        self._opening = {name: threading.Lock() for name in (*KINDS, "extensions")}
        """One for each kind: a backend that hangs while it is opened holds up only those who ask for it."""
        self._given_up: set[str] = set()
        """Those that did not answer `check` in time: while one is still being opened, it is not waited for again."""

    @classmethod
    def from_file(
        cls, file: str | os.PathLike[str] | None = None, *, overrides: Mapping[str, Any] | None = None
    ) -> Services:
        """Open the services of a configuration; see `Config.load`."""
        return cls(Config.load(file, overrides=overrides))

    @property
    def storage(self) -> Storage:
        """The object storage."""
        return cast("Storage", self._backend("storage"))

    def storage_named(self, name: str) -> Storage:
        """Return a storage by name: `storage` is the main one, any other that of the table `[storages.NAME]`.

        The further ones are there for copies and moves, and for backends that are built on them (`Backend.built_on`).
        """
        return cast("Storage", self._named(storage_table(name)))

    @property
    def db(self) -> Database:
        """The index."""
        return cast("Database", self._backend("db"))

    @property
    def cache(self) -> Cache:
        """The cache."""
        return cast("Cache", self._backend("cache"))

    @property
    def broker(self) -> Broker:
        """The message broker."""
        return cast("Broker", self._backend("broker"))

    @property
    def auth(self) -> Authenticator:
        """The authenticator; there is no default one."""
        return cast("Authenticator", self._backend("auth"))

    @property
    def keyring(self) -> Keyring:
        """The keyring; there is no default one."""
        return cast("Keyring", self._backend("keyring"))

    @property
    def extensions(self) -> Extensions:
        """The enabled extensions."""
        return cast("Extensions", self._get("extensions", self._open_extensions))

    def settings(self, table: str, settings: type[T]) -> T:
        """Return the settings of a table that is not a backend's; see `Config.section`. They are converted once."""
        key = (table, settings)
        if key not in self._settings:  # converting costs half a millisecond, and requests ask for them
            self._settings[key] = self.config.section(table, settings)
        return cast("T", self._settings[key])

    def kinds(self) -> list[str]:
        """Return the kinds for which a backend is chosen."""
        return [kind for kind in KINDS if self.config.backend(kind) is not None]

    def name_of(self, table: str) -> str:
        """Return the name of the backend of a table, `storages.NAME` included: `ready` for one that was given."""
        kind, _, storage = table.partition(".")
        if kind in self._ready and not storage:
            return "ready"
        return (self.config.backend_of_storage(storage) if storage else self.config.backend(kind)) or ""

    def check(self, *, time_limit: float = 10.0, storages: bool = False) -> dict[str, Health]:
        """Ask every chosen backend for its health, each within a time limit in seconds. Never raises.

        Args:
            time_limit: for each.
            storages: ask the further storages too; their answers stand under `storages.NAME`. An installation works
                without them.
        """
        tables = [*self.kinds(), *(map(storage_table, self.config.storages()) if storages else ())]
        return {table: self.health(table, time_limit=time_limit) for table in tables}

    def health(self, table: str, *, time_limit: float = 10.0) -> Health:
        """Ask one backend for its health, within a time limit in seconds. Never raises.

        Args:
            table: its kind, or `storages.NAME`.
            time_limit: for opening and asking it.
        """
        gave_up = partial(self._given_up.add, table)
        return health_within(time_limit, table, lambda: self._named(table).check(), gave_up=gave_up)

    def close(self) -> None:
        """Close every backend that was opened, the last one first. Never raises; a second call does nothing."""
        with self._lock:
            self._closed = True
            opened, self._opened = self._opened, {}
        for name, backend in reversed(opened.items()):
            if name not in self._ready:
                close_backend(name, backend)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _named(self, table: str) -> Any:
        """Return the backend of a table: that of a kind, or of a further storage."""
        _, _, storage = table.partition(".")
        if storage:
            self.config.backend_of_storage(storage)  # raises for an unknown one, before a lock is made for it
            with self._lock:
                self._opening.setdefault(table, threading.Lock())
        return self._backend(table)

    def _backend(self, kind: str) -> Any:
        return self._get(kind, lambda: self._open(kind))

    def _get(self, name: str, open_it: Callable[[], Any]) -> Any:
        # Unlocked look first: a backend is asked for on every call of every thread.
        opened = self._opened.get(name)
        if opened is not None:
            return opened
        opening = self._opening[name]
        if name in self._given_up and opening.locked():
            raise UnavailableError(f"{name} is still being opened, and has taken longer than a check waits for it.")
        with opening:  # not `acquire`, behind which an interrupt would find the lock held, and no one to release it
            with self._lock:
                if self._closed:
                    raise ConfigError(f"{name} was asked for after the services were closed: open them again.")
                if name in self._opened:
                    return self._opened[name]
            opened = open_it()
            with self._lock:
                if not self._closed:
                    self._opened[name] = opened
                    return opened
        close_backend(name, opened)
        raise ConfigError(f"The services were closed while {name} was being opened: open them again.")

    def _open(self, table: str) -> Any:
        """Open the backend of a table: that of a kind, or of a further storage."""
        _, backend, settings = self._chosen(table)
        below = built_on(backend, table, settings)
        if below:
            self._refuse_circle((table,))  # before any lock is waited for
        return open_backend(backend, table, settings, *(self._named(other) for other in below))

    def _chosen(self, table: str) -> tuple[str, Backend[Any], Any]:
        """Return the name of the backend that a table chooses, what its plugin offers, and its settings."""
        kind, _, storage = table.partition(".")
        if storage:
            kind = "storage"
        name = self.config.backend_of_storage(storage) if storage else self.config.backend(kind)
        if name is None:
            raise ConfigError(f'No {kind} backend is configured: write backend = "..." below [{kind}].')
        backend = self.plugins.backend(kind, name)
        return name, backend, self.config.section(table, backend.settings)

    def _refuse_circle(self, path: tuple[str, ...]) -> None:
        """Look whether backends are built on each other in a circle. By their settings: nothing is opened."""
        _, backend, settings = self._chosen(path[-1])
        for table in built_on(backend, path[-1], settings):
            if table in path:
                circle = " on ".join(f"[{name}]" for name in (*path, table))
                raise ConfigError(f"Backends are built on each other in a circle, {circle}: name another one.")
            self._refuse_circle((*path, table))

    def _open_extensions(self) -> Extensions:
        general = self.config.general
        opened: dict[str, Extension] = {}
        try:
            for chosen in general.extensions:
                opened[plugin_name(chosen)] = self._open_extension(chosen)
            return Extensions(self.plugins.manager, opened, general.extension_time_limit)
        except BaseException:
            for name, extension in reversed(opened.items()):
                close_backend(f"extension {name}", extension)
            raise

    def _open_extension(self, name: str) -> Extension:
        backend = self.plugins.backend(EXTENSION, name)
        settings = self.config.section(plugin_name(name), backend.settings)
        inner = [partial(self._named, table) for table in built_on(backend, EXTENSION, settings)]
        limit = self.config.general.extension_time_limit
        try:
            return cast("Extension", call_within(limit, open_backend, backend, EXTENSION, settings, *inner))
        except TimeLimitError:
            raise UnavailableError(
                f"The extension {name!r} could not be opened within {limit:g} s: raise extension_time_limit, or remove"
                " it from `extensions`."
            ) from None
