"""HTTP/1.1 as a proxy sees it: heads that are kept as they came, and bodies that pass piece by piece."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator
from io import BufferedReader
from typing import NamedTuple, cast

__all__ = ["BrokenMessageError", "Head", "Peer", "body_pieces", "read_head"]

PIECE = 1 << 16
_LONGEST_HEAD = 1 << 18


class BrokenMessageError(Exception):
    """A peer went away in the middle of a message, or does not speak HTTP/1."""


class Head(NamedTuple):
    """The first line and the headers of a message."""

    first: bytes
    """Without its line break."""
    lines: tuple[bytes, ...]
    """The headers, as they came."""

    def get(self, name: str) -> str | None:
        """Return the value of a header."""
        wanted = name.lower().encode()
        for line in self.lines:
            key, _, value = line.partition(b":")
            if key.strip().lower() == wanted:
                return value.strip().decode("latin-1")
        return None

    def with_header(self, name: str, value: str) -> Head:
        """Return the head with another value of a header."""
        wanted = name.lower().encode()
        kept = tuple(line for line in self.lines if line.partition(b":")[0].strip().lower() != wanted)
        return Head(self.first, (*kept, f"{name}: {value}".encode("latin-1")))

    @property
    def method(self) -> str:
        """The method of a request."""
        return self.first.split(b" ", 1)[0].decode("latin-1")

    @property
    def target(self) -> str:
        """What a request asks for: path and query, as they came."""
        return self.first.split(b" ", 2)[1].decode("latin-1")

    @property
    def status(self) -> int:
        """The status of an answer."""
        return int(self.first.split(b" ", 2)[1])

    @property
    def stays_open(self) -> bool:
        """Whether the connection is to be used again."""
        connection = (self.get("Connection") or "").lower()
        is_1_0 = b"HTTP/1.0" in (self.first[:8], self.first[-8:])
        return "keep-alive" in connection if is_1_0 else "close" not in connection

    def __bytes__(self) -> bytes:
        return b"\r\n".join([self.first, *self.lines, b"", b""])


class Peer:
    """A connection, and what was read from it ahead of time."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = cast("BufferedReader", connection.makefile("rb", PIECE))

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def reset(self) -> None:
        """End the connection with RST: what was sent may be lost, and the peer sees a broken connection."""
        # Closing with a linger time of 0 is what makes the kernel send RST; `makefile` holds the socket open as well.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """End the connection in good order."""
        self.reader.close()
        self.socket.close()


def read_head(reader: BufferedReader) -> Head | None:
    """Read a head; None where the peer has closed between two messages.

    Raises:
        BrokenMessageError: it ended within the head, or this is no HTTP/1.
    """
    lines = list(_lines(reader))
    if not lines:
        return None
    if not re.fullmatch(rb"[A-Z]+ \S+ HTTP/1\.[01]|HTTP/1\.[01] [1-5][0-9][0-9]( .*)?", lines[0]):
        raise BrokenMessageError("not the first line of an HTTP/1 message")
    return Head(lines[0], tuple(lines[1:]))


def _lines(reader: BufferedReader) -> Iterator[bytes]:
    left = _LONGEST_HEAD
    while line := reader.readline(left):
        left -= len(line)
        if not line.endswith(b"\n"):
            raise BrokenMessageError("a head that does not end")
        text = line.rstrip(b"\r\n")
        if not text:
            return
        yield text
    if left != _LONGEST_HEAD:
        raise BrokenMessageError("a connection that ended within a head")


def body_pieces(reader: BufferedReader, head: Head, *, answers: str | None = None) -> Iterator[bytes]:
    """Iterate over a body in its wire format: chunks with their sizes and trailers.

    Args:
        reader: stands behind the head.
        head: tells how the body ends.
        answers: for an answer, the method that it answers.

    Raises:
        BrokenMessageError: the peer went away within the body.
    """
    if answers is not None and (answers == "HEAD" or head.status in (204, 304) or head.status < 200):
        return
    if "chunked" in (head.get("Transfer-Encoding") or "").lower():
        yield from _chunks(reader)
    elif (length := head.get("Content-Length")) is not None:
        yield from _exactly(reader, int(length))
    elif answers is not None:
        while piece := reader.read1(PIECE):
            yield piece


def _chunks(reader: BufferedReader) -> Iterator[bytes]:
    while True:
        line = reader.readline(PIECE)
        if not line.endswith(b"\n"):
            raise BrokenMessageError("a connection that ended within a body")
        yield line
        size = int(line.partition(b";")[0], 16)
        if size == 0:
            break
        yield from _exactly(reader, size)
        yield from _exactly(reader, 2)
    while (line := reader.readline(PIECE)).strip():  # trailers
        yield line
    yield line


def _exactly(reader: BufferedReader, size: int) -> Iterator[bytes]:
    while size:
        piece = reader.read1(min(size, PIECE))
        if not piece:
            raise BrokenMessageError("a connection that ended within a body")
        size -= len(piece)
        yield piece
