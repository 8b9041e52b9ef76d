"""Services whose backends are seen through something else, such as what measures each of their calls."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from dicom_common.core import Health
from dicom_common.host._extensions import Extensions
from dicom_common.host._services import Services

__all__ = ["SeenServices"]


class SeenServices(Services):
    """The services of another object, each backend in the form that a function makes of it. Thread-safe.

    The backends stay the other's: they are opened and closed there, `close` does nothing here, and the extensions have
    them as they are.

    Args:
        services: what has the backends.
        see: makes the form of a backend, once for each: it is given the table (`storage`, or `storages.NAME`), the name
            of the backend, and the backend. What it makes has every method of the backend, those of further abilities
            included.
    """

    def __init__(self, services: Services, see: Callable[[str, str, Any], Any]) -> None:
        self.config, self.plugins = services.config, services.plugins
        self._services, self._see = services, see
        self._settings: dict[tuple[str, type[Any]], Any] = {}
        self._seen: dict[str, Any] = {}
        self._lock = threading.Lock()

    @property
    def extensions(self) -> Extensions:
        """The enabled extensions."""
        return self._services.extensions

    def health(self, table: str, *, time_limit: float = 10.0) -> Health:
        """Ask one backend for its health; see `Services.health`."""
        return self._services.health(table, time_limit=time_limit)

    def close(self) -> None:
        """Do nothing: the backends are another's."""

    def _named(self, table: str) -> Any:
        kind, _, storage = table.partition(".")
        services = self._services
        return self._form_of(table, services.storage_named(storage) if storage else getattr(services, kind))

    def _backend(self, kind: str) -> Any:
        return self._named(kind)

    def _form_of(self, table: str, backend: Any) -> Any:
        seen = self._seen.get(table)
        if seen is None:
            with self._lock:
                seen = self._seen.get(table)
                if seen is None:
                    seen = self._seen[table] = self._see(table, self._services.name_of(table), backend)
        return seen
