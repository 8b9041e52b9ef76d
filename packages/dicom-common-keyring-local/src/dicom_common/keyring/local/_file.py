"""Reading the keyring file."""

from __future__ import annotations

import os
import stat
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

from dicom_common.core import ConfigError, Secret
from dicom_common.keyring.local._settings import KeyEntry
from dicom_common.toolkit import NotRegularError, read_regular

__all__ = ["read_entries"]


def read_entries(file: Path) -> list[KeyEntry]:
    """Read the keys of a keyring file.

    Raises:
        ConfigError: it cannot be read, others may read it, or it is not what a keyring file is.
    """
    try:
        table = tomllib.loads(read_regular(file, partial(_require_private, file)).decode())
    except NotRegularError:
        raise ConfigError(f"The keyring {file} is a pipe or a device: name a regular file.") from None
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


def _require_private(file: Path, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise ConfigError(f"The keyring {file} has the mode {mode:#o}: others may read it; run chmod 600.")


def _entry(key: Any, file: Path) -> KeyEntry:
    shapes = {"id": str, "key": str, "tenant": str, "active": bool}
    if not isinstance(key, dict) or not {"id", "key"} <= key.keys() <= shapes.keys():
        raise ConfigError(f"The keyring {file}: a [[key]] has an id and a key, may have a tenant and active, no more.")
    if wrong := [name for name, value in key.items() if type(value) is not shapes[name]]:
        shape = "true or false, without quotes" if shapes[wrong[0]] is bool else "a text in quotes"
        raise ConfigError(f"The keyring {file}: {wrong[0]} has to be {shape}.")
    return KeyEntry(**{**key, "key": Secret(key["key"])})
