"""From what was written to a settings dataclass: conversion, references, unknown keys. msgspec is used here only."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from dicom_common.core._errors import ConfigError
from dicom_common.core._layers import Raw
from dicom_common.core._secret import Secret

__all__ = ["convert", "did_you_mean", "field_types"]

T = TypeVar("T")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` where something known is close to the word, else an empty text."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def field_types(settings: type[Any]) -> dict[str, Any]:
    """Return the resolved types of the fields of a settings dataclass."""
    hints = typing.get_type_hints(settings)
    return {field.name: hints[field.name] for field in dataclasses.fields(settings) if field.init}


def convert(settings: type[T], table: Mapping[str, Raw], name: str, *, data: Path, environment: Mapping[str, str]) -> T:
    """Make the settings of a table.

    Args:
        settings: a dataclass.
        table: what was written.
        name: the name of the table, for messages; empty for the top level.
        data: the folder that relative paths are relative to.
        environment: where `{ env = "NAME" }` looks.

    Raises:
        ConfigError: a key is unknown or missing, or a value is not of its type.
    """
    types = field_types(settings)
    prefix = f"{name}." if name else ""
    for key, raw in table.items():
        if key not in types:
            known = f" Known: {', '.join(sorted(types))}." if types else f" The table [{name}] has no settings here."
            raise ConfigError(f"{raw.origin}: unknown setting {prefix}{key}.{did_you_mean(key, types) or known}")
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]  # every settings class is a dataclass
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if field.init and required and field.name not in table:
            raise ConfigError(f"The setting {prefix}{field.name} is missing: add it to the configuration.")
    values = {key: _value(raw, types[key], f"{prefix}{key}", data, environment) for key, raw in table.items()}
    try:
        made = settings(**values)
    except ValueError as error:
        origins = ", ".join(sorted({raw.origin for raw in table.values()})) or "the defaults"
        raise ConfigError(f"{origins}: {name or 'top level'}: {error}") from error
    return _with_absolute_paths(made, types, data)


def _value(raw: Raw, kind: Any, key: str, data: Path, environment: Mapping[str, str]) -> Any:
    if dataclasses.is_dataclass(kind):
        if not isinstance(raw.value, Mapping):
            raise ConfigError(f"{raw.origin}: {key} has to be a table.")
        inner = {k: dataclasses.replace(raw, value=v) for k, v in raw.value.items()}
        return convert(kind, inner, key, data=data, environment=environment)  # type: ignore[arg-type]  # a class
    raw = _follow(raw, key, environment)
    import msgspec  # noqa: PLC0415 - 17 ms that nobody needs who only imports the core

    try:
        return msgspec.convert(raw.value, kind, strict=not raw.is_text, dec_hook=_hook)
    except msgspec.ValidationError as error:
        if raw.is_text and (parsed := _parse(raw.value)) is not None:
            return _value(dataclasses.replace(raw, value=parsed, is_text=False), kind, key, data, environment)
        # A Literal's message repeats the value; one that comes from a file or variable may be a secret.
        reason = f"{error}" if kind is not Secret else "it has to be a text"
        raise ConfigError(f"{raw.origin}: {key}: {reason}.") from None


def _follow(raw: Raw, key: str, environment: Mapping[str, str]) -> Raw:
    """Replace `{ env = "NAME" }` and `{ file = "PATH" }` by what they stand for."""
    value = raw.value
    if not (isinstance(value, Mapping) and len(value) == 1 and isinstance(next(iter(value.values())), str)):
        return raw
    if "env" in value:
        name = value["env"]
        if name not in environment:
            raise ConfigError(f"{raw.origin}: {key} asks for the variable {name}, which is not set.")
        return Raw(environment[name], f"variable {name} (asked for by {raw.origin})", is_text=True)
    if "file" in value:
        path = (raw.folder or Path.cwd()) / value["file"]
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8 text"
            raise ConfigError(f"{raw.origin}: {key} asks for the file {path}, which cannot be read: {why}.") from None
        return Raw(text.removesuffix("\n"), f"file {path} (asked for by {raw.origin})", is_text=True)
    return raw


def _hook(kind: type, value: Any) -> Any:
    if kind in (Secret, Path) and isinstance(value, str):
        return kind(value)
    raise TypeError(f"Expected `str`, got `{type(value).__name__}`")


def _parse(text: str) -> Any:
    """Read the text of a variable as a TOML value, for lists and tables; None where it is not one."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return None


def _with_absolute_paths(made: T, types: Mapping[str, Any], data: Path) -> T:
    """Resolve relative paths, defaults too, against the data folder."""
    changes = {
        name: data / value
        for name in types
        if isinstance(value := getattr(made, name), Path) and not value.is_absolute()
    }
    return dataclasses.replace(made, **changes) if changes else made  # type: ignore[type-var]  # a dataclass
