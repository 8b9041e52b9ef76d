"""HTTP/1.1 with little of the client's own time: one socket, kept alive, and nothing parsed but the framing.

Client and server of a benchmark share the machine, so that what the client needs counts for both sides of a ratio and
hides a part of their difference. `http.client` takes 0.2 to 0.5 ms for a request, more than some answers take.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

__all__ = ["Connection", "connected"]

_ROOM = 4 << 20
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Connection:
    """One connection to a server on this machine, over which one request is made at a time.

    Args:
        port: of the server.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = f"127.0.0.1:{port}"
        self._buffer = bytearray(_ROOM)

    def get(self, path: str, headers: Mapping[str, str] = _NO_HEADERS) -> bytes:
        """Return the body of the answer.

        Raises:
            AssertionError: its status is not 200.
        """
        self._socket.sendall(self._head("GET", path, headers))
        return self._answer()

    def post(self, path: str, body: bytes, headers: Mapping[str, str] = _NO_HEADERS) -> bytes:
        """Send a body, and return that of the answer.

        Raises:
            AssertionError: its status is not 200.
        """
        head = self._head("POST", path, {**headers, "Content-Length": str(len(body))})
        sent = self._socket.sendmsg([head, body])
        if sent < len(head) + len(body):
            self._socket.sendall(memoryview(body)[max(0, sent - len(head)) :])
        return self._answer()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _head(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _answer(self) -> bytes:
        filled, end = 0, -1
        while end < 0:
            filled += self._receive(filled)
            end = self._buffer.find(b"\r\n\r\n", 0, filled)
        head = bytes(self._buffer[:end]).lower()
        if not head.startswith(b"http/1.1 200"):
            raise AssertionError(f"a request of the benchmark was answered with {head[:12].decode('latin-1')}")
        begin, length = end + 4, _header(head, b"content-length")
        if length is None and _header(head, b"transfer-encoding") == b"chunked":
            return self._chunked(begin, filled)
        if length is None:  # until the server closes the connection (RFC 9112 6.3)
            while received := self._receive(filled, may_end=True):
                filled += received
            return bytes(memoryview(self._buffer)[begin:filled])
        whole = begin + int(length)
        while filled < whole:
            filled += self._receive(filled)
        return bytes(memoryview(self._buffer)[begin:whole])

    def _chunked(self, at: int, filled: int) -> bytes:
        """Return the data of chunks (RFC 9112 7.1), of which some have come."""
        pieces: list[bytes] = []
        while True:
            while (end := self._buffer.find(b"\r\n", at, filled)) < 0:
                filled += self._receive(filled)
            size = int(bytes(self._buffer[at:end]).partition(b";")[0], 16)
            begin, whole = end + 2, end + 2 + size + 2
            while filled < whole:
                filled += self._receive(filled)
            if not size:
                return b"".join(pieces)
            pieces.append(bytes(memoryview(self._buffer)[begin : begin + size]))
            at = whole

    def _receive(self, filled: int, *, may_end: bool = False) -> int:
        if filled == len(self._buffer):
            self._buffer += bytes(len(self._buffer))
        received = self._socket.recv_into(memoryview(self._buffer)[filled:])
        if not received and not may_end:
            raise AssertionError("the server closed the connection within an answer")
        return received


def _header(head: bytes, name: bytes) -> bytes | None:
    """Return the value of a header, from a head in lower case; None: it has no such header."""
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key == name:
            return value.strip()
    return None


@contextmanager
def connected(port: int) -> Iterator[Connection]:
    """Connect, and close at the end."""
    connection = Connection(port)
    try:
        yield connection
    finally:
        connection.close()
