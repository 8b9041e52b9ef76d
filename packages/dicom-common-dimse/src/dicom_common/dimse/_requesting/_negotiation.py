"""The negotiation of an association that we ask for (PS3.8 9.3.2, 9.3.3, PS3.7 annex D)."""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from dicom_common.dimse._receiving import IMPLEMENTATION, Pdu, item, items

__all__ = ["Proposal", "associate_rq", "parse_associate_ac"]

_APPLICATION_CONTEXT: Final = b"1.2.840.10008.3.1.1.1"
_ACCEPTED: Final = 0


class Proposal(NamedTuple):
    """A presentation context to propose."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    """The peer chooses one of them."""


def associate_rq(
    called: str, calling: str, contexts: Mapping[int, Proposal], as_scp: Collection[str], most: int
) -> bytes:
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
    information = item(0x51, struct.pack(">I", most)) + IMPLEMENTATION
    for abstract in as_scp:
        information += item(0x54, struct.pack(">H", len(abstract)) + abstract.encode() + b"\0\1")
    parts.append(item(0x50, information))
    body = b"".join(parts)
    return struct.pack(">BxI", Pdu.ASSOCIATE_RQ, len(body)) + body


def parse_associate_ac(body: bytes, proposed: Mapping[int, Proposal]) -> tuple[dict[int, Proposal], int]:
    """Return the accepted contexts of an A-ASSOCIATE-AC (PS3.8 9.3.3), and the longest PDU that the peer takes.

    Raises:
        ProtocolError: it is not a valid A-ASSOCIATE-AC.
    """
    accepted: dict[int, Proposal] = {}
    most = 0
    for kind, value in items(body[68:]):
        if kind == 0x21 and len(value) >= 4 and value[2] == _ACCEPTED and value[0] in proposed:
            syntax = next((uid for at, uid in items(value[4:]) if at == 0x40), b"")
            chosen = syntax.rstrip(b"\0 ").decode("ascii", "replace")
            one = proposed[value[0]]
            if chosen in one.transfer_syntaxes:
                accepted[value[0]] = Proposal(one.abstract_syntax, (chosen,))
        elif kind == 0x50:
            most = next((int.from_bytes(size, "big") for at, size in items(value) if at == 0x51), 0)
    return accepted, most
