"""The configuration of an installation: what was written, where, and what it means."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from dicom_common.core import DEFAULT_TENANT, STORAGES, ConfigError, validate_tenant
from dicom_common.host import _layers
from dicom_common.host._config_files import is_there
from dicom_common.host._layers import Raw, Tree
from dicom_common.host._plugin_metadata import EXTENSION, KINDS, plugin_name
from dicom_common.host._settings import convert, follow
from dicom_common.toolkit import did_you_mean

__all__ = ["DEFAULT_BACKENDS", "FILE_NAME", "SETTINGS_GROUP", "Config", "General"]

FILE_NAME = "dicom-common.toml"
SETTINGS_GROUP = "dicom_common.settings"
"""The entry points that name further tables: `web = "dicom_common.web:Settings"` makes `[web]` a known table."""

DEFAULT_BACKENDS = {"storage": "filesystem", "db": "sqlite", "cache": "memory", "broker": "sqlite"}
"""The embedded set, which works with no configuration at all. There is no authenticator and no keyring in it."""

_STORAGE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]|_(?!_)){0,62}")
"""What a variable can name, too: `__` divides its parts."""

_URL = re.compile(r"[A-Za-z0-9:/.\[\]_~!$&'()*+,;=%-]+")
"""The characters of a URL (RFC 3986) but those that begin a query or a fragment, or end a user."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class General:
    """The settings that stand outside every table."""

    data: Path = Path("dicom-common-data")
    """Where the embedded backends keep everything; relative paths in all settings are relative to it."""
    tenant: str = DEFAULT_TENANT
    """The tenant of the command line."""
    extensions: tuple[str, ...] = ()
    """The extensions that are called, by name (`distribution:name` where two offer it) and in this order."""
    extension_time_limit: float = 10.0
    """Seconds that an extension may take for one call, and to be opened and closed."""
    public_url: str = ""
    """The root of the DICOMweb service as its clients reach it, such as `https://pacs.example/dicomweb`: it makes the
    links in answers absolute. Empty: they are relative, or follow the request."""

    def __post_init__(self) -> None:
        """Refuse a tenant that is not valid."""
        validate_tenant(self.tenant)
        names = [plugin_name(chosen) for chosen in self.extensions]
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise ValueError(f"extensions has {twice[0]!r} more than once: name each extension once")
        if taken := set(names) & {*KINDS, *_layers.NAMED, *(setting.name for setting in fields(self))}:
            raise ValueError(
                f"extensions cannot have {min(taken)!r} in it: that is the name of another table or setting"
            )
        if not 0 < self.extension_time_limit <= 86_400:  # not a number is no limit either
            raise ValueError("extension_time_limit has to be above 0 and at most 86400 seconds")
        object.__setattr__(self, "public_url", _service_root(self.public_url))


def _service_root(url: str) -> str:
    """Return the root of a web service without a slash at its end; refuse what links cannot be made of."""
    if not url:
        return url
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_good = False
    # The password of a user would be in every link.
    if not is_good or "@" in parts.netloc or _URL.fullmatch(url) is None:
        raise ValueError(
            "public_url has to be an absolute http or https URL without user, query and fragment, such as"
            " 'https://pacs.example/dicomweb'"
        )
    return url.rstrip("/")


