"""Where configuration comes from: files, overlays, variables and the command line, merged with their origins."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dicom_common.core._errors import ConfigError

__all__ = ["PREFIX", "Raw", "Tree", "environment", "file_layers", "from_mapping", "merge", "variables_layer"]

PREFIX = "DICOM_COMMON_"
_RESERVED = ("DICOM_COMMON_ENV", "DICOM_COMMON_CONFIG")
_RESERVED_PREFIX = "DICOM_COMMON_TEST_"  # where the test kit finds its servers


@dataclass(frozen=True, slots=True)
class Raw:
    """A value as it was written, and where."""

    value: Any
    origin: str
    is_text: bool = False
    """It comes from a variable or the command line, where everything is text: "8" may be a number."""
    folder: Path | None = None
    """The folder of the file that it was written in."""


Tree = dict[str, "Raw | dict[str, Raw]"]
"""Top-level keys and tables of the configuration. A table below a table is a value of its own."""


def file_layers(file: Path, overlay: str | None) -> Iterator[Tree]:
    """Read the configuration file, then its overlay for one environment (`dicom-common.<overlay>.toml`)."""
    yield _read(file)
    if overlay:
        path = file.with_name(f"{file.stem}.{overlay}{file.suffix}")
        if not path.is_file():
            raise ConfigError(f"DICOM_COMMON_ENV asks for {path}, which is not there: write it or unset the variable.")
        yield _read(path)


def _read(file: Path) -> Tree:
    try:
        with file.open("rb") as stream:
            table = tomllib.load(stream)
    except FileNotFoundError:
        raise ConfigError(f"The configuration file {file} is not there; `dicom-common init` writes one.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not valid TOML: it is not UTF-8 text.") from None
    except OSError as error:
        raise ConfigError(f"The configuration file {file} cannot be read: {error.strerror}.") from error
    return from_mapping(table, str(file), folder=file.parent)


def from_mapping(table: Mapping[str, Any], origin: str, *, is_text: bool = False, folder: Path | None = None) -> Tree:
    """Make a layer of nested mappings; a dotted key is a key of a table."""
    tree: Tree = {}
    for key, value in table.items():
        name, _, rest = key.partition(".")
        values = {rest: value} if rest else value
        if rest or (isinstance(value, Mapping) and not _is_reference(value)):
            section = tree.setdefault(name, {})
            if isinstance(section, Raw):
                raise ConfigError(f"{origin}: {name} is used as a value and as a table.")
            section |= {k: Raw(v, origin, is_text=is_text, folder=folder) for k, v in values.items()}
        else:
            tree[name] = Raw(value, origin, is_text=is_text, folder=folder)
    return tree


def _is_reference(value: Mapping[str, Any]) -> bool:
    # At the top level no table has one key called `env` or `file` only, so this is `tenant = { env = "NAME" }`.
    return len(value) == 1 and next(iter(value)) in ("env", "file")


def environment(folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables, with those of a `.env` file in the folder behind them."""
    file = folder / ".env"
    found: dict[str, str] = {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        lines = []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {type(error).__name__}.") from error
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ").lstrip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"{file}, line {number}: expected NAME=VALUE.")
        value = value.strip()
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        found[name.strip()] = value[1:-1] if quoted else value.split(" #")[0].rstrip()
    return found | dict(variables)


def variables_layer(variables: Mapping[str, str]) -> Tree:
    """Make a layer of the variables `DICOM_COMMON_<KEY>` and `DICOM_COMMON_<TABLE>__<KEY>`."""
    tree: Tree = {}
    for name, value in sorted(variables.items()):
        if not name.startswith(PREFIX) or name in _RESERVED or name.startswith(_RESERVED_PREFIX):
            continue
        raw = Raw(value, f"variable {name}", is_text=True)
        table, _, key = name.removeprefix(PREFIX).lower().partition("__")
        section = tree.get(table)
        if not key and section is None:
            tree[table] = raw
        elif key and not isinstance(section, Raw):
            tree.setdefault(table, {})[key] = raw  # type: ignore[index]  # it is a table: see the line above
        else:
            raise ConfigError(f"The variable {name} gives a value where another variable gives a table.")
    return tree


def merge(below: Tree, above: Tree) -> Tree:
    """Lay one layer over another: tables key by key, values whole."""
    merged: Tree = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        if isinstance(value, dict) and isinstance(under, dict):
            merged[name] = under | value
        elif under is not None and isinstance(value, dict) != isinstance(under, dict):
            origin = value.origin if isinstance(value, Raw) else next(iter(value.values())).origin
            raise ConfigError(f"{origin}: {name} is a value in one place and a table in another.")
        else:
            merged[name] = dict(value) if isinstance(value, dict) else value
    return merged
