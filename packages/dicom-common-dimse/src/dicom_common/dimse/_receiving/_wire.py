"""PDUs on a connection: each is judged by its head before anything of it is read, and read without copies."""

from __future__ import annotations

import select
import socket
import ssl
import time
from contextlib import suppress
from typing import Final

from dicom_common.dimse._receiving._pdu import LostError, Pdu, ProtocolError

__all__ = ["Wire"]

_HEAD: Final = 6
_MOST_ASSOCIATE: Final = 1 << 20
_LINGER_BYTES: Final = 64 << 20
"""How much is read past, at most, behind the end of an association."""
_SHORT: Final = 4
"""The length of all but A-ASSOCIATE-RQ and P-DATA-TF."""
_QUICKACK: Final = getattr(socket, "TCP_QUICKACK", None)
"""DCMTK writes a PDU in two pieces, and the second waits for the acknowledgement of the first: 40 ms as Linux comes."""


class Wire:
    """The connection of one association, for one thread.

    Args:
        connection: accepted; TLS is agreed already.
        most: the longest P-DATA-TF that is taken, behind its head.
        send_seconds: for which the peer may take nothing.
    """

    def __init__(self, connection: socket.socket, most: int, send_seconds: float) -> None:
        self._socket, self._most, self._send_seconds = connection, most, send_seconds
        self._buffer = memoryview(bytearray(8192))
        self._begin = self._end = 0
        self._is_plain = not isinstance(connection, ssl.SSLSocket)
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        if self._is_plain:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def expect_data(self) -> None:
        """Make room for the longest P-DATA-TF: an association was accepted."""
        larger = memoryview(bytearray(self._most + 64 * 1024))
        size = self._end - self._begin
        larger[:size] = self._buffer[self._begin : self._end]
        self._buffer, self._begin, self._end = larger, 0, size

    def read(self, seconds: float, within: float | None = None) -> tuple[int, memoryview]:
        """Return the type and the body of the next PDU. The body is good until the next call.

        Args:
            seconds: for which its first byte is waited for.
            within: in which all of it has to come from then on; None: what is left of `seconds`.

        Raises:
            ProtocolError: it is no PDU, or longer than was agreed.
            LostError: the peer closed the connection, or it did not come in time.
        """
        end = time.monotonic() + seconds
        self._fill(1, end)
        if within is not None:
            end = time.monotonic() + within
        self._fill(_HEAD, end)
        kind = self._buffer[self._begin]
        length = int.from_bytes(self._buffer[self._begin + 2 : self._begin + _HEAD], "big")
        self._judge(kind, length)
        self._fill(_HEAD + length, end)
        body = self._buffer[self._begin + _HEAD : self._begin + _HEAD + length]
        self._begin += _HEAD + length
        return kind, body

    def has_more(self, seconds: float = 0) -> bool:
        """Tell whether the peer has sent something that was not read, or does so within some seconds."""
        if self._end > self._begin or (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
            return True
        return bool(self._poll.poll(1000 * seconds))

    def send(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            LostError: the peer does not take them.
        """
        try:
            self._socket.settimeout(self._send_seconds)
            self._socket.sendall(data)
        except OSError as error:
            raise LostError(f"sending failed with {type(error).__name__}") from error

    def linger(self, seconds: float) -> None:
        """Read past what comes until the peer closes the connection, for so long at most (ARTIM).

        Who closes at once has the answer lost on its way: the system drops it where bytes come that were not read.
        """
        end, size = time.monotonic() + seconds, 0
        with suppress(OSError):
            while (left := end - time.monotonic()) > 0 and size < _LINGER_BYTES:
                self._socket.settimeout(left)
                read = self._socket.recv_into(self._buffer)
                if not read:
                    return
                size += read

    def _judge(self, kind: int, length: int) -> None:
        if kind not in Pdu.__members__.values():
            raise ProtocolError("a PDU is of an unknown type", reason=1)
        if kind == Pdu.P_DATA:
            if length > self._most:
                raise ProtocolError("a P-DATA-TF is longer than the negotiated maximum")
        elif kind in (Pdu.ASSOCIATE_RQ, Pdu.ASSOCIATE_AC):
            if length > _MOST_ASSOCIATE:
                raise ProtocolError("an A-ASSOCIATE PDU is longer than 1 MiB")
        elif length != _SHORT:
            raise ProtocolError("a PDU does not have the required length")

    def _fill(self, size: int, end: float) -> None:
        """Have at least `size` bytes in the buffer, from `_begin` on."""
        if self._begin == self._end:
            self._begin = self._end = 0
        while self._end - self._begin < size:
            if self._end == len(self._buffer) or len(self._buffer) - self._begin < size <= len(self._buffer):
                self._make_room()
            left = end - time.monotonic()
            if left <= 0:
                raise LostError("no data arrived in time")
            try:
                if self._is_plain and _QUICKACK is not None:
                    self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
                self._socket.settimeout(left)
                read = self._socket.recv_into(self._buffer[self._end :])
            except TimeoutError:
                continue
            except OSError as error:
                raise LostError(f"receiving failed with {type(error).__name__}") from error
            if not read:
                raise LostError("the peer closed the connection")
            self._end += read

    def _make_room(self) -> None:
        """Move what is held to the beginning; where it fills the buffer, take a larger one.

        Room grows with what has come, not with what a length promised.
        """
        held = self._end - self._begin
        target = memoryview(bytearray(2 * held)) if held == len(self._buffer) else self._buffer
        target[:held] = bytes(self._buffer[self._begin : self._end])
        self._buffer, self._begin, self._end = target, 0, held
