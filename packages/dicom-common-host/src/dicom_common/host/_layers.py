"""Where configuration comes from: files, overlays, variables and the command line, merged with their origins."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dicom_common.core import ConfigError
from dicom_common.host._config_files import is_there, read_config_file
from dicom_common.host._service_links import is_service_link

__all__ = [
    "DOT_ENV",
    "NAMED",
    "PREFIX",
    "Raw",
    "Tree",
    "environment",
    "file_layers",
    "files_in_use",
    "from_mapping",
    "is_reference",
    "merge",
    "overlay_of",
    "refuse_empty",
    "variables_layer",
]

PREFIX = "DICOM_COMMON_"
NAMED = ("storages",)
"""Tables whose members are tables with names of the operator's choice: `[storages.archive]`."""
DOT_ENV = ".env"
_RESERVED = ("DICOM_COMMON_ENV", "DICOM_COMMON_CONFIG")
_OVERLAY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RESERVED_PREFIX = "DICOM_COMMON_TEST_"  # where the test kit finds its servers


@dataclass(frozen=True, slots=True)
class Raw:
    """A value as it was written, and where."""

    value: Any = field(repr=False)  # it may turn out to be a secret
    origin: str
    is_text: bool = False
    """It comes from a variable or the command line, where everything is text: "8" may be a number."""
    folder: Path | None = None
    """The folder of the file that it was written in."""


Tree = dict[str, "Raw | dict[str, Raw]"]
"""Top-level keys and tables of the configuration. A table below a table is a value of its own, but for those below one
of `NAMED`, which are tables of the tree under their whole name, such as `storages.archive`."""


def file_layers(file: Path, overlay: str | None, keys: Collection[str], *, is_found: bool = False) -> Iterator[Tree]:
    """Read the configuration file, then its overlay for one environment (`dicom-common.<overlay>.toml`).

    `is_found`: the file was found, not named; see `read_config_file`.
    """
    yield _read(file, keys, is_found=is_found)
    if overlay:
        path = overlay_of(file, overlay)
        if not is_there(path):
            raise ConfigError(f"DICOM_COMMON_ENV asks for {path}, which is not there: write it or unset the variable.")
        yield _read(path, keys, is_found=is_found)


def overlay_of(file: Path, overlay: str) -> Path:
    """Return where the overlay of a configuration file for one environment is.

    Raises:
        ConfigError: the name of the environment cannot be part of a file's name.
    """
    if not _OVERLAY.fullmatch(overlay):
        raise ConfigError(
            f"DICOM_COMMON_ENV is {overlay!r}: use up to 64 letters, digits, '.', '_' and '-', beginning with a letter"
            " or digit."
        )
    return file.with_name(f"{file.stem}.{overlay}{file.suffix}")


def _read(file: Path, keys: Collection[str], *, is_found: bool) -> Tree:
    import tomllib  # noqa: PLC0415 - only where there is a file

    try:
        table = tomllib.loads(read_config_file(file, is_found=is_found))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}.") from None
    except RecursionError:
        raise ConfigError(f"{file} is not a configuration: its lists and tables nest too deep.") from None
    except ValueError:
        raise ConfigError(f"{file} is not a configuration: a number in it has too many digits.") from None
    return from_mapping(table, str(file), keys, folder=file.parent)


def from_mapping(
    table: Mapping[str, Any],
    origin: str,
    keys: Collection[str],
    *,
    is_text: bool = False,
    folder: Path | None = None,
) -> Tree:
    """Make a layer of nested mappings; a dotted key is a key of a table.

    `keys` are the settings outside every table: below one of them `{ env = "NAME" }` is a reference, and below any
    other name it is a table with a setting called `env`.
    """
    tree: Tree = {}

    def raw(value: Any) -> Raw:
        return Raw(value, origin, is_text=is_text and isinstance(value, str), folder=folder)

    for key, value in _flat(table, origin):
        name, _, rest = key.partition(".")
        if name in NAMED:
            member, _, rest = rest.partition(".")
            name = f"{name}.{member}"
        values = {rest: value} if rest else value
        if rest or (isinstance(value, Mapping) and not (name in keys and is_reference(value))):
            section = tree.setdefault(name, {})
            if isinstance(section, Raw):
                raise ConfigError(f"{origin}: {name} is used as a value and as a table.")
            section |= {k: raw(v) for k, v in values.items()}
        else:
            tree[name] = raw(value)
    return tree


