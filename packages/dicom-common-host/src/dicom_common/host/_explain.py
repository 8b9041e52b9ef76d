"""What each setting is, and where it came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

from dicom_common.core import BrokenPluginError, Secret
from dicom_common.host._config import Config, settings_tables
from dicom_common.host._layers import Raw
from dicom_common.host._loading import EXTENSION, KINDS, Plugins
from dicom_common.host._settings import field_types

__all__ = ["Explained", "explain"]


class Explained(NamedTuple):
    """One setting in effect; a secret's value is masked, and None where it is not set."""

    key: str
    value: Any
    origin: str


def explain(config: Config, plugins: Plugins) -> list[Explained]:
    """List every setting in effect: general ones, those of chosen backends, enabled extensions, installed packages.

    Imports the plugins that the configuration names, and opens nothing.

    Raises:
        ConfigError, PluginError: the configuration is wrong; what `Services` would say.
    """
    written = {name: raw for name, raw in config.tree.items() if isinstance(raw, Raw)}
    rows = list(_rows("", config.general, written))
    for kind in KINDS:
        name = config.backend(kind)
        if name is None:
            continue
        table = config.table(kind)
        rows.append(Explained(f"{kind}.backend", name, table["backend"].origin if "backend" in table else "default"))
        rows.extend(_rows(f"{kind}.", config.section(kind, plugins.backend(kind, name).settings), table))
    for storage in config.storages():
        name = f"storages.{storage}"
        table, backend = config.table(name), config.backend_of_storage(storage)
        rows.append(Explained(f"{name}.backend", backend, table["backend"].origin))
        rows.extend(_rows(f"{name}.", config.section(name, plugins.backend("storage", backend).settings), table))
    for name in config.general.extensions:
        rows.extend(
            _rows(f"{name}.", config.section(name, plugins.backend(EXTENSION, name).settings), config.table(name))
        )
    for name, entry in sorted(settings_tables().items()):
        try:
            settings = entry.load()
            field_types(settings)
        except Exception as error:
            raise BrokenPluginError(
                f"The settings of the table [{name}] cannot be imported from {entry.value} ({type(error).__name__}):"
                " reinstall their package."
            ) from error
        rows.extend(_rows(f"{name}.", config.section(name, settings), config.table(name)))
    return rows


def _rows(prefix: str, settings: Any, written: dict[str, Raw]) -> Iterator[Explained]:
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        shown = ("***" if value else None) if isinstance(value, Secret) else value
        origin = written[field.name].origin if field.name in written else "default"
        yield Explained(f"{prefix}{field.name}", shown, origin)
