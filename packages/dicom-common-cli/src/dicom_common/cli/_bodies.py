"""The body of a message, as it is printed."""

from __future__ import annotations

import base64
from typing import Any

from dicom_common.toolkit import parse_json

__all__ = ["readable"]


def readable(body: bytes) -> Any:
    """Return a body as what it is: JSON, else text, else base64."""
    try:
        return parse_json(body)
    except ValueError:
        pass
    try:
        return body.decode()
    except UnicodeDecodeError:
        return base64.b64encode(body).decode()
