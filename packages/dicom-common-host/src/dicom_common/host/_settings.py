"""From what was written to a settings dataclass: conversion, references, unknown keys. msgspec is used here only."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from dicom_common.core import ConfigError, Limits, Secret
from dicom_common.host._layers import Raw, is_reference
from dicom_common.host._limits import is_within, limits_text
from dicom_common.toolkit import did_you_mean, read_regular

__all__ = ["convert", "field_types", "follow"]

T = TypeVar("T")


def field_types(settings: type[Any]) -> dict[str, Any]:
    """Return the resolved types of the fields of a settings dataclass.

    Raises:
        TypeError, NameError: it is no dataclass, or an annotation cannot be read at run time.
    """
    hints = typing.get_type_hints(settings, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(settings) if field.init}


def convert(settings: type[T], table: Mapping[str, Raw], name: str, *, data: Path, environment: Mapping[str, str]) -> T:
    """Make the settings of a table.

    Args:
        settings: a dataclass.
        table: what was written.
        name: the name of the table, for messages; empty for the top level.
        data: the folder that relative paths are relative to, those in the defaults too.
        environment: where `{ env = "NAME" }` looks.

    Raises:
        ConfigError: a key is unknown or missing, or a value is not of its type.
    """
    kinds = field_types(settings)
    prefix = f"{name}." if name else ""
    for key, raw in table.items():
        if key not in kinds:
            known = f" Known: {', '.join(sorted(kinds))}." if kinds else f" The table [{name}] has no settings here."
            raise ConfigError(f"{raw.origin}: unknown setting {prefix}{key}.{did_you_mean(key, kinds) or known}")
    values = {}
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]  # every settings class is a dataclass
        if field.name in table:
            value = _value(table[field.name], kinds[field.name], f"{prefix}{field.name}", data, environment)
        elif not field.init:
            continue
        elif field.default is not dataclasses.MISSING:
            value = field.default
        elif field.default_factory is not dataclasses.MISSING:
            value = field.default_factory()
        else:
            raise ConfigError(f"The setting {prefix}{field.name} is missing: add it to the configuration.")
        values[field.name] = _absolute(value, data)
    try:
        return settings(**values)
    except (ValueError, ConfigError) as error:
        origins = ", ".join(sorted({raw.origin for raw in table.values()})) or "the defaults"
        text = str(error)
        end = "" if text.endswith((".", "?", "!")) else "."
        raise ConfigError(f"{origins}: {name or 'top level'}: {text}{end}") from error
    except Exception as error:
        # Its text was not written for a person, and may hold a secret.
        raise ConfigError(
            f"{name or 'top level'}: the settings cannot be checked ({type(error).__name__}): tell the author of the"
            " plugin."
        ) from error


def follow(raw: Raw, key: str, environment: Mapping[str, str]) -> Raw:
    """Replace `{ env = "NAME" }` and `{ file = "PATH" }` by what they stand for.

    Raises:
        ConfigError: the variable is not set, the file cannot be read, or one of them is empty.
    """
    if not is_reference(raw.value):
        return raw
    ((source, target),) = raw.value.items()
    if source == "env":
        if target not in environment:
            raise ConfigError(f"{raw.origin}: {key} asks for the variable {target}, which is not set.")
        if not environment[target].strip():
            raise ConfigError(f"{raw.origin}: {key} asks for the variable {target}, which is empty: give it a value.")
        return Raw(environment[target], f"variable {target} (asked for by {raw.origin})", is_text=True)
    path = (raw.folder or Path.cwd()) / target
    try:
        text = read_regular(path).decode("utf-8")
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or no path at all
        why = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"{raw.origin}: {key} asks for the file {path}, which cannot be read: {why}.") from None
    if not text.strip():
        raise ConfigError(f"{raw.origin}: {key} asks for the file {path}, which is empty: write the value into it.")
    return Raw(text.removesuffix("\n"), f"file {path} (asked for by {raw.origin})", is_text=True)


def _value(raw: Raw, kind: Any, key: str, data: Path, environment: Mapping[str, str]) -> Any:
    """Convert what was written; the parts of tables and lists one by one, since each may be a reference."""
    if typing.get_origin(kind) is typing.Annotated:
        kind, *metadata = typing.get_args(kind)
        value = _value(raw, kind, key, data, environment)
        for limits in metadata:
            if isinstance(limits, Limits) and value is not None and not is_within(limits, value):
                raise ConfigError(f"{raw.origin}: {key} is {value:g}: give {limits_text(limits)}.")
        return value
    shape = _without_none(kind)
    if dataclasses.is_dataclass(shape):
        raw = _parsed(raw)
        if not isinstance(raw.value, Mapping):
            raise ConfigError(f"{raw.origin}: {key} has to be a table.")
        inner = {k: dataclasses.replace(raw, value=v) for k, v in raw.value.items()}
        return convert(shape, inner, key, data=data, environment=environment)  # type: ignore[arg-type]  # a class
    container = typing.get_origin(shape)
    if container is not dict:  # `{ env = "NAME" }` is a value of its own there
        raw = follow(raw, key, environment)
    item = _item_type(shape)
    if item is not None:
        raw = _parsed(raw)
        parts = _parts(raw, container, key)
        if parts is not None:
            values = [
                _value(dataclasses.replace(raw, value=part), item, place, data, environment) for place, part in parts
            ]
            return dict(zip(raw.value, values, strict=True)) if container is dict else container(values)
    return _converted(raw, kind, key)


def _parts(raw: Raw, container: Any, key: str) -> list[tuple[str, Any]] | None:
    """Return the parts of a list or of a table of tables, each with where it stands; None where it is no such thing."""
    if container is dict:
        if not isinstance(raw.value, Mapping):
            raise ConfigError(f"{raw.origin}: {key} has to be a table of tables.")
        return [(f"{key}.{name}", part) for name, part in raw.value.items()]
    if isinstance(raw.value, list | tuple):
        return [(f"{key}[{place}]", part) for place, part in enumerate(raw.value)]
    return None


def _without_none(kind: Any) -> Any:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        others = [part for part in typing.get_args(kind) if part is not types.NoneType]
        return others[0] if len(others) == 1 else kind
    return kind


def _item_type(kind: Any) -> Any:
    """Return X of `tuple[X, ...]`, `list[X]` and, where X is a dataclass, `dict[str, X]`; None for everything else."""
    container, parts = typing.get_origin(kind), typing.get_args(kind)
    if container is dict:
        return parts[1] if dataclasses.is_dataclass(parts[1]) else None
    if (container is tuple and parts[1:] == (...,)) or container is list:
        return parts[0]
    return None


def _converted(raw: Raw, kind: Any, key: str) -> Any:
    import msgspec  # noqa: PLC0415 - 17 ms, for conversions only

    try:
        return msgspec.convert(raw.value, kind, strict=not raw.is_text, dec_hook=_hook)
    except msgspec.ValidationError as error:
        parsed = _parsed(raw)
        if parsed is not raw:
            return _converted(parsed, kind, key)
        raise ConfigError(f"{raw.origin}: {key}: {_reason(str(error), raw, kind)}.") from None
    except TypeError as error:
        raise ConfigError(f"{key}: its type {kind} cannot be configured; tell the author of the plugin.") from error


def _reason(text: str, raw: Raw, kind: Any) -> str:
    if text.startswith("Invalid enum value"):
        # msgspec repeats the value here, and somebody may have put a password in the wrong place.
        return f"it has to be one of {', '.join(_choices(kind))}"
    if raw.is_text and "`array`" in text:
        return f'{text}; write a list as ["a", "b"]'
    return text


def _choices(kind: Any) -> list[str]:
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return [repr(member.value) for member in kind]
    if typing.get_origin(kind) is typing.Literal:
        return [repr(value) for value in typing.get_args(kind)]
    return [choice for part in typing.get_args(kind) for choice in _choices(part)]


def _hook(kind: type, value: Any) -> Any:
    if kind in (Secret, Path):
        if isinstance(value, kind):
            return value
        if isinstance(value, str):
            return _path(value) if kind is Path else Secret(value)
    raise TypeError(f"Expected `str`, got `{type(value).__name__}`")


def _path(text: str) -> Path:
    if "\0" in text:
        raise ValueError("A path has no NUL in it")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"There is no home folder for {text.partition('/')[0]!r}") from None


def _parsed(raw: Raw) -> Raw:
    """Read the text of a variable as a TOML value, for lists and tables; a text that is not TOML stays as it is."""
    if not raw.is_text:
        return raw
    import tomllib  # noqa: PLC0415 - only where a table or a list is in a variable

    try:
        (value,) = tomllib.loads(f"value = {raw.value}").values()
    except (ValueError, RecursionError):  # no TOML, more than one line of it, or lists that nest too deep
        return raw
    return dataclasses.replace(raw, value=value, is_text=False)


def _absolute(value: Any, data: Path) -> Any:
    """Resolve relative paths, in lists and in tables too, also tables by name, against the data folder."""
    if isinstance(value, Path):
        return data / value
    if type(value) in (tuple, list):
        return type(value)(_absolute(part, data) for part in value)
    if type(value) is dict:
        return {name: _absolute(part, data) for name, part in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        changed = {k: absolute for k, v in parts.items() if (absolute := _absolute(v, data)) != v}
        return dataclasses.replace(value, **changed) if changed else value
    return value
