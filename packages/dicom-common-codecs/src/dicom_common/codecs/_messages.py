"""What goes between a caller and a worker: a JSON object and one block of bytes, each with its length before it."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any, Final

__all__ = ["Message", "ProtocolError", "receive", "send"]

Message = tuple[dict[str, Any], bytes | bytearray | memoryview]

_LENGTHS: Final = struct.Struct("!IQ")
_LONGEST_HEADER: Final = 16 << 20


class ProtocolError(Exception):
    """The other side ended, or sends what is no message."""


def send(connection: socket.socket, message: Message, deadline: float | None = None) -> None:
    """Send a message.

    Raises:
        TimeoutError: the deadline (of `time.monotonic`) passed.
        OSError: the other side ended.
    """
    header = json.dumps(message[0], separators=(",", ":")).encode()
    _limit(connection, deadline)
    connection.sendall(_LENGTHS.pack(len(header), len(message[1])) + header)
    if message[1]:
        _limit(connection, deadline)
        connection.sendall(message[1])


def receive(connection: socket.socket, max_bytes: int, deadline: float | None = None) -> Message:
    """Receive a message whose block has at most `max_bytes`.

    Raises:
        TimeoutError: the deadline (of `time.monotonic`) passed.
        ProtocolError: the other side ended, or what it sent is no message.
        OSError: the same.
    """
    header_length, length = _LENGTHS.unpack(_receive(connection, _LENGTHS.size, deadline))
    if header_length > _LONGEST_HEADER or length > max_bytes:
        raise ProtocolError("a message is too long")
    try:
        header = json.loads(bytes(_receive(connection, header_length, deadline)))
    except ValueError as error:
        raise ProtocolError("a message does not begin with JSON") from error
    if not isinstance(header, dict):
        raise ProtocolError("a message does not begin with a JSON object")
    return header, _receive(connection, length, deadline)


def _receive(connection: socket.socket, length: int, deadline: float | None) -> bytearray:
    data = bytearray(length)
    view, at = memoryview(data), 0
    while at < length:
        _limit(connection, deadline)
        count = connection.recv_into(view[at:])
        if not count:
            raise ProtocolError("the other side ended")
        at += count
    return data


def _limit(connection: socket.socket, deadline: float | None) -> None:
    if deadline is None:
        return
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)
