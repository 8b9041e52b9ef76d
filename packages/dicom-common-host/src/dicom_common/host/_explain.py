"""What each setting is, and where it came from."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint
from typing import Any, NamedTuple

from dicom_common.core import BrokenPluginError, Secret, storage_table
from dicom_common.host._config import Config, settings_tables
from dicom_common.host._layers import Raw
from dicom_common.host._loading import Plugins
from dicom_common.host._plugin_metadata import EXTENSION, KINDS, distributions_of, plugin_name
from dicom_common.host._settings import field_types
from dicom_common.toolkit import TimeLimitError, call_within

__all__ = ["Explained", "explain"]

_log = logging.getLogger(__name__)
_OURS = "dicom_common."
"""The namespace of this library; a third party's import packages are its own."""


class Explained(NamedTuple):
    """One setting in effect; a secret's value is masked, and None where it is not set.

    Settings of which the value alone does not tell what it comes to here (`auto`) have that in their origin: the class
    of the settings has a method `in_effect` that gives it by the names of the fields.
    """

    key: str
    value: Any
    origin: str


def explain(config: Config, plugins: Plugins, *, time_limit: float = 60.0) -> list[Explained]:
    """List every setting in effect: the general ones, of the chosen backends and extensions, of other tables.

    Imports the plugins that the configuration names, and opens nothing. Of the tables that no backend reads, those are
    listed that the configuration writes, and those of this library and of the distributions of the plugins in use.

    Args:
        config: the configuration.
        plugins: what imports them.
        time_limit: seconds for the import of each. What the configuration does not use and cannot be imported is left
            out, with a warning of the log.

    Raises:
        ConfigError, PluginError: the configuration is wrong; what `Services` would say.
    """
    written = {name: raw for name, raw in config.tree.items() if isinstance(raw, Raw)}
    rows = list(_rows("", config.general, written))
    backends = {kind: name for kind in KINDS if (name := config.backend(kind)) is not None}
    tables = {kind: (kind, name) for kind, name in backends.items()}
    tables |= {storage_table(name): ("storage", config.backend_of_storage(name)) for name in config.storages()}
    for table, (kind, name) in tables.items():
        raws = config.table(table)
        rows.append(Explained(f"{table}.backend", name, raws["backend"].origin if "backend" in raws else "default"))
        settings = plugins.backend(kind, name, time_limit=time_limit).settings
        rows.extend(_rows(f"{table}.", config.section(table, settings), raws))
    for chosen in config.general.extensions:
        name, settings = plugin_name(chosen), plugins.backend(EXTENSION, chosen, time_limit=time_limit).settings
        rows.extend(_rows(f"{name}.", config.section(name, settings), config.table(name)))
    in_use = distributions_of([*tables.values(), *((EXTENSION, name) for name in config.general.extensions)])
    for name, entry in sorted(settings_tables().items()):
        if name in config.tree:
            loaded = _load(name, entry, time_limit)
        elif entry.value.startswith(_OURS) or (entry.dist and entry.dist.name in in_use):
            try:
                loaded = _load(name, entry, time_limit)
            except BrokenPluginError as error:
                _log.warning("%s", error)
                continue
        else:
            continue  # a package that nothing uses is not imported
        rows.extend(_rows(f"{name}.", config.section(name, loaded), config.table(name)))
    return rows


def _load(name: str, entry: EntryPoint, time_limit: float) -> type[Any]:
    """Import the settings of a table.

    Raises:
        BrokenPluginError: they cannot be imported, or not within the time limit.
    """
    try:
        settings: type[Any] = call_within(time_limit, entry.load)
        field_types(settings)
    except TimeLimitError:
        why = f"not within {time_limit:g} s"
        raise BrokenPluginError(_cannot(name, entry, why)) from None
    except (Exception, SystemExit) as error:
        raise BrokenPluginError(_cannot(name, entry, type(error).__name__)) from error
    return settings


def _cannot(name: str, entry: EntryPoint, why: str) -> str:
    return f"The settings of the table [{name}] cannot be imported from {entry.value} ({why}): reinstall their package."


def _rows(prefix: str, settings: Any, written: dict[str, Raw]) -> Iterator[Explained]:
    # What settings such as "auto" come to here, where the class tells it.
    comes_to: Mapping[str, str] = settings.in_effect() if hasattr(settings, "in_effect") else {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        shown = ("***" if value else None) if isinstance(value, Secret) else value
        origin = written[field.name].origin if field.name in written else "default"
        if field.name in comes_to:
            origin += f"; in effect: {comes_to[field.name]}"
        yield Explained(f"{prefix}{field.name}", shown, origin)
