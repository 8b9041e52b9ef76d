"""The body of a message, as it is printed."""

from __future__ import annotations

import base64
import json
from typing import Any

__all__ = ["readable"]


def readable(body: bytes) -> Any:
    """Return a body as what it is: JSON, else text, else base64."""
    try:
        return json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        pass
    try:
        return body.decode()
    except UnicodeDecodeError:
        return base64.b64encode(body).decode()


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
