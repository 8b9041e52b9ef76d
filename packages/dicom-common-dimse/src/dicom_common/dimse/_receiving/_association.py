"""An accepted association: requests are answered one after the other, until its end (PS3.7 7, PS3.8 7)."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from dicom_common.dimse._peers import Peer
from dicom_common.dimse._receiving._command_set import Command, Operation, Tag, Value, encode_command
from dicom_common.dimse._receiving._incoming import Incoming, Messages
from dicom_common.dimse._receiving._negotiation import Agreement
from dicom_common.dimse._receiving._pdu import AssociateRequest, AssociationEndError, ProtocolError, p_data
from dicom_common.dimse._receiving._records import Record, Records
from dicom_common.dimse._receiving._service import Context, Errand, Request, Response
from dicom_common.dimse._receiving._site import Site
from dicom_common.dimse._receiving._wire import Wire
from dicom_common.host import TRACEBACKS

__all__ = ["AcceptedAssociation"]

_log = logging.getLogger(__name__)
_MOST_SENT: Final = 131_072
"""The longest PDU that is sent, also where the peer takes longer ones."""
_LEAST_SENT: Final = 8
"""A P-DATA-TF of 2 bytes, whatever a peer says it takes."""
_TOGETHER: Final = 16_384
"""Bytes of responses that follow each other at once, up to which they wait for each other."""
_SEND: Final = 262_144
"""Bytes that are handed to the system at once."""
_POLL_SECONDS: Final = 0.02
_NOT_AUTHORIZED: Final = 0x0124
_SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
_UNRECOGNIZED_OPERATION: Final = 0x0211
_PROCESSING_FAILURE: Final = 0x0110


class AcceptedAssociation:
    """An association that was accepted, for one thread.

    Args:
        site: what associations share.
        wire: its connection.
        peer: who has called.
        request: what the peer asked for.
        agreement: what it got.
    """

    def __init__(self, site: Site, wire: Wire, peer: Peer, request: AssociateRequest, agreement: Agreement) -> None:
        self.site, self.peer = site, peer
        self.calling, self.called = request.calling, request.called
        self.contexts = agreement.contexts
        self.is_idle = False
        """Whether it waits for a request."""
        settings = site.settings
        self._wire = wire
        self._messages = Messages(wire, settings.idle_seconds, settings.receive_seconds)
        most = request.most_sent or _MOST_SENT
        self._most_sent = max(_LEAST_SENT, min(most, _MOST_SENT))
        self._cancelled: set[int] = set()
        self._waiting: deque[tuple[int, Command]] = deque()
        self._last_id = 0
        self._errands: deque[Errand] = deque()
        self._expecting: dict[int, Errand] = {}
        """Errands that go on with the response to a Message ID."""
        self._silent_since = time.monotonic()
        self._held: list[bytes | memoryview] = []
        self._held_size = 0
        self._records = Records(site, peer, called=request.called)

    @property
    def tenant(self) -> str:
        """Whose data it is about."""
        return self.peer.tenant

    def serve(self) -> None:
        """Answer requests until the association ends.

        Raises:
            AssociationEndError: always, with how it ended.
        """
        try:
            self._serve()
        finally:
            self._records.close()
            for errand in (*self._errands, *self._expecting.values()):
                errand.close()

    def _serve(self) -> None:
        while True:
            self._run_errands()
            self.is_idle = not self._waiting
            context_id, command = self._waiting.popleft() if self._waiting else self._messages.next_command()
            self.is_idle = False
            context = self.contexts.get(context_id)
            if context is None:
                raise ProtocolError("a message names a presentation context that was not accepted")
            if command.field == Operation.C_CANCEL:
                continue  # it comes late: what it means was answered already (PS3.7 9.3.2.3)
            if command.is_response:
                self._take_response(context_id, command)
            else:
                self._answer(context, command)

    def silence(self) -> float:
        """Return for how many seconds the peer has been silent since its last request was answered."""
        return time.monotonic() - self._silent_since

    def begin(self, errand: Errand) -> None:
        """Do something else behind the request in hand: see `Errand`."""
        self._silent_since = time.monotonic()
        self._go_on(errand, None)  # a generator that has not begun would not notice its end

    def _run_errands(self) -> None:
        """Go on with errands until the peer sends something, or one has sent something: one request at a time."""
        self._silent_since = time.monotonic()
        while self._errands and not (self._expecting or self._has_more(_POLL_SECONDS) or self.site.stopping.is_set()):
            self._go_on(self._errands.popleft(), None)

    def _go_on(self, errand: Errand, response: Command | None) -> None:
        try:
            message_id = errand.send(response)
        except StopIteration:
            return
        if message_id is None:
            self._errands.append(errand)
        else:
            self._expecting[message_id] = errand

    def _take_response(self, context_id: int, response: Command) -> None:
        """Go on with the errand that waits for a response."""
        errand = self._expecting.pop(response.number(Tag.RESPONDED_TO) or 0, None)
        if errand is None:
            raise ProtocolError("a response arrived without a request", reason=2)
        if response.has_data_set:
            Incoming(self._messages.data_set(context_id)).drain()
        self._go_on(errand, response)

    def is_cancelled(self, message_id: int) -> bool:
        """Tell, without waiting, whether the peer has sent a C-CANCEL for a request."""
        while message_id not in self._cancelled and not self._waiting and self._messages.has_more():
            self._take(*self._messages.next_command())
        return message_id in self._cancelled

    def _has_more(self, seconds: float) -> bool:
        return bool(self._waiting) or self._messages.has_more(seconds)

    def request(
        self,
        context: Context,
        operation: Operation,
        values: Mapping[Tag, Value],
        data: Iterable[bytes | memoryview] | None = None,
    ) -> Command:
        """Send a request of ours, and return its response: see `Association`."""
        message_id = self.send(context, operation, values, data)
        while True:
            context_id, response = self._messages.next_command(self.site.settings.retrieve.response_seconds)
            if response.field != operation | Operation.RESPONSE:
                self._take(context_id, response)
                continue
            if response.number(Tag.RESPONDED_TO) != message_id:
                raise ProtocolError("a response belongs to a different request", reason=2)
            if response.has_data_set:
                Incoming(self._messages.data_set(context_id)).drain()
            return response

    def send(
        self,
        context: Context,
        operation: Operation,
        values: Mapping[Tag, Value],
        data: Iterable[bytes | memoryview] | None = None,
    ) -> int:
        """Send a request of ours, and return its Message ID: see `Association`."""
        self._last_id = self._last_id % 65535 + 1
        command = {**values, Tag.COMMAND_FIELD: int(operation), Tag.MESSAGE_ID: self._last_id}
        self._send(context, command, data)
        return self._last_id

    def _take(self, context_id: int, command: Command) -> None:
        """Keep what comes while a request is being answered: a C-CANCEL, the next request, or a late response."""
        if command.field == Operation.C_CANCEL:
            self._cancelled.add(command.number(Tag.RESPONDED_TO) or 0)
        elif command.is_response:
            self._take_response(context_id, command)
        elif self._waiting:
            raise ProtocolError("a message is not allowed in this state", reason=2)
        else:
            self._waiting.append((context_id, command))

    def _answer(self, context: Context, command: Command) -> None:
        self._cancelled.clear()
        data = Incoming(self._messages.data_set(context.id)) if command.has_data_set else None
        request = Request(association=self, context=context, command=command, data=data)
        record = Record(self.peer, command.field)
        try:
            for response in self._responses(request):
                self._respond(request, response, record)
        except AssociationEndError:
            raise
        except Exception as error:
            if data is not None and data.end is not None:
                raise data.end from error
            # The text of a foreign exception may quote a value of a data set.
            _log.error("a request of %s failed with %s", self.peer.name, type(error).__name__)
            TRACEBACKS.debug("a request failed", exc_info=error)
            self._respond(request, Response(status=_PROCESSING_FAILURE), record)
        finally:
            record.bytes = 0 if data is None else data.size
            self._records.add(record)

    def _responses(self, request: Request) -> Iterator[Response]:
        service = request.context.service
        handler = next((one for key, one in service.operations.items() if key == request.command.field), None)
        if handler is None:
            yield Response(status=_UNRECOGNIZED_OPERATION)
        elif service.permission is not None and not self.peer.may(service.permission):
            yield _not_authorized(f"This AE may not {service.permission} here.")
        elif not request.context.peer_is_scu:
            yield _not_authorized("The role SCU was not agreed.")
        elif request.command.text(Tag.AFFECTED_SOP_CLASS) not in ("", request.context.abstract_syntax):
            comment = "The SOP class is not that of the presentation context."
            yield Response(status=_SOP_CLASS_NOT_SUPPORTED, elements={Tag.ERROR_COMMENT: comment})
        else:
            yield from handler(request)

    def _respond(self, request: Request, response: Response, record: Record) -> None:
        if request.data is not None:
            request.data.drain()  # what a handler did not want to read
        record.status = response.status
        asked = request.command
        values: dict[Tag, Value] = {
            Tag.AFFECTED_SOP_CLASS: asked.text(Tag.AFFECTED_SOP_CLASS)
            or asked.text(Tag.REQUESTED_SOP_CLASS)
            or request.context.abstract_syntax,
            Tag.COMMAND_FIELD: asked.field | Operation.RESPONSE,
            Tag.RESPONDED_TO: asked.message_id,
            Tag.STATUS: response.status,
        }
        instance = asked.text(Tag.AFFECTED_SOP_INSTANCE) or asked.text(Tag.REQUESTED_SOP_INSTANCE)
        if instance:
            values[Tag.AFFECTED_SOP_INSTANCE] = instance
        values.update(response.elements)
        data = None if response.data is None else [response.data]
        self._send(request.context, values, data, at_once=not response.soon)

    def _send(
        self,
        context: Context,
        values: Mapping[Tag, Value],
        data: Iterable[bytes | memoryview] | None,
        *,
        at_once: bool = True,
    ) -> None:
        command = encode_command(values, has_data_set=data is not None)
        self._hold(p_data(context.id, [command], is_command=True, most=self._most_sent))
        if data is not None:
            self._hold(p_data(context.id, data, is_command=False, most=self._most_sent))
        if at_once or self._held_size >= _TOGETHER:
            self._flush()

    def _hold(self, pieces: Iterable[bytes | memoryview]) -> None:
        for piece in pieces:
            self._held.append(piece)
            self._held_size += len(piece)
            if self._held_size >= _SEND:
                self._flush()

    def _flush(self) -> None:
        held, self._held, self._held_size = self._held, [], 0
        if held:
            self._wire.send(b"".join(held))


def _not_authorized(comment: str) -> Response:
    return Response(status=_NOT_AUTHORIZED, elements={Tag.ERROR_COMMENT: comment})