def _flat(table: Mapping[str, Any], origin: str) -> Iterator[tuple[str, Any]]:
    """Iterate over keys and values; the members of a `NAMED` table stand there as `table.member`."""
    for key, value in table.items():
        name, _, member = key.partition(".")
        if name not in NAMED or "." in member:
            yield key, value
            continue
        members = {member: value} if member else value
        if not isinstance(members, Mapping) or not all(isinstance(inner, Mapping) for inner in members.values()):
            raise ConfigError(f"{origin}: below [{name}] stand tables: write [{name}.NAME].")
        for inner_name, inner in members.items():
            if "." in inner_name:
                raise ConfigError(f"{origin}: the name of [{name}.NAME] has no dot.")
            yield f"{name}.{inner_name}", inner


def is_reference(value: Any) -> bool:
    """Tell whether a value is `{ env = "NAME" }` or `{ file = "PATH" }`."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return False
    ((key, target),) = value.items()
    return key in ("env", "file") and isinstance(target, str)


def environment(folder: Path, variables: Mapping[str, str], *, is_found: bool = False) -> dict[str, str]:
    """Return the variables, with those of a `.env` file in the folder behind them.

    `is_found`: the folder was found, not named; see `read_config_file`.
    """
    file = folder / DOT_ENV
    found: dict[str, str] = {}
    lines = read_config_file(file, is_found=is_found).splitlines() if is_there(file) else []
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ").lstrip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"{file}, line {number}: expected NAME=VALUE.")
        found[name.strip()] = _unquoted(value.strip())
    return found | dict(variables)


def files_in_use(
    folder: Path, file: Path | None, overlay: str | None, environment: Mapping[str, str], variables: Mapping[str, str]
) -> tuple[Path, ...]:
    """Return the files that a configuration was read from; `.env` where it has settings of this library."""
    files = [file, overlay_of(file, overlay) if overlay else None] if file else []
    is_dot_env = any(name.startswith(PREFIX) and name not in variables for name in environment)
    return tuple((folder / found).absolute() for found in (*files, DOT_ENV if is_dot_env else None) if found)


def _unquoted(value: str) -> str:
    """Take off quotes, within which everything counts, or else a comment behind the value."""
    if quoted := re.fullmatch(r"""(["'])(.*?)\1(\s+#.*)?""", value):
        return quoted[2]
    return re.split(r"(?:^|\s)#", value, maxsplit=1)[0].rstrip()


def _ours(variables: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in variables.items()
        if name.startswith(PREFIX) and not name.startswith(_RESERVED_PREFIX) and not is_service_link(name, variables)
    }


def refuse_empty(variables: Mapping[str, str]) -> None:
    """Refuse a variable of ours without a value.

    It may stand for "none", for a mistake in a template, or for a secret that is missing; which one cannot be told.

    Raises:
        ConfigError: it names the variable.
    """
    for name, value in sorted(_ours(variables).items()):
        if not value.strip():
            raise ConfigError(f"The variable {name} is empty: give it a value, or unset it.")


def variables_layer(variables: Mapping[str, str]) -> Tree:
    """Make a layer of the variables `DICOM_COMMON_<KEY>` and `DICOM_COMMON_<TABLE>__<KEY>`.

    Raises:
        ConfigError: one of them names no key.
    """
    tree: Tree = {}
    for name, value in sorted(_ours(variables).items()):
        if name in _RESERVED:
            continue
        raw = Raw(value, f"variable {name}", is_text=True)
        table, _, key = name.removeprefix(PREFIX).lower().partition("__")
        if table in NAMED:
            member, _, key = key.partition("__")
            if not member or not key:
                expected = f"{PREFIX}{table.upper()}__NAME__KEY"
                raise ConfigError(f"The variable {name} has to name a table and a key: {expected}.")
            table = f"{table}.{member}"
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
            origins = {
                raw.origin for side in (under, value) for raw in ([side] if isinstance(side, Raw) else side.values())
            }
            raise ConfigError(f"{', '.join(sorted(origins))}: {name} is a value in one place and a table in another.")
        else:
            merged[name] = dict(value) if isinstance(value, dict) else value
    return merged
