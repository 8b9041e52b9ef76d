"""An association that we ask a destination for: its negotiation, and requests on it (PS3.8 7.1, PS3.7 7)."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from dicom_common.core import UnavailableError
from dicom_common.dimse._receiving import (
    IMPLEMENTATION,
    AssociationEndError,
    Command,
    Incoming,
    Messages,
    Operation,
    Pdu,
    ProtocolError,
    Tag,
    Value,
    Wire,
    encode_command,
    item,
    items,
    p_data,
)
from dicom_common.dimse._tls_problem import tls_problem

if TYPE_CHECKING:
    import ssl

__all__ = ["Destination", "Outgoing", "Proposal"]

_APPLICATION_CONTEXT: Final = b"1.2.840.10008.3.1.1.1"
_MOST_RECEIVED: Final = 131_072
_MOST_SENT: Final = 131_072
_AT_ONCE: Final = 262_144
"""Bytes that are handed to the system at once."""
_ACCEPTED: Final = 0


class Destination(NamedTuple):
    """Where an association is asked for."""

    ae_title: str
    host: str
    port: int
    tls: ssl.SSLContext | None = None


class Proposal(NamedTuple):
    """A presentation context to propose."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


class Outgoing:
    """An association that a destination accepted, for one thread at a time.

    Args:
        wire: its connection.
        accepted: the ids of the contexts, by abstract syntax and transfer syntax.
        most_sent: the longest PDU that the peer takes.
        seconds: for which a response is waited for.
    """

    def __init__(
        self, wire: Wire, connection: socket.socket, accepted: Mapping[Proposal, int], most_sent: int, seconds: float
    ) -> None:
        self._wire, self._connection, self._most_sent = wire, connection, most_sent
        self._messages = Messages(wire, seconds, seconds)
        self._last_id = 0
        self.accepted = accepted
        """The ids of the accepted contexts; each has one transfer syntax."""
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
        as_scp: bool = False,
    ) -> Self:
        """Ask for an association.

        Args:
            destination: whom.
            calling: our AE title.
            proposals: up to 128 presentation contexts.
            connect_seconds: that the destination may take to answer.
            response_seconds: that it may take for each response.
            as_scp: whether we are the SCP of the abstract syntaxes, as for reports of storage commitment.

        Raises:
            UnavailableError: it cannot be reached, or rejects the association.
        """
        numbered = {index * 2 + 1: one for index, one in enumerate(proposals)}
        request = _associate_rq(destination.ae_title, calling, numbered, as_scp=as_scp)
        try:
            connection = socket.create_connection((destination.host, destination.port), connect_seconds)
        except OSError as error:
            raise UnavailableError(f"The destination {destination.ae_title} cannot be reached.") from error
        try:
            if destination.tls is not None:
                connection = destination.tls.wrap_socket(connection, server_hostname=destination.host)
            wire = Wire(connection, _MOST_RECEIVED, response_seconds)
            wire.send(request)
            kind, body = wire.read(connect_seconds)
            if kind != Pdu.ASSOCIATE_AC:
                how = "rejects the association" if kind == Pdu.ASSOCIATE_RJ else "does not answer an association"
                reason = f" (result {body[1]}, source {body[2]}, reason {body[3]})" if kind == Pdu.ASSOCIATE_RJ else ""
                raise UnavailableError(f"The destination {destination.ae_title} {how}{reason}.")  # noqa: TRY301 - the socket is closed below
            accepted, most = _parse_ac(bytes(body), numbered)
            wire.expect_data()
        except (AssociationEndError, OSError) as error:
            connection.close()
            why = ""
            if destination.tls is not None:
                why = tls_problem(destination.host, destination.port, destination.tls, connect_seconds)
            raise UnavailableError(
                f"The destination {destination.ae_title} does not accept an association{why and ': '}{why}."
            ) from error
        except UnavailableError:
            connection.close()
            raise
        return cls(wire, connection, accepted, min(most or _MOST_SENT, _MOST_SENT), response_seconds)

    def request(
        self, context_id: int, operation: Operation, values: Mapping[Tag, Value], data: Iterable[bytes] | None
    ) -> Command:
        """Send a request and return its response.

        Raises:
            UnavailableError: the association is over.
        """
        self._last_id = self._last_id % 65_535 + 1
        command = {**values, Tag.COMMAND_FIELD: int(operation), Tag.MESSAGE_ID: self._last_id}
        try:
            self._send(context_id, command, data)
            answered_in, response = self._messages.next_command()
            if response.has_data_set:
                Incoming(self._messages.data_set(answered_in)).drain()
            is_answer = response.field == operation | Operation.RESPONSE
            if not is_answer or response.number(Tag.RESPONDED_TO) != self._last_id:
                raise ProtocolError("a message other than the expected response arrived", reason=2)
        except AssociationEndError as error:
            raise UnavailableError("The association to the destination has ended.") from error
        self.last_used = time.monotonic()
        return response

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


def _associate_rq(called: str, calling: str, contexts: Mapping[int, Proposal], *, as_scp: bool) -> bytes:
    """Return an A-ASSOCIATE-RQ (PS3.8 9.3.2)."""
    parts = [
        struct.pack(">HH", 1, 0),
        called.encode("ascii").ljust(16),
        calling.encode("ascii").ljust(16),
        bytes(32),
        item(0x10, _APPLICATION_CONTEXT),
    ]
    for number, (abstract, syntaxes) in contexts.items():
        items = item(0x30, abstract.encode()) + b"".join(item(0x40, syntax.encode()) for syntax in syntaxes)
        parts.append(item(0x20, bytes((number, 0, 0, 0)) + items))
    information = item(0x51, struct.pack(">I", _MOST_RECEIVED)) + IMPLEMENTATION
    if as_scp:
        for abstract in dict.fromkeys(one.abstract_syntax for one in contexts.values()):
            role = struct.pack(">H", len(abstract)) + abstract.encode() + b"\0\1"
            information += item(0x54, role)
    parts.append(item(0x50, information))
    body = b"".join(parts)
    return struct.pack(">BxI", Pdu.ASSOCIATE_RQ, len(body)) + body


def _parse_ac(body: bytes, proposed: Mapping[int, Proposal]) -> tuple[dict[Proposal, int], int]:
    """Return the accepted contexts of an A-ASSOCIATE-AC (PS3.8 9.3.3), and the longest PDU that the peer takes.

    Raises:
        ProtocolError: it is not a valid A-ASSOCIATE-AC.
    """
    accepted: dict[Proposal, int] = {}
    most = 0
    for kind, value in items(body[68:]):
        if kind == 0x21 and len(value) >= 4 and value[2] == _ACCEPTED and value[0] in proposed:
            syntax = next((uid for at, uid in items(value[4:]) if at == 0x40), b"")
            chosen = syntax.rstrip(b"\0 ").decode("ascii", "replace")
            one = proposed[value[0]]
            if chosen in one.transfer_syntaxes:
                accepted.setdefault(Proposal(one.abstract_syntax, (chosen,)), value[0])
        elif kind == 0x50:
            most = next((int.from_bytes(size, "big") for at, size in items(value) if at == 0x51), 0)
    return accepted, most
