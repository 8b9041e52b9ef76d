"""Reading the keyring file."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

from dicom_common.core import ConfigError, Secret
from dicom_common.keyring.local._settings import KeyEntry

__all__ = ["read_entries"]


def read_entries(file: Path) -> list[KeyEntry]:
    """Read the keys of a keyring file.

    Raises:
        ConfigError: it cannot be read, others may read it, or it is not what a keyring file is.
    """
    try:
        with open(file, "rb", opener=_without_waiting) as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"The keyring {file} is a pipe or a device: name a regular file.")
            mode = stat.S_IMODE(status.st_mode)
            if mode & 0o077:
                raise ConfigError(f"The keyring {file} has the mode {mode:#o}: others may read it; run chmod 600.")
            table = tomllib.load(opened)
    except FileNotFoundError as error:
        raise ConfigError(
            f"The keyring {file} is not there: put it there, with mode 0600, or let the setting `file` name another;"
            " the README of dicom-common-keyring-local shows one."
        ) from error
    except OSError as error:
        raise ConfigError(f"The keyring {file} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError):  # not TOML or not UTF-8, a number of too many digits, lists that nest too deep
        # Its message may show a part of a key.
        raise ConfigError(f"The keyring {file} is not valid TOML.") from None
    keys = table.pop("key", [])
    if table or not isinstance(keys, list):
        raise ConfigError(f"The keyring {file} may hold tables [[key]] and nothing else.")
    return [_entry(key, file) for key in keys]


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)  # to open a named pipe would wait for its writer


def _entry(key: Any, file: Path) -> KeyEntry:
    shapes = {"id": str, "key": str, "tenant": str, "active": bool}
    if not isinstance(key, dict) or not {"id", "key"} <= key.keys() <= shapes.keys():
        raise ConfigError(f"The keyring {file}: a [[key]] has an id and a key, may have a tenant and active, no more.")
    if wrong := [name for name, value in key.items() if type(value) is not shapes[name]]:
        shape = "true or false, without quotes" if shapes[wrong[0]] is bool else "a text in quotes"
        raise ConfigError(f"The keyring {file}: {wrong[0]} has to be {shape}.")
    return KeyEntry(**{**key, "key": Secret(key["key"])})
