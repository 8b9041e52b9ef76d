"""Reading `multipart/related` bodies in tests, strictly: each CRLF has to be where RFC 2046 wants it."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message

import httpx

__all__ = ["ReceivedPart", "parts_of"]


@dataclass(frozen=True)
class ReceivedPart:
    headers: dict[str, str]
    data: bytes

    @property
    def transfer_syntax(self) -> str:
        message = Message()
        message["content-type"] = self.headers["content-type"]
        return str(message.get_param("transfer-syntax", ""))


def parts_of(response: httpx.Response) -> list[ReceivedPart]:
    """Return the parts of an answer that succeeded."""
    assert response.status_code in (200, 206), response.text
    message = Message()
    message["content-type"] = response.headers["content-type"]
    assert message.get_content_type() == "multipart/related"
    boundary = str(message.get_param("boundary"))
    assert 0 < len(boundary) <= 70
    body = b"\r\n" + response.content
    first, *rest, last = body.split(f"\r\n--{boundary}".encode())
    assert first == b""
    assert last == b"--\r\n"
    found = []
    for one in rest:
        assert one.startswith(b"\r\n")
        head, _, data = one[2:].partition(b"\r\n\r\n")
        pairs = (line.split(": ", 1) for line in head.decode("ascii").split("\r\n"))
        headers = {name.lower(): value for name, value in pairs}
        assert headers["content-type"].startswith(str(message.get_param("type")))
        found.append(ReceivedPart(headers, data))
    return found
