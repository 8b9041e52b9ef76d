"""Writing `multipart/related` (RFC 2387, RFC 2046 5.1): part by part, in constant memory."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

__all__ = ["Part", "multipart_type", "new_boundary", "write_multipart"]


class Part(NamedTuple):
    """One part of a body."""

    headers: Mapping[str, str]
    chunks: Iterator[bytes]
    """Its bytes; closed after the part, if it can be closed."""


def new_boundary() -> str:
    """Return a boundary of 32 random hex digits: no data has it, because it cannot be known before."""
    return secrets.token_hex(16)


def multipart_type(media_type: str, boundary: str) -> str:
    """Return the content type of a body whose parts are of a media type."""
    return f'multipart/related; type="{media_type}"; boundary={boundary}'


def write_multipart(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    """Iterate over the body. It is complete only with the last chunk, which the closing delimiter is in."""
    beginning = f"--{boundary}\r\n"
    for headers, chunks in parts:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        yield f"{beginning}{lines}\r\n".encode("ascii")
        try:
            yield from chunks
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        beginning = f"\r\n--{boundary}\r\n"
    yield f"{beginning[:-2]}--\r\n".encode("ascii")
