"""Whether two storages share a place: a copy into itself would never end."""

from __future__ import annotations

from typing import Any

from dicom_common.cli._errors import CommandError
from dicom_common.core import Backend, storage_table
from dicom_common.host import Services

__all__ = ["refuse_overlap"]


def refuse_overlap(services: Services, source: str, target: str) -> None:
    """Refuse a copy between storages of which one is, or lies within, the other.

    It looks at settings only (`Backend.place`): that two names lead to the same server is not noticed.

    Raises:
        CommandError: they overlap.
        ConfigError, PluginError: a storage is not there.
    """
    if source == target:
        raise CommandError("--from and --to name the same storage: a copy needs two.")
    if target in _built_on(services, source) or source in _built_on(services, target):
        raise CommandError(
            f"Of the storages {source!r} and {target!r}, one holds the objects of the other in its own form: give the"
            " target a place of its own."
        )
    if any(_overlap(ours, theirs) for ours in _places(services, source) for theirs in _places(services, target)):
        raise CommandError(
            f"The storages {source!r} and {target!r} are the same, or one lies within the other: give the target a"
            " place of its own."
        )


def _chosen(services: Services, name: str) -> tuple[Backend[Any], Any]:
    config = services.config
    backend = config.backend("storage") if name == "storage" else config.backend_of_storage(name)
    table = storage_table(name)
    chosen = services.plugins.backend("storage", backend or "")
    return chosen, config.section(table, chosen.settings)


def _built_on(services: Services, name: str, seen: frozenset[str] = frozenset()) -> set[str]:
    """Return the storages that a storage is built on, and those that these are built on."""
    backend, settings = _chosen(services, name)
    tables = backend.built_on(settings) if backend.built_on is not None else ()
    found = {table.removeprefix("storages.") for table in tables if table.partition(".")[0] in ("storage", "storages")}
    # A circle is refused when the storages are opened.
    return found.union(*(_built_on(services, inner, seen | found) for inner in found - seen))


def _places(services: Services, name: str) -> list[str]:
    """Return where the objects of a storage lie: its own place, and those of the storages that it is built on."""
    found = []
    for one in {name, *_built_on(services, name)}:
        backend, settings = _chosen(services, one)
        # Of a backend that does not say, the same settings are the same place.
        found.append(backend.place(settings) if backend.place is not None else f"{backend.name}:{settings!r}")
    return found


def _overlap(one: str, other: str) -> bool:
    one, other = one.rstrip("/") + "/", other.rstrip("/") + "/"
    return one.startswith(other) or other.startswith(one)
