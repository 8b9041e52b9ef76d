"""What a service is to the listening side: which abstract syntaxes it answers to, and a handler for each operation."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from dicom_common.dimse._peers import Peer, Permission
from dicom_common.dimse._receiving._command_set import Command, Operation, Tag, Value
from dicom_common.dimse._receiving._incoming import Incoming
from dicom_common.dimse._receiving._site import Site

__all__ = ["UNCOMPRESSED", "Association", "Context", "Errand", "Handler", "Offers", "Request", "Response", "Service"]

UNCOMPRESSED: Final = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2")
"""The transfer syntaxes of data sets without pixel data: Explicit and Implicit VR Little Endian, and Big Endian."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """An accepted presentation context."""

    id: int
    abstract_syntax: str
    transfer_syntax: str
    service: Service
    peer_is_scu: bool = True
    """Whether the peer may ask us."""
    peer_is_scp: bool = False
    """Whether we may ask the peer, such as by the C-STORE of a C-GET (PS3.7 D.3.3.4)."""
    extended: bytes = b""
    """What was agreed by SOP Class Extended Negotiation (PS3.7 D.3.3.5)."""


Errand = Generator[int | None, Command | None, None]
"""What an association does of its own while its peer is silent, such as the report of a storage commitment.

It yields None to go on a moment later, if the peer is still silent, or the Message ID of what it has sent, to go on
with the response. It is closed when the association ends before that."""


class Association(Protocol):
    """What a handler has of the association that a request came by. For the thread of the handler only."""

    site: Site
    peer: Peer
    calling: str
    """The AE title of the peer."""
    called: str
    """The AE title by which it has called us."""
    contexts: dict[int, Context]
    """The accepted presentation contexts, by their ids."""

    def is_cancelled(self, message_id: int) -> bool:
        """Tell, without waiting, whether the peer has sent a C-CANCEL for a request."""
        ...

    def silence(self) -> float:
        """Return for how many seconds the peer has been silent since its last request was answered."""
        ...

    def begin(self, errand: Errand) -> None:
        """Do something else behind the request in hand: its first step is taken at once."""
        ...

    def send(
        self,
        context: Context,
        operation: Operation,
        values: Mapping[Tag, Value],
        data: Iterable[bytes | memoryview] | None = None,
    ) -> int:
        """Send a request of ours as `request` does, and return its Message ID without waiting for its response."""
        ...

    def request(
        self,
        context: Context,
        operation: Operation,
        values: Mapping[Tag, Value],
        data: Iterable[bytes | memoryview] | None = None,
    ) -> Command:
        """Send a request of ours, such as the C-STORE of a C-GET, and return its response.

        Args:
            context: an accepted one.
            operation: its Command Field.
            values: the rest of its command set, but the Message ID.
            data: its data set, piece by piece; None without one.

        Raises:
            AssociationEndError: the association is over.
        """
        ...


@dataclass(slots=True, kw_only=True)
class Request:
    """A request of a peer, whose data set may still be on its way."""

    association: Association
    context: Context
    command: Command
    data: Incoming | None
    """Its data set; None without one."""

    @property
    def message_id(self) -> int:
        """Its Message ID (0000,0110)."""
        return self.command.message_id

    def is_cancelled(self) -> bool:
        """Tell, without waiting, whether the peer has sent a C-CANCEL for it."""
        return self.association.is_cancelled(self.message_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response, without what follows from its request: Command Field, Message ID Being Responded To, SOP class."""

    status: int
    elements: Mapping[Tag, Value] = field(default_factory=dict)
    """Further elements of its command set."""
    data: bytes | None = None
    """Its data set, in the transfer syntax of the context."""
    soon: bool = False
    """Whether the next response follows at once, so that the two may go out together."""


Handler = Callable[[Request], Iterator[Response]]
"""Answers a request: each response is sent when there is one (see `Response.soon`), the last is final.

What it raises becomes 0110 (Processing failure), with nothing but the exception's kind in the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service class, as SCP."""

    name: str
    """For records and metrics."""
    abstract_syntaxes: frozenset[str]
    operations: Mapping[Operation, Handler]
    permission: Permission | None
    """What a peer has to be allowed, or a request is answered with 0124; None: any known peer may."""
    transfer_syntaxes: tuple[str, ...] = UNCOMPRESSED
    sends: bool = False
    """Whether it can be SCU of the abstract syntax too, on the same association."""
    extended: bytes = b""
    """What it offers by SOP Class Extended Negotiation: a byte of 1 for each feature."""
    any_abstract_syntax: bool = False
    """Whether it takes what no other service does."""
    any_transfer_syntax: bool = False
    start: Callable[[Site], None] | None = None
    """Begins what goes on beside requests, in each process; None: nothing does."""
    stop: Callable[[], None] | None = None
    """Ends it, and waits for that."""


class Offers:
    """The services that are offered, by abstract syntax."""

    def __init__(self, services: tuple[Service, ...]) -> None:
        self._by_syntax = {uid: one for one in services for uid in one.abstract_syntaxes}
        self._default = next((one for one in services if one.any_abstract_syntax), None)

    def get(self, abstract_syntax: str) -> Service | None:
        """Return the service for an abstract syntax; None without one."""
        return self._by_syntax.get(abstract_syntax, self._default)
