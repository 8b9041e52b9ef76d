"""An association that we ask a destination for: its negotiation, and requests on it (PS3.8 7.1, PS3.7 7)."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from dicom_common.core import UnavailableError
from dicom_common.dimse._receiving import (
    AssociationEndError,
    Command,
    Incoming,
    Messages,
    Operation,
    Pdu,
    ProtocolError,
    Tag,
    TooLargeDataError,
    Value,
    Wire,
    encode_command,
    p_data,
)
from dicom_common.dimse._requesting._negotiation import Proposal, associate_rq, parse_associate_ac
from dicom_common.dimse._requesting._tls_problem import tls_problem

if TYPE_CHECKING:
    import ssl

__all__ = ["Destination", "NotAssociatedError", "Outgoing"]

_MOST_RECEIVED: Final = 131_072
_MOST_SENT: Final = 131_072
_AT_ONCE: Final = 262_144
"""Bytes that are handed to the system at once."""
_MOST_HELD: Final = 1 << 24
"""Bytes that the data set of a response may have."""

OnStore = Callable[[Proposal, Command, Incoming], int]
"""Takes an instance of a C-GET: its context, the command and the data set as it comes; returns the status."""


class Destination(NamedTuple):
    """Where an association is asked for."""

    ae_title: str
    host: str
    port: int
    tls: ssl.SSLContext | None = None


class NotAssociatedError(UnavailableError):
    """There is no association.

    Args:
        what: what happened, as a sentence.
        is_connected: whether the peer could be reached.
        rejection: result, source and reason of its rejection (PS3.8 9.3.4).
        tls: why there is no TLS, if that is the reason.
    """

    def __init__(
        self, what: str, *, is_connected: bool = True, rejection: tuple[int, int, int] | None = None, tls: str = ""
    ) -> None:
        super().__init__(what)
        self.is_connected, self.rejection, self.tls = is_connected, rejection, tls


class Outgoing:
    """An association that a peer accepted, for one thread at a time.

    Args:
        wire: its connection.
        contexts: the accepted contexts, by their ids; each has one transfer syntax.
        most_sent: the longest PDU that the peer takes.
        seconds: for which a response is waited for.
    """

    def __init__(
        self, wire: Wire, connection: socket.socket, contexts: Mapping[int, Proposal], most_sent: int, seconds: float
    ) -> None:
        self._wire, self._connection, self._most_sent = wire, connection, most_sent
        self._messages = Messages(wire, seconds, seconds)
        self._last_id = 0
        self._contexts = contexts
        self.accepted: dict[Proposal, int] = {}
        """The ids of the accepted contexts, by abstract syntax and transfer syntax."""
        for number, one in contexts.items():
            self.accepted.setdefault(one, number)
        self.is_busy = False
        """Whether a request was not answered to its end, so that the association cannot be released."""
        self.last_used = time.monotonic()

    @classmethod
    def open(  # noqa: PLR0913 - who asks whom, for what, and how long it may take
        cls,
        destination: Destination,
        calling: str,
        proposals: Iterable[Proposal],
        *,
        connect_seconds: float,
        response_seconds: float,
        answer_seconds: float | None = None,
        as_scp: Collection[str] = (),
        most_received: int = _MOST_RECEIVED,
    ) -> Self:
        """Ask for an association.

        Args:
            destination: whom.
            calling: our AE title.
            proposals: up to 128 presentation contexts.
            connect_seconds: that the connection may take.
            response_seconds: that the destination may take for each response.
            answer_seconds: that it may take to answer; None: `connect_seconds`.
            as_scp: the abstract syntaxes that we are the SCP of, as for reports of storage commitment.
            most_received: the longest PDU that it may send.

        Raises:
            NotAssociatedError: it cannot be reached, or rejects the association.
        """
        numbered = {index * 2 + 1: one for index, one in enumerate(proposals)}
        request = associate_rq(destination.ae_title, calling, numbered, as_scp, most_received)
        try:
            connection = socket.create_connection((destination.host, destination.port), connect_seconds)
        except OSError as error:
            message = f"The destination {destination.ae_title} cannot be reached."
            raise NotAssociatedError(message, is_connected=False) from error
        try:
            if destination.tls is not None:
                connection = destination.tls.wrap_socket(connection, server_hostname=destination.host)
            wire = Wire(connection, most_received, response_seconds)
            wire.send(request)
            kind, body = wire.read(connect_seconds if answer_seconds is None else answer_seconds)
            if kind == Pdu.ASSOCIATE_RJ:
                raise _rejected(destination, body[1], body[2], body[3])
            if kind != Pdu.ASSOCIATE_AC:
                raise NotAssociatedError(f"The destination {destination.ae_title} does not answer an association.")
            contexts, most = parse_associate_ac(bytes(body), numbered)
            wire.expect_data()
        except (AssociationEndError, OSError) as error:
            connection.close()
            why = ""
            if destination.tls is not None:
                why = tls_problem(destination.host, destination.port, destination.tls, connect_seconds)
            message = f"The destination {destination.ae_title} does not accept an association{why and ': '}{why}."
            raise NotAssociatedError(message, tls=why) from error
        except UnavailableError:
            connection.close()
            raise
        return cls(wire, connection, contexts, min(most or _MOST_SENT, _MOST_SENT), response_seconds)

    def request(
        self, context_id: int, operation: Operation, values: Mapping[Tag, Value], data: Iterable[bytes] | None
    ) -> Command:
        """Send a request and return its response.

        Raises:
            UnavailableError: the association is over.
        """
        *_, (response, _) = self.responses(context_id, operation, values, data)
        return response

    def responses(
        self,
        context_id: int,
        operation: Operation,
        values: Mapping[Tag, Value],
        data: Iterable[bytes] | None,
        on_store: OnStore | None = None,
    ) -> Iterator[tuple[Command, bytes]]:
        """Send a request, and iterate over its responses with their data sets, until one is not pending.

        Args:
            context_id: of an accepted context.
            operation: what is asked for.
            values: of the command set, but Command Field and Message ID.
            data: the data set; None: without one.
            on_store: answers the C-STORE requests of a C-GET.

        Raises:
            UnavailableError: the association is over.
        """
        self._last_id = self._last_id % 65_535 + 1
        command = {**values, Tag.COMMAND_FIELD: int(operation), Tag.MESSAGE_ID: self._last_id}
        self.is_busy = True
        try:
            self._send(context_id, command, data)
            while self.is_busy:
                response, held = self._next_response(operation, on_store)
                self.is_busy = (response.number(Tag.STATUS) or 0) >> 8 == 0xFF
                self.last_used = time.monotonic()
                yield response, held
        except AssociationEndError as error:
            raise UnavailableError("The association to the destination has ended.") from error

    def cancel(self, context_id: int) -> None:
        """Ask the peer to end its responses to the current request (C-CANCEL).

        Raises:
            UnavailableError: the association is over.
        """
        try:
            self._send(context_id, {Tag.COMMAND_FIELD: int(Operation.C_CANCEL), Tag.RESPONDED_TO: self._last_id}, None)
        except AssociationEndError as error:
            raise UnavailableError("The association to the destination has ended.") from error

    def _next_response(self, operation: Operation, on_store: OnStore | None) -> tuple[Command, bytes]:
        while True:
            context_id, command = self._messages.next_command()
            data = Incoming(self._messages.data_set(context_id) if command.has_data_set else iter(()))
            if on_store is None or command.field != Operation.C_STORE or context_id not in self._contexts:
                break
            status = on_store(self._contexts[context_id], command, data)
            data.drain()  # what was not wanted
            self._send(context_id, _store_response(command, status), None)
        try:
            held = data.read_all(_MOST_HELD)
        except TooLargeDataError:
            raise ProtocolError("the data set of a response is too large", reason=6) from None
        is_answer = command.field == operation | Operation.RESPONSE
        if not is_answer or command.number(Tag.RESPONDED_TO) != self._last_id:
            raise ProtocolError("a message other than the expected response arrived", reason=2)
        return command, held

    def has_ended(self) -> bool:
        """Tell, without waiting, whether the peer has sent anything: of itself it can only end the association."""
        return self._messages.has_more()

    def release(self) -> None:
        """Release the association, and close the connection."""
        with suppress(AssociationEndError, OSError):
            self._wire.send(struct.pack(">BxI4x", Pdu.RELEASE_RQ, 4))
            self._wire.read(2.0)
        self._connection.close()

    def abort(self) -> None:
        """Abort the association, and close the connection."""
        with suppress(AssociationEndError, OSError):
            self._wire.send(struct.pack(">BxIxxBB", Pdu.ABORT, 4, 0, 0))
        self._connection.close()

    def _send(self, context_id: int, values: Mapping[Tag, Value], data: Iterable[bytes] | None) -> None:
        command = encode_command(values, has_data_set=data is not None)
        held = list(p_data(context_id, [command], is_command=True, most=self._most_sent))
        size = 0
        for piece in p_data(context_id, data, is_command=False, most=self._most_sent) if data is not None else ():
            held.append(piece)
            size += len(piece)
            if size >= _AT_ONCE:
                self._wire.send(b"".join(held))
                held, size = [], 0
        if held:
            self._wire.send(b"".join(held))


def _store_response(request: Command, status: int) -> dict[Tag, Value]:
    return {
        Tag.AFFECTED_SOP_CLASS: request.text(Tag.AFFECTED_SOP_CLASS),
        Tag.COMMAND_FIELD: Operation.C_STORE | Operation.RESPONSE,
        Tag.RESPONDED_TO: request.message_id,
        Tag.STATUS: status,
        Tag.AFFECTED_SOP_INSTANCE: request.text(Tag.AFFECTED_SOP_INSTANCE),
    }


def _rejected(destination: Destination, result: int, source: int, reason: int) -> NotAssociatedError:
    how = f"result {result}, source {source}, reason {reason}"
    message = f"The destination {destination.ae_title} rejects the association ({how})."
    return NotAssociatedError(message, rejection=(result, source, reason))
