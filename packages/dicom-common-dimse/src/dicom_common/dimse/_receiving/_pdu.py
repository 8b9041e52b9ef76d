"""Protocol data units (PS3.8 9.3): what an A-ASSOCIATE-RQ says, and the bytes of what is answered."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

__all__ = [
    "APPLICATION_CONTEXT",
    "RELEASE_RP",
    "AbortedError",
    "AssociateRequest",
    "AssociationEndError",
    "LostError",
    "Pdu",
    "ProposedContext",
    "ProtocolError",
    "ReleasedError",
    "Role",
    "abort",
    "associate_ac",
    "associate_rj",
    "item",
    "items",
    "p_data",
    "parse_associate",
]

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_MOST_CONTEXTS = 128
"""Presentation context ids are the odd numbers up to 255."""


class Pdu(IntEnum):
    """The types of PDU."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class AssociationEndError(Exception):
    """The association is over: whoever works for it lets go."""


class LostError(AssociationEndError):
    """The connection is closed or broken, or what was waited for did not come in time."""


class ReleasedError(AssociationEndError):
    """The peer asks for the release of the association."""


class AbortedError(AssociationEndError):
    """The peer aborted the association."""


class ProtocolError(AssociationEndError):
    """What a peer sent breaks the protocol: the association is aborted.

    Args:
        what: for the log; nothing that the peer sent.
        reason: of the A-ABORT (PS3.8 table 9-26): 1 unrecognized PDU, 2 unexpected PDU, 4 unrecognized parameter, 5
            unexpected parameter, 6 invalid parameter value.
    """

    def __init__(self, what: str, reason: int = 6) -> None:
        super().__init__(what)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A proposed presentation context."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Role:
    """Roles that the requestor of an association proposes for itself (PS3.7 D.3.3.4)."""

    scu: bool
    scp: bool


@dataclass(slots=True, kw_only=True)
class AssociateRequest:
    """What an A-ASSOCIATE-RQ says (PS3.8 9.3.2, PS3.7 annex D)."""

    version: int
    called: str
    calling: str
    titles: bytes
    """Called and calling AE title and the reserved bytes behind them, as they came: an answer repeats them."""
    application_context: str = ""
    contexts: list[ProposedContext] = field(default_factory=list)
    most_sent: int = 0
    """The longest PDU that the peer takes; 0: any."""
    asynchronous: tuple[int, int] | None = None
    """Operations that the peer would invoke, and perform, at once; None: it did not say."""
    roles: dict[str, Role] = field(default_factory=dict)
    extended: dict[str, bytes] = field(default_factory=dict)
    """Service class application information, by SOP class (PS3.7 D.3.3.5)."""
    implementation: str = ""
    """Implementation Version Name."""


def parse_associate(body: bytes) -> AssociateRequest:
    """Parse an A-ASSOCIATE-RQ behind its head of 6 bytes. Items that are not known are skipped (PS3.8 9.3.1).

    Raises:
        ProtocolError: it cannot be.
    """
    if len(body) < 68:
        raise ProtocolError("an A-ASSOCIATE-RQ is too short")
    request = AssociateRequest(
        version=int.from_bytes(body[:2], "big"),
        called=_title(body[4:20]),
        calling=_title(body[20:36]),
        titles=body[4:68],
    )
    for kind, value in items(body[68:]):
        if kind == 0x10:
            request.application_context = _uid(value)
        elif kind == 0x20:
            request.contexts.append(_context(value))
        elif kind == 0x50:
            _read_user_information(request, value)
    ids = [context.id for context in request.contexts]
    if len(ids) > _MOST_CONTEXTS or len(set(ids)) < len(ids):
        raise ProtocolError("a presentation context ID appears twice")
    return request


