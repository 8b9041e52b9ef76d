"""One request that carries an object and what is kept with it.

The SDK makes three copies of the bytes before it sends them: with parts of 8 MiB, four at once, that was 150 MB. So the
body is put together here, of views, and sent with the SDK's own session. It is a documented request of the JSON API (a
multipart upload in Google's sense: one request).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import google_crc32c
import requests

__all__ = ["checksum", "upload"]

_PIECE = 1 << 20


def checksum(body: bytes | memoryview) -> str:
    """Return the CRC32C of some bytes as Google writes it."""
    # The C code takes nothing but bytes: a view goes through it in pieces, not as a copy of the whole.
    view, value = memoryview(body), 0
    for at in range(0, len(view), _PIECE):
        value = google_crc32c.extend(value, bytes(view[at : at + _PIECE]))
    return base64.b64encode(value.to_bytes(4, "big")).decode()


def upload(  # noqa: PLR0913 - what a request has
    session: requests.Session,
    url: str,
    name: str,
    body: bytes | memoryview,
    *,
    metadata: dict[str, str] | None,
    if_absent: bool,
    timeout: tuple[float, float],
) -> requests.Response:
    """Send an object; the store compares its checksum before there is one."""
    resource: dict[str, Any] = {
        "name": name,
        "contentType": "application/octet-stream",
        "crc32c": checksum(body),
        **({"metadata": metadata} if metadata else {}),
    }
    content = _Content(resource, body)
    return session.request(
        "POST",
        url,
        params={"uploadType": "multipart", **({"ifGenerationMatch": "0"} if if_absent else {})},
        data=content,  # type: ignore[arg-type]  # requests takes what urllib3 takes, views too
        headers={"Content-Type": f"multipart/related; boundary={content.boundary}"},
        timeout=timeout,
    )


class _Content:
    """The body of the request. It can be sent again: a token may turn out to be expired on the way."""

    def __init__(self, resource: dict[str, Any], body: bytes | memoryview) -> None:
        self.boundary = uuid4().hex
        head = (
            f"--{self.boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(resource)}\r\n"
            f"--{self.boundary}\r\nContent-Type: application/octet-stream\r\n\r\n"
        )
        self._pieces = (head.encode(), body, f"\r\n--{self.boundary}--\r\n".encode())

    def __len__(self) -> int:
        return sum(len(piece) for piece in self._pieces)

    def __iter__(self) -> Iterator[bytes | memoryview]:
        return (piece for piece in self._pieces if len(piece))
