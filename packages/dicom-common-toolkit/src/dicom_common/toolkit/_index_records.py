"""An entry of the index as one JSON text, for stores that keep documents."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from dataclasses import fields
from datetime import date, datetime, time
from typing import Any

from dicom_common.core import Entry, Finding, Instance, PersonName, PixelData, RequestAttributes
from dicom_common.toolkit._json import parse_json

__all__ = ["entry_from_text", "entry_text"]

_READ: dict[str, Callable[[Any], Any]] = {
    "pixel_data": lambda value: PixelData(*value),
    "warnings": lambda value: tuple(Finding(*one) for one in value),
    "request_attributes": lambda value: tuple(RequestAttributes(*one) for one in value),
}
for _field in fields(Instance):
    if _field.name in _READ:
        continue
    if "PersonName" in str(_field.type):
        _READ[_field.name] = lambda value: PersonName(*value)
    elif str(_field.type).startswith("date"):
        _READ[_field.name] = date.fromisoformat
    elif "time_of_day" in str(_field.type):
        _READ[_field.name] = time.fromisoformat
    elif str(_field.type).startswith("tuple"):
        _READ[_field.name] = tuple
_DEFAULTS = {each.name: each.default for each in fields(Instance)}


def entry_text(entry: Entry) -> str:
    """Write an entry as JSON.

    Text keeps what UTF-8 can hold: a lone surrogate becomes `?`. As in every index, a number that is not finite, or
    that no integer of DICOM can be, is left out, and a negative zero becomes 0.0.
    """
    instance = {
        name: value
        for name, default in _DEFAULTS.items()
        if (value := _plain(name, getattr(entry.instance, name))) not in (None, default)
    }
    made = {
        "tenant": entry.tenant,
        "key": entry.key,
        "received": entry.received.isoformat(),
        "metadata": base64.b64encode(entry.metadata).decode(),
        "frames": base64.b64encode(entry.frames).decode(),
        "instance": instance,
    }
    return json.dumps(made, ensure_ascii=False).encode("utf-8", "replace").decode()


def entry_from_text(text: str) -> Entry:
    """Read what `entry_text` wrote."""
    made = parse_json(text)
    values = made["instance"]
    known = {name: _READ[name](value) if name in _READ else value for name, value in values.items()}
    return Entry(
        tenant=made["tenant"],
        key=made["key"],
        received=datetime.fromisoformat(made["received"]),
        metadata=base64.b64decode(made["metadata"]),
        frames=base64.b64decode(made["frames"]),
        instance=Instance(**known),
    )


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float):
        return value + 0.0 if math.isfinite(value) else None
    if isinstance(value, int) and name != "size":
        return value if -(1 << 31) <= value < 1 << 32 else None
    if isinstance(value, tuple) and any(isinstance(each, float) for each in value):
        return tuple(each + 0.0 for each in value) if all(map(math.isfinite, value)) else None
    return value
