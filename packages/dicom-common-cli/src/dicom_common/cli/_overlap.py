"""Whether two storages share a place: a copy into itself would never end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dicom_common.cli._errors import CommandError
from dicom_common.core import Backend, storage_table
from dicom_common.host import Services

__all__ = ["refuse_overlap"]

_PLACE = ("endpoint", "account", "account_url", "bucket", "container", "connection_string")
"""What object stores call the place where their objects are; below it counts `prefix`."""


def refuse_overlap(services: Services, source: str, target: str) -> None:
    """Refuse a copy between storages of which one is, or lies within, the other.

    Looks at settings only: two names of the same server are not seen through.

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
    (_, ours), (_, theirs) = _chosen(services, source), _chosen(services, target)
    if type(ours) is type(theirs) and (_roots_overlap(ours, theirs) or _prefixes_overlap(ours, theirs)):
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


def _roots_overlap(ours: Any, theirs: Any) -> bool:
    one, other = getattr(ours, "root", None), getattr(theirs, "root", None)
    if not (isinstance(one, Path) and isinstance(other, Path)):
        return False
    one, other = one.resolve(), other.resolve()
    return one.is_relative_to(other) or other.is_relative_to(one)


def _prefixes_overlap(ours: Any, theirs: Any) -> bool:
    places = [tuple(getattr(settings, name, None) for name in _PLACE) for settings in (ours, theirs)]
    if places[0] != places[1] or not any(places[0]):
        return False
    one, other = (str(getattr(settings, "prefix", "")).strip("/") for settings in (ours, theirs))
    return f"{one}/".startswith(f"{other}/" if other else "") or f"{other}/".startswith(f"{one}/" if one else "")
