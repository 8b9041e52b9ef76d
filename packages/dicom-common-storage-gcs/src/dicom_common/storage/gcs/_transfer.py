"""The bytes of objects on their way: requests that the SDK makes only with copies, and large objects in parts.

The SDK can only hand over whole ranges in memory, and makes three copies of what it sends: with parts of 8 MiB, four at
once, that was 150 MB. So bodies are read and put together here, and go by the SDK's own session.

Of the three ways that Google has for large objects, a resumable upload sends its parts one after the other, and an XML
multipart upload takes no precondition when it completes. Composing has parallel parts, and the precondition.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import uuid4

import google_crc32c
import requests
from urllib3.exceptions import HTTPError

from dicom_common.core import UnavailableError
from dicom_common.storage.object import Body, RemoteObject

__all__ = ["MOST_SOURCES", "PARTS", "ResponseBody", "checksum", "compose_all", "each", "part_name", "upload"]


class ResponseBody(Body):
    """The body of an answer."""

    def __init__(self, response: requests.Response, found: RemoteObject, host: str) -> None:
        self.found = found
        self._response = response
        self._host = host

    def read(self, size: int) -> bytes:
        """See `Body`."""
        try:
            # urllib3 itself compares what came with Content-Length: a body that ends early is an error.
            data: bytes = self._response.raw.read(size, decode_content=False)
        except (HTTPError, OSError) as error:
            raise UnavailableError(f"The connection to {self._host} broke in the middle of an object.") from error
        return data

    def close(self) -> None:
        """See `Body`."""
        self._response.close()


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


MOST_SOURCES = 32
"""How many objects one request composes."""
PARTS = "parts"
"""The folder of parts, below the reserved segment."""
_THREADS = 8

T = TypeVar("T")
R = TypeVar("R")


def part_name(folder: str, number: int, level: int = 0) -> str:
    """Name a part; those that are composed of others have a higher level."""
    return f"{folder}{level}-{number:06d}"


def compose_all(folder: str, parts: Sequence[T], compose: Callable[[str, Sequence[T]], T]) -> list[T]:
    """Compose groups of parts, and groups of those, until one request can take what is left.

    Args:
        folder: where the composed ones are put.
        parts: in order.
        compose: makes an object of that name of some parts.
    """
    level = 0
    left = list(parts)
    while len(left) > MOST_SOURCES:
        level += 1
        groups = [left[at : at + MOST_SOURCES] for at in range(0, len(left), MOST_SOURCES)]
        named = [(part_name(folder, number, level), group) for number, group in enumerate(groups)]
        left = each(lambda pair: compose(*pair), named)
    return left


def each(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Call a function for each item, some at once; the first error is raised when all have been tried."""
    if len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(_THREADS, len(items))) as pool:
        return [future.result() for future in [pool.submit(function, item) for item in items]]
