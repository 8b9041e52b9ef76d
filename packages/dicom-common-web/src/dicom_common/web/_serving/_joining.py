"""The head of an answer goes out with the first piece of its body: a client that is woken once need not wait twice."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Joining"]

_JOINED = 64 * 1024
"""Bytes up to which a piece is copied, to be sent with the head: to copy more takes longer than to send twice."""


class _Transport(Protocol):
    """What an answer is written to."""

    def write(self, data: bytes) -> None: ...
    def is_closing(self) -> bool: ...
    def close(self) -> None: ...


class _Cycle(Protocol):
    """A request and its answer, as uvicorn has them."""

    response_started: bool


class Joining:
    """Stands for the transport of one answer that has a body, be it an empty one.

    Uvicorn writes the head by itself, in one piece. What it writes before it, such as `100 Continue`, is not held.

    Args:
        transport: of the connection.
        cycle: tells whether the answer has begun.
    """

    def __init__(self, transport: _Transport, cycle: _Cycle) -> None:
        self._transport, self._cycle = transport, cycle
        self._head: bytes | None = None
        """What is held; b"": the head is sent."""

    def write(self, data: bytes) -> None:
        """Send a piece, with the head if that is held; or hold the head."""
        if self._head is None and self._cycle.response_started:
            self._head = data
        elif self._head and len(data) <= _JOINED:
            self._transport.write(self._head + data)
            self._head = b""
        else:
            self._send_head()
            self._transport.write(data)

    def is_closing(self) -> bool:
        """Tell whether the connection is being closed."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Send what is held, and close the connection."""
        self._send_head()
        self._transport.close()

    def _send_head(self) -> None:
        if self._head:
            self._transport.write(self._head)
            self._head = b""
