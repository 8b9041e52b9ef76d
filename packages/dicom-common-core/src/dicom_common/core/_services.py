"""Everything that a configuration names, opened when it is first used."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from dicom_common.core._auth import Authenticator
from dicom_common.core._broker import Broker
from dicom_common.core._cache import Cache
from dicom_common.core._config import Config
from dicom_common.core._database import Database
from dicom_common.core._errors import ConfigError, DicomCommonError
from dicom_common.core._extensions import Extensions
from dicom_common.core._health import Health, HealthStatus
from dicom_common.core._loading import KINDS, Plugins
from dicom_common.core._patience import call_within
from dicom_common.core._storage import Storage

__all__ = ["Services"]

_log = logging.getLogger(__name__)
T = TypeVar("T")


class Services:
    """The backends that the configuration chooses. Thread-safe; a context manager that closes what was opened.

    A backend's plugin is imported, and the backend opened, when it is first asked for:

        with Services.from_file("dicom-common.toml") as services:
            services.storage.stat(key)

    Every property may raise `ConfigError`, `PluginError` and `BackendError`.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.plugins = Plugins()
        self._opened: dict[str, Any] = {}
        self._lock = threading.RLock()
        self._closed = False

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
    def extensions(self) -> Extensions:
        """The enabled extensions."""
        with self._lock:
            if "extensions" not in self._opened:
                general = self.config.general
                self._opened["extensions"] = Extensions(self.plugins, general.extensions, general.extension_time_limit)
            return cast("Extensions", self._opened["extensions"])

    def settings(self, table: str, settings: type[T]) -> T:
        """Return the settings of a table that is not a backend's; see `Config.section`."""
        return self.config.section(table, settings)

    def kinds(self) -> list[str]:
        """Return the kinds for which a backend is chosen."""
        return [kind for kind in KINDS if self.config.backend(kind) is not None]

    def check(self, *, time_limit: float = 10.0) -> dict[str, Health]:
        """Ask every chosen backend for its health, each within a time limit in seconds. Never raises."""
        return {kind: self._check(kind, time_limit) for kind in self.kinds()}

    def close(self) -> None:
        """Close every backend that was opened. A second call does nothing."""
        with self._lock:
            self._closed = True
            opened, self._opened = self._opened, {}
        for name, backend in opened.items():
            if name in KINDS:
                try:
                    backend.close()
                except Exception:  # noqa: BLE001 - one that fails must not keep the others open
                    _log.warning("closing the %s backend failed", name, exc_info=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _backend(self, kind: str) -> Any:
        # Unlocked look first: a backend is asked for on every call of every thread.
        opened = self._opened.get(kind)
        if opened is not None:
            return opened
        with self._lock:
            if kind not in self._opened:
                if self._closed:
                    raise ConfigError(f"The {kind} backend was asked for after the services were closed.")
                name = self.config.backend(kind)
                if name is None:
                    raise ConfigError(f'No {kind} backend is configured: write backend = "..." below [{kind}].')
                backend = self.plugins.backend(kind, name)
                self._opened[kind] = backend.open(self.config.section(kind, backend.settings))
            return self._opened[kind]

    def _check(self, kind: str, time_limit: float) -> Health:
        try:
            health: Health = call_within(time_limit, lambda: self._backend(kind).check())
        except TimeoutError:
            return Health(status=HealthStatus.FAILED, detail=f"no answer within {time_limit:g} s")
        except DicomCommonError as error:
            return Health(status=HealthStatus.FAILED, detail=str(error))
        except Exception as error:  # noqa: BLE001 - a backend that breaks its promise is ill, and others are asked
            return Health(status=HealthStatus.FAILED, detail=f"its check failed: {type(error).__name__}")
        return health
