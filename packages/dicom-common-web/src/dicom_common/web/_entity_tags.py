"""Entity tags (RFC 9110 13.1.2): whether a client has already what it asks for."""

from __future__ import annotations

import re

from starlette.requests import Request

__all__ = ["has_current"]

_ETAG = re.compile(r'(?:W/)?("[^"]*")')


def has_current(request: Request, etag: str) -> bool:
    """Tell whether `If-None-Match` names an entity tag; a weak one counts as its strong one."""
    asked = ",".join(request.headers.getlist("if-none-match"))
    return asked.strip() == "*" or etag.removeprefix("W/") in _ETAG.findall(asked)
