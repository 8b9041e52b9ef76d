"""The bearer token of a web request (RFC 6750)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

from dicom_common.core import MAX_TOKEN_BYTES, AuthenticationError

__all__ = ["bearer_token"]

_CREDENTIALS = re.compile(rb"bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)


def bearer_token(headers: Iterable[tuple[bytes, bytes]], query: bytes = b"") -> str:
    """Return the token of the one Authorization header of a request.

    Args:
        headers: names and values as they were received; ASGI's `scope["headers"]`.
        query: what stands behind the `?` of the request's target. A token there ends up in logs and in the history
            of browsers (RFC 6750 5.3): such a request is refused even if its header is right.

    Raises:
        AuthenticationError: there is no such header, more than one, or it does not hold a bearer token of at most 8 kB.
    """
    try:
        names = [name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)]
    except ValueError:  # more parameters than Python reads
        names = ["access_token"]
    if any(name.strip().lower() == "access_token" for name in names):
        raise AuthenticationError("A token in the query is not accepted: send it in the header Authorization.")
    found = [value for name, value in headers if name.strip().lower() == b"authorization"]
    if len(found) != 1:
        raise AuthenticationError("Exactly one header Authorization with a bearer token is needed.")
    value = found[0].strip(b" \t")
    if len(value) > MAX_TOKEN_BYTES + 64:
        raise AuthenticationError("The bearer token is longer than 8192 bytes.")
    match = _CREDENTIALS.fullmatch(value)
    if match is None:
        raise AuthenticationError("The header Authorization has to be the word Bearer, a space and a token.")
    if len(match[1]) > MAX_TOKEN_BYTES:
        raise AuthenticationError("The bearer token is longer than 8192 bytes.")
    return match[1].decode("ascii")
