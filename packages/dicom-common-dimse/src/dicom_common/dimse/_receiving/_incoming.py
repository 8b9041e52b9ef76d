"""Messages as they come: fragments of commands and data sets, pulled from the connection when they are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Final, NamedTuple

from dicom_common.dimse._receiving._command_set import Command, parse_command
from dicom_common.dimse._receiving._pdu import AbortedError, AssociationEndError, Pdu, ProtocolError, ReleasedError
from dicom_common.dimse._receiving._wire import Wire

__all__ = ["Arriving", "Fragment", "Incoming", "Messages", "TooLargeDataError"]

_MOST_COMMAND: Final = 65_536


class TooLargeDataError(Exception):
    """A data set is larger than it may be."""


class Fragment(NamedTuple):
    """A presentation data value: a piece of a command or of a data set (PS3.8 9.3.5.1, annex E)."""

    context: int
    is_command: bool
    is_last: bool
    data: memoryview


class Messages:
    """The fragments of one association.

    Args:
        wire: the connection.
        idle_seconds: for which the first PDU of a message is waited for.
        receive_seconds: in which each PDU has to come, once a message has begun.
    """

    def __init__(self, wire: Wire, idle_seconds: float, receive_seconds: float) -> None:
        self._wire, self._idle_seconds, self._receive_seconds = wire, idle_seconds, receive_seconds
        self._body, self._at = memoryview(b""), 0

    def has_more(self, seconds: float = 0) -> bool:
        """Tell whether there is something to read, or is within some seconds."""
        return self._at < len(self._body) or self._wire.has_more(seconds)

    def next_command(self, seconds: float | None = None) -> tuple[int, Command]:
        """Wait for a command, and return the id of its context with it.

        Args:
            seconds: for which it is waited for; None: `idle_seconds`.

        Raises:
            ProtocolError: what comes is no command.
            AssociationEndError: what comes is the end of the association, or nothing comes.
        """
        context, held = 0, bytearray()
        is_first = True
        while True:
            one = self._next_fragment(seconds, is_first=is_first)
            if not one.is_command or not (is_first or one.context == context):
                raise ProtocolError("a fragment does not belong to a message", reason=6)
            context, is_first = one.context, False
            held += one.data
            if len(held) > _MOST_COMMAND:
                raise ProtocolError("a command set is too long")
            if one.is_last:
                return context, parse_command(held)

    def data_set(self, context: int) -> Iterator[memoryview]:
        """Iterate over the fragments of the data set that follows a command. Each is good until the next."""
        is_last = False
        while not is_last:
            one = self._next_fragment(None, is_first=False)
            if one.is_command or one.context != context:
                raise ProtocolError("a fragment does not belong to a message", reason=6)
            is_last = one.is_last
            yield one.data

    def _next_fragment(self, seconds: float | None, *, is_first: bool) -> Fragment:
        body, at = self._body, self._at
        if at >= len(body):
            body, at = self._next_body(seconds, is_first=is_first), 0
        if at + 6 > len(body):
            raise ProtocolError("a P-DATA-TF does not contain a complete fragment")
        length = int.from_bytes(body[at : at + 4], "big")
        end = at + 4 + length
        if length < 2 or end > len(body):
            raise ProtocolError("a fragment is longer than its P-DATA-TF")
        self._body, self._at = body, end
        control = body[at + 5]
        return Fragment(body[at + 4], bool(control & 1), bool(control & 2), body[at + 6 : end])

    def _next_body(self, seconds: float | None, *, is_first: bool) -> memoryview:
        self._body, self._at = memoryview(b""), 0
        patience = self._idle_seconds if seconds is None else seconds
        within = self._receive_seconds
        kind, body = self._wire.read(patience if is_first else within, within=within)
        if kind == Pdu.RELEASE_RQ:
            raise ReleasedError
        if kind == Pdu.ABORT:
            raise AbortedError
        if kind != Pdu.P_DATA:
            raise ProtocolError("a PDU is not allowed in this state", reason=2)
        return body


class Incoming:
    """The data set of a request: read like a file that cannot seek, as far as it has come.

    Args:
        fragments: of the data set.
    """

    def __init__(self, fragments: Iterator[memoryview]) -> None:
        self._fragments = fragments
        self._rest = memoryview(b"")
        self._is_over = False
        self._end: AssociationEndError | None = None
        self.size = 0
        """Bytes that have come."""

    @property
    def end(self) -> AssociationEndError | None:
        """Why there will be no more, though some is missing: another error each time.

        One that is raised has the frames that it came through, which have this, and what has come so far.
        """
        return copy(self._end)

    def collect(self, held: bytearray, most: int) -> bool:
        """Add what comes to `held`, until it has more than `most` bytes; tell whether that is all."""
        while len(held) <= most and (piece := self._next()):
            held += piece
        return self._is_over and not self._rest

    def read_all(self, most: int) -> bytes:
        """Return all of it.

        Raises:
            TooLargeDataError: it is larger than `most` bytes.
        """
        held = bytearray()
        if not self.collect(held, most) or len(held) > most:
            raise TooLargeDataError
        return bytes(held)

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, none at the end.

        Raises:
            OSError: the peer broke off.
        """
        try:
            if size < 0:
                return b"".join(map(bytes, iter(self._next, memoryview(b""))))
            self._rest = self._rest or self._next()
        except AssociationEndError as error:
            raise OSError("the sender stopped before the end of the data set") from error
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)

    def seekable(self) -> bool:
        """Tell that it is read once."""
        return False

    def drain(self) -> None:
        """Read past what was not read."""
        self._rest = memoryview(b"")
        while self._next():
            pass

    def _next(self) -> memoryview:
        """Return the next bytes; none at the end."""
        if self._rest:
            piece, self._rest = self._rest, memoryview(b"")
            return piece
        if self._end is not None:
            raise copy(self._end)
        while not self._is_over:
            try:
                piece = next(self._fragments)
            except StopIteration:
                self._is_over = True
            except AssociationEndError as error:
                # The iterator is at its end from now on, which must not look like the end of the data set.
                self._end = copy(error)
                raise
            else:
                if piece:
                    self.size += len(piece)
                    return piece
        return memoryview(b"")


class Arriving:
    """An instance that is too large to be held: its head, and what is still to come."""

    def __init__(self, head: bytearray, data: Incoming) -> None:
        self._head, self._data = memoryview(head), data

    def seekable(self) -> bool:
        """Tell that it is read once."""
        return False

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        if not self._head:
            return self._data.read(size)
        wanted = len(self._head) if size < 0 else size
        piece, self._head = bytes(self._head[:wanted]), self._head[wanted:]
        return piece + self._data.read() if size < 0 else piece
