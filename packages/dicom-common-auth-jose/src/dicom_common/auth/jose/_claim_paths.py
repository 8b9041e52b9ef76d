"""Claims by a path: JSONPath (RFC 9535), read once from the settings. python-jsonpath is used here only."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jsonpath
from jsonpath.segments import JSONPathRecursiveDescentSegment

from dicom_common.core import ConfigError

__all__ = ["Find", "compiled"]

Find = Callable[[dict[str, Any]], list[Any]]
"""Gives all values at a path of the claims."""

_ENVIRONMENT = jsonpath.JSONPathEnvironment(strict=True)


@lru_cache(maxsize=1024)
def compiled(path: str) -> Find:
    """Return what finds the values of a path.

    Raises:
        ConfigError: it is no JSONPath, or one that looks everywhere (`..`) or filters (`?`): who may choose the names
            of claims would choose what is found.
    """
    try:
        found = _ENVIRONMENT.compile(path)
    except Exception:  # noqa: BLE001 - its errors fail to print some texts, and some are Python's own
        found = None
    if not isinstance(found, jsonpath.JSONPath) or path == "$":
        raise ConfigError(f"{path!r} is not a JSONPath to a claim: write it such as $.realm_access.roles")
    if any(isinstance(part, JSONPathRecursiveDescentSegment) for part in found.segments) or "?" in path:
        raise ConfigError(f"{path!r} has .. or a filter: write the way to the claim, such as $.realm_access.roles")
    find: Find = found.findall
    return find