def items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Iterate over the types and values of items or sub-items.

    Raises:
        ProtocolError: one is longer than what it is in.
    """
    at = 0
    while at < len(data):
        if at + 4 > len(data):
            raise ProtocolError("an item is cut off")
        end = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end > len(data):
            raise ProtocolError("an item is longer than the item or PDU that contains it")
        yield data[at], data[at + 4 : end]
        at = end


def _context(value: bytes) -> ProposedContext:
    if len(value) < 4 or value[0] % 2 == 0:
        raise ProtocolError("a presentation context ID is not an odd number")
    abstract, transfer = "", []
    for kind, text in items(value[4:]):
        if kind == 0x30:
            abstract = _uid(text)
        elif kind == 0x40:
            transfer.append(_uid(text))
    return ProposedContext(value[0], abstract, tuple(transfer))


def _read_user_information(request: AssociateRequest, data: bytes) -> None:
    for kind, value in items(data):
        if kind == 0x51:
            request.most_sent = int.from_bytes(_sized(value, 4), "big")
        elif kind == 0x53:
            invoked, performed = struct.unpack(">HH", _sized(value, 4))
            request.asynchronous = invoked, performed
        elif kind == 0x54:
            uid, (scu, scp) = _with_uid(value, 2)
            request.roles[uid] = Role(bool(scu), bool(scp))
        elif kind == 0x55:
            request.implementation = value[:16].decode("ascii", "replace").strip()
        elif kind == 0x56:
            uid, information = _with_uid(value)
            request.extended[uid] = information


def _with_uid(value: bytes, size: int | None = None) -> tuple[str, bytes]:
    end = 2 + int.from_bytes(_at_least(value, 2)[:2], "big")
    rest = _at_least(value, end)[end:]
    return _uid(value[2:end]), rest if size is None else _sized(rest, size)


def _at_least(value: bytes, size: int) -> bytes:
    if len(value) < size:
        raise ProtocolError("an item is cut off")
    return value


def _sized(value: bytes, size: int) -> bytes:
    if len(value) != size:
        raise ProtocolError("an item does not have the required length")
    return value


def _uid(value: bytes) -> str:
    return value.rstrip(b"\0 ").decode("ascii", "replace")


def _title(value: bytes) -> str:
    return value.decode("ascii", "replace").strip(" \0")


def item(kind: int, value: bytes) -> bytes:
    """Return an item or sub-item."""
    return struct.pack(">BxH", kind, len(value)) + value


def associate_ac(titles: bytes, contexts: Iterable[tuple[int, int, str]], user_information: bytes) -> bytes:
    """Return an A-ASSOCIATE-AC (PS3.8 9.3.3).

    Args:
        titles: those of the request.
        contexts: id, result and transfer syntax of each context that was proposed.
        user_information: the sub-items.
    """
    body = [struct.pack(">HH", 1, 0), titles, item(0x10, APPLICATION_CONTEXT.encode())]
    for number, result, syntax in contexts:
        body.append(item(0x21, bytes((number, 0, result, 0)) + item(0x40, syntax.encode("ascii", "replace"))))
    body.append(item(0x50, user_information))
    data = b"".join(body)
    return struct.pack(">BxI", Pdu.ASSOCIATE_AC, len(data)) + data


def associate_rj(result: int, source: int, reason: int) -> bytes:
    """Return an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    return struct.pack(">BxIxBBB", Pdu.ASSOCIATE_RJ, 4, result, source, reason)


def abort(source: int, reason: int = 0) -> bytes:
    """Return an A-ABORT (PS3.8 9.3.8): source 0, the service user; 2, the service provider, with a reason."""
    return struct.pack(">BxIxxBB", Pdu.ABORT, 4, source, reason)


RELEASE_RP = struct.pack(">BxI4x", Pdu.RELEASE_RP, 4)


def p_data(
    context: int, pieces: Iterable[bytes | memoryview], *, is_command: bool, most: int
) -> Iterator[bytes | memoryview]:
    """Return the P-DATA-TF PDUs of a command or a data set, as the pieces to be sent (PS3.8 9.3.5, annex E).

    Args:
        context: the id of the presentation context.
        pieces: all of it, in order.
        is_command: whether it is a command.
        most: the longest PDU that the peer takes.
    """
    size = most - 6 - most % 2
    waiting = memoryview(b"")
    for piece in pieces:
        view = memoryview(piece)
        for begin in range(0, len(view), size):
            if waiting:
                yield _p_data_head(context, len(waiting), is_command)
                yield waiting
            waiting = view[begin : begin + size]
    # Fragments are of even length (PS3.8 E.1): a deflated data set of an odd one gets the zero that PS3.5 A.5 wants.
    padding = bytes(len(waiting) % 2)
    yield _p_data_head(context, len(waiting) + len(padding), is_command | _LAST)
    yield waiting
    yield padding


_LAST = 2


def _p_data_head(context: int, size: int, control: int) -> bytes:
    return struct.pack(">BxIIBB", Pdu.P_DATA, size + 6, size + 2, context, control)
