"""Which keyring the settings name: a file, the settings themselves, or a plugin."""

from __future__ import annotations

import dataclasses
import os
import stat
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from dicom_common.core import (
    BrokenPluginError,
    ConfigError,
    DicomCommonError,
    PluginConflictError,
    PluginNotFoundError,
    Secret,
)
from dicom_common.storage.encrypted._keyring import Keyring, LocalKeyring
from dicom_common.storage.encrypted._settings import KeyEntry, Settings

__all__ = ["KEYRING_GROUP", "open_keyring"]

KEYRING_GROUP = "dicom_common.keyring"
"""The entry points of keyring plugins: each is an `OpenKeyring`."""


def open_keyring(settings: Settings) -> Keyring:
    """Open the keyring that the settings name.

    Raises:
        ConfigError: its file, or a key, is wrong.
        PluginError: there is no such plugin, or it fails.
    """
    if settings.keyring == "settings":
        return LocalKeyring(settings.keys, "keys of the encrypted storage")
    if settings.keyring == "file":
        return LocalKeyring(_entries(settings.keyring_file), f"keyring {settings.keyring_file}")
    return _plugin(settings)


def _entries(file: Path) -> list[KeyEntry]:
    try:
        with file.open("rb") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            if mode & 0o077:
                raise ConfigError(f"The keyring {file} has the mode {mode:#o}: others may read it; run chmod 600.")
            table = tomllib.load(opened)
    except OSError as error:
        raise ConfigError(f"The keyring {file} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # Its message may show a part of a key.
        raise ConfigError(f"The keyring {file} is not valid TOML.") from None
    keys = table.pop("key", [])
    if table or not isinstance(keys, list):
        raise ConfigError(f"The keyring {file} may hold tables [[key]] and nothing else.")
    return [_entry(key, file) for key in keys]


def _entry(key: Any, file: Path) -> KeyEntry:
    shapes = {"id": str, "key": str, "tenant": str, "active": bool}
    if not isinstance(key, dict) or not {"id", "key"} <= key.keys() <= shapes.keys():
        known = ", ".join(field.name for field in dataclasses.fields(KeyEntry))
        raise ConfigError(f"The keyring {file}: a [[key]] has an id and a key, and may have others of {known}.")
    if wrong := [name for name, value in key.items() if type(value) is not shapes[name]]:
        raise ConfigError(f"The keyring {file}: {wrong[0]} has to be a {shapes[wrong[0]].__name__}.")
    return KeyEntry(**{**key, "key": Secret(key["key"])})


def _plugin(settings: Settings) -> Keyring:
    name = settings.keyring
    known = entry_points(group=KEYRING_GROUP)
    found = list({entry.value: entry for entry in known if entry.name == name}.values())
    if not found:
        installed = ", ".join(sorted({"file", "settings", *known.names}))
        raise PluginNotFoundError(f"No keyring called {name!r} is installed (there are: {installed}): install it.")
    if len(found) > 1:
        raise PluginConflictError(f"Several distributions offer the keyring {name!r}: uninstall all but one.")
    try:
        keyring: Keyring = found[0].load()(dict(settings.keyring_options))
    except DicomCommonError:
        raise
    except (Exception, SystemExit) as error:  # a plugin may do anything
        raise BrokenPluginError(
            f"The keyring {name!r} cannot be opened ({type(error).__name__}): check keyring_options, or reinstall it."
        ) from error
    return keyring