@dataclass(frozen=True)
class Config:
    """What was written, merged; `general` and `section` give it meaning. It can be pickled."""

    tree: Tree = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    folder: Path
    file: Path | None = None
    found: tuple[Path, ...] = ()
    """The files that were found in the current folder and used, without being named."""
    general: General = field(init=False)

    @classmethod
    def load(
        cls,
        file: str | os.PathLike[str] | None = None,
        *,
        overrides: Mapping[str, Any] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Config:
        """Read the configuration.

        In rising order: the file, its overlay for `DICOM_COMMON_ENV`, `.env` beside the file, variables
        `DICOM_COMMON_<TABLE>__<KEY>`, `overrides`. With no file anywhere, the embedded set works in a local folder.

        Args:
            file: the configuration file; by default the one that `DICOM_COMMON_CONFIG` names, else
                `dicom-common.toml` in the current folder, if it is there.
            overrides: what the caller insists on, such as `{"data": "x", "storage.bucket": "y"}`; relative paths are
                relative to the current folder.
            variables: the environment; that of the process by default.

        Raises:
            ConfigError: something cannot be read, is unknown or empty; or a file that was not named, found in the
                current folder, belongs to another user.
        """
        variables = os.environ if variables is None else variables
        _layers.refuse_empty(variables)
        named = file if file is not None else variables.get("DICOM_COMMON_CONFIG")
        is_found = not named
        path = Path(named) if named else _found_file()
        folder = (path.parent if path else Path.cwd()).absolute()
        environment = _layers.environment(folder, variables, is_found=is_found)
        _layers.refuse_empty(environment)
        tree: Tree = {}
        overlay = environment.get("DICOM_COMMON_ENV")
        if overlay and path is None:
            raise ConfigError(
                f"DICOM_COMMON_ENV is set to {overlay!r}, and there is no {FILE_NAME} in {folder}: name the"
                " configuration file, or unset the variable."
            )
        for layer in _layers.file_layers(path.absolute(), overlay, _KEYS, is_found=is_found) if path else ():
            tree = _layers.merge(tree, layer)
        tree = _layers.merge(tree, _layers.variables_layer(environment))
        tree = _layers.merge(tree, _layers.from_mapping(overrides or {}, "command line", _KEYS, is_text=True))
        found = _layers.files_in_use(folder, path, overlay, environment, variables) if is_found else ()
        return cls(tree, environment, folder, path, found)

    def __post_init__(self) -> None:
        """Check the top level: every key is a general setting or a known table, every backend's name a text."""
        tables = {*KINDS, *(name for name in self.tree if name.startswith(STORAGES))}
        if any(name not in tables and name not in _KEYS for name in self.tree):
            tables |= _tables_of_packages()  # reads the metadata of what is installed: only where it is needed
        for name, value in self.tree.items():
            if isinstance(value, Raw):
                if name in tables:
                    raise ConfigError(f"{value.origin}: {name} has to be a table: write [{name}].")
                if name not in _KEYS:
                    raise ConfigError(f"{value.origin}: unknown setting {name}.{_hint(name)}")
            elif name not in tables:
                origin = next((raw.origin for raw in value.values()), str(self.file and self.file.absolute()))
                if name in _KEYS:
                    raise ConfigError(f"{origin}: {name} has to be a value, not a table.")
                raise ConfigError(f"{origin}: unknown table [{name}].{_hint(name)}")
        written = {name: value for name, value in self.tree.items() if isinstance(value, Raw)}
        data = written.get("data")
        # `data` is relative to the folder of the file that names it; from a variable or the command line, to the
        # current one.
        base = (data.folder if data else self.folder) or Path.cwd()
        made = convert(General, written, "", data=base, environment=self.environment)
        object.__setattr__(self, "general", made)
        for kind in KINDS:
            self.backend(kind)
        for name in self.storages():
            self.backend_of_storage(name)

    def table(self, name: str) -> dict[str, Raw]:
        """Return what was written in a table."""
        table = self.tree.get(name, {})
        if isinstance(table, Raw):
            raise ConfigError(f"{table.origin}: {name} has to be a table.")
        return table

    def backend(self, kind: str) -> str | None:
        """Return the name of the backend that is chosen for a kind; None where none is and there is no default."""
        chosen = self.table(kind).get("backend")
        if chosen is None:
            return DEFAULT_BACKENDS.get(kind)
        return self._backend_name(chosen, kind)

    def _backend_name(self, chosen: Raw, table: str) -> str:
        chosen = follow(chosen, f"{table}.backend", self.environment)
        if not isinstance(chosen.value, str) or not chosen.value:
            raise ConfigError(f"{chosen.origin}: {table}.backend has to be the name of a plugin.")
        return chosen.value

    def storages(self) -> list[str]:
        """Return the names of the further storages: those with a table `[storages.NAME]`, for copies and moves."""
        return sorted(name.removeprefix(STORAGES) for name in self.tree if name.startswith(STORAGES))

    def backend_of_storage(self, name: str) -> str:
        """Return the name of the backend of a further storage.

        Raises:
            ConfigError: there is no such table, its name cannot be one, or it names no backend.
        """
        known = self.storages()
        if name not in known:
            hint = did_you_mean(name, known) or (f" Known: {', '.join(known)}." if known else "")
            raise ConfigError(f"There is no storage {name!r}: write a table [{STORAGES}{name}].{hint}")
        table = self.table(f"{STORAGES}{name}")
        origin = next((raw.origin for raw in table.values()), str(self.file and self.file.absolute()))
        if name == "storage" or not _STORAGE_NAME.fullmatch(name):
            raise ConfigError(
                f"{origin}: [{STORAGES}{name}] cannot be named so: a name has up to 63 lower-case letters, digits,"
                " hyphens and single underscores, and is not 'storage', which is the main one."
            )
        chosen = table.get("backend")
        if chosen is None:
            raise ConfigError(f'{origin}: [{STORAGES}{name}] names no backend: write backend = "..." below it.')
        return self._backend_name(chosen, f"{STORAGES}{name}")

    def section(self, name: str, settings: type[T]) -> T:
        """Return the settings of a table, as an instance of the dataclass.

        Raises:
            ConfigError: a key is unknown or missing, or a value is not of its type.
        """
        table = {key: raw for key, raw in self.table(name).items() if not (key == "backend" and _has_backend(name))}
        return convert(settings, table, name, data=self.general.data, environment=self.environment)


_KEYS = tuple(setting.name for setting in fields(General))


def _has_backend(table: str) -> bool:
    return table in KINDS or table.startswith(STORAGES)


def _hint(name: str) -> str:
    known = sorted({*_KEYS, *KINDS, *_layers.NAMED, *_tables_of_packages()})
    return did_you_mean(name, known) or f" Known: {', '.join(known)}."


def _found_file() -> Path | None:
    here = Path(FILE_NAME)
    return here if is_there(here) else None


def _tables_of_packages() -> set[str]:
    """Return the names of the tables of installed packages and extensions."""
    return {*settings_tables(), *(entry.name for entry in entry_points(group=f"dicom_common.{EXTENSION}"))}


def settings_tables() -> dict[str, Any]:
    """Return the tables that installed packages know, by name, as entry points: nothing is imported."""
    return {entry.name: entry for entry in entry_points(group=SETTINGS_GROUP)}
