"""The query part of a request's URI: its parameters, decoded once (RFC 3986 2.4)."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

from dicom_common.web._errors import HttpError

__all__ = ["query_pairs", "single_parameters"]

_MAX_PARAMETERS = 256
_NOT_ENCODED = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def query_pairs(request: Request) -> list[tuple[str, str]]:
    """Return the parameters in their order, decoded once.

    A `+` is a space, as HTML forms and most clients write it; a plus sign is `%2B`. In `accept` it stays what it is,
    since media types are written with it (`application/dicom+json`).

    Raises:
        HttpError: 400, the query is not percent-encoded UTF-8, or has more than 256 parameters.
    """
    query: bytes = request.scope["query_string"]
    if _NOT_ENCODED.search(query):
        raise HttpError(400, "The query has a % that two hex digits do not follow: write %25 (RFC 3986 2.1).")
    members = [member for member in query.split(b"&") if member]
    if len(members) > _MAX_PARAMETERS:
        raise HttpError(400, f"The query has more than {_MAX_PARAMETERS} parameters.")
    try:
        return [_pair(member) for member in members]
    except UnicodeDecodeError:
        raise HttpError(400, "The query is not UTF-8 text.") from None


def _pair(member: bytes) -> tuple[str, str]:
    name, _, value = member.partition(b"=")
    if name != b"accept":
        value = value.replace(b"+", b" ")
    return unquote_to_bytes(name.replace(b"+", b" ")).decode(), unquote_to_bytes(value).decode()


def single_parameters(request: Request) -> dict[str, str]:
    """Return the parameters of a resource that takes each of them once.

    Raises:
        HttpError: 400, one is repeated, or as in `query_pairs`.
    """
    pairs = query_pairs(request)
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        raise HttpError(400, "A parameter of the query is repeated: use each once.")
    return parameters
