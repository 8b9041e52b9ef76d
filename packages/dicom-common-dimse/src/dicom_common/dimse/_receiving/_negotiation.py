"""Whether an association is accepted, and which presentation contexts (PS3.8 7.1, PS3.7 annex D)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, Final

from dicom_common.dicom import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_common.dimse._peers import Peer
from dicom_common.dimse._receiving._pdu import APPLICATION_CONTEXT, AssociateRequest, ProposedContext, item
from dicom_common.dimse._receiving._service import Context, Offers, Service
from dicom_common.dimse._receiving._site import Site

__all__ = ["IMPLEMENTATION", "Agreement", "Rejection", "admit", "negotiate"]

IMPLEMENTATION: Final = item(0x52, IMPLEMENTATION_CLASS_UID.encode()) + item(0x55, IMPLEMENTATION_VERSION_NAME.encode())
"""The sub-items that say whose implementation this is (PS3.7 D.3.3.2)."""
_PROTOCOL_VERSION_1: Final = 1


class Rejection(Enum):
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""

    APPLICATION_CONTEXT = (1, 1, 2)
    CALLING_AE_TITLE = (1, 1, 3)
    CALLED_AE_TITLE = (1, 1, 7)
    PROTOCOL_VERSION = (1, 2, 2)
    LOCAL_LIMIT = (2, 3, 2)


class _Result(IntEnum):
    """Results of the negotiation of a presentation context (PS3.8 table 9-18)."""

    ACCEPTED = 0
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What was agreed."""

    contexts: dict[int, Context]
    """Those that were accepted, by their ids."""
    results: tuple[tuple[int, int, str], ...]
    """Id, result and transfer syntax of each that was proposed."""
    user_information: bytes


def admit(
    request: AssociateRequest, site: Site, *, address: str, certificate: Mapping[str, Any] | None
) -> Peer | Rejection:
    """Return who asks for an association, or why it gets none. A place is not taken yet."""
    if not request.version & _PROTOCOL_VERSION_1:
        return Rejection.PROTOCOL_VERSION
    if request.application_context != APPLICATION_CONTEXT:
        return Rejection.APPLICATION_CONTEXT
    if not site.peers.is_called(request.called, request.calling):
        return Rejection.CALLED_AE_TITLE
    peer = site.peers.recognise(
        calling=request.calling, called=request.called, address=address, certificate=certificate
    )
    return peer or Rejection.CALLING_AE_TITLE


def negotiate(request: AssociateRequest, offers: Offers, most: int) -> Agreement:
    """Agree on presentation contexts and what goes with them.

    Args:
        request: what the peer asks for.
        offers: what it can have.
        most: the longest PDU that is taken.
    """
    contexts: dict[int, Context] = {}
    results = []
    for proposed in request.contexts:
        context = _context(proposed, request, offers)
        if isinstance(context, Context):
            contexts[proposed.id] = context
            results.append((proposed.id, _Result.ACCEPTED, context.transfer_syntax))
        else:
            # What stands there in an answer that refuses is not looked at (PS3.8 9.3.3.2).
            syntax = proposed.transfer_syntaxes[0] if proposed.transfer_syntaxes else "1.2.840.10008.1.2"
            results.append((proposed.id, context, syntax))
    information = [
        item(0x51, struct.pack(">I", most)),
        item(0x52, IMPLEMENTATION_CLASS_UID.encode()),
    ]
    if request.asynchronous is not None:
        information.append(item(0x53, struct.pack(">HH", 1, 1)))
    information += _roles(request, contexts)
    information.append(item(0x55, IMPLEMENTATION_VERSION_NAME.encode()))
    agreed = {one.abstract_syntax: one.extended for one in contexts.values() if one.extended}
    information += [item(0x56, _named(uid, extended)) for uid, extended in agreed.items()]
    return Agreement(contexts=contexts, results=tuple(results), user_information=b"".join(information))


def _context(proposed: ProposedContext, request: AssociateRequest, offers: Offers) -> Context | _Result:
    service = offers.get(proposed.abstract_syntax)
    if service is None:
        return _Result.ABSTRACT_SYNTAX_NOT_SUPPORTED
    syntax = next((one for one in proposed.transfer_syntaxes if _takes(service, one)), None)
    if syntax is None:
        return _Result.TRANSFER_SYNTAXES_NOT_SUPPORTED
    role = request.roles.get(proposed.abstract_syntax)
    return Context(
        id=proposed.id,
        abstract_syntax=proposed.abstract_syntax,
        transfer_syntax=syntax,
        service=service,
        peer_is_scu=role is None or role.scu,
        peer_is_scp=role is not None and role.scp and service.sends,
        extended=bytes(
            theirs & ours
            for theirs, ours in zip(request.extended.get(proposed.abstract_syntax, b""), service.extended, strict=False)
        ),
    )


def _takes(service: Service, transfer_syntax: str) -> bool:
    return transfer_syntax in service.transfer_syntaxes or (service.any_transfer_syntax and bool(transfer_syntax))


def _roles(request: AssociateRequest, contexts: Mapping[int, Context]) -> list[bytes]:
    """Answer the roles that were proposed for what was accepted (PS3.7 D.3.3.4)."""
    accepted = {one.abstract_syntax: one for one in contexts.values()}
    return [
        item(0x54, _named(uid, bytes((role.scu, role.scp and accepted[uid].peer_is_scp))))
        for uid, role in request.roles.items()
        if uid in accepted
    ]


def _named(uid: str, value: bytes) -> bytes:
    return struct.pack(">H", len(uid)) + uid.encode() + value
