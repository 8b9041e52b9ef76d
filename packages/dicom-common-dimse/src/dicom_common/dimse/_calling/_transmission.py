"""C-STORE of a stored instance (PS3.7 9.1.1): its data set goes out byte for byte, and is in memory by pieces only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA

from dicom_common.core import Stored, UnavailableError
from dicom_common.dicom import data_set_offset

__all__ = ["MoveOriginator", "accepted_context", "store_remotely"]

_MOST_WAITING: Final = 32
"""PDUs that wait to be sent: pynetdicom itself would queue the whole object."""
_LARGEST: Final = 1 << 18
"""Bytes of a PDV to a peer that sets no limit."""
_BEGINNING: Final = 64 << 10
_MORE, _LAST = b"\0", b"\2"
"""Message control headers of data set fragments (PS3.8 annex E.2)."""


class MoveOriginator(NamedTuple):
    """On whose C-MOVE request an instance is sent (PS3.7 9.1.1.1.6, .7)."""

    ae_title: str
    message_id: int


def accepted_context(association: Association, stored: Stored) -> int | None:
    """Return the ID of the presentation context for an instance as it is stored; None if the peer accepted none."""
    for context in association.accepted_contexts:
        is_right = context.abstract_syntax == stored.sop_class_uid and context.as_scu
        if is_right and context.transfer_syntax[0] == stored.transfer_syntax_uid:
            number: int | None = context.context_id
            return number
    return None


def store_remotely(  # noqa: PLR0913 - what the command says, and what goes with it
    association: Association,
    stored: Stored,
    chunks: Iterator[bytes],
    *,
    context_id: int,
    message_id: int,
    originator: MoveOriginator | None = None,
    seconds: float = 120.0,
) -> int:
    """Send an instance, and return the status (0000,0900) of the response.

    What raises leaves the association with half a message: abort it.

    Args:
        association: an established one.
        stored: the instance.
        chunks: its object, as `dicom_common.pipeline.retrieve` gives it; what stands before the data set is left out.
        context_id: of the accepted presentation context with its SOP class and its transfer syntax.
        message_id: from 1 to 65535, of no other operation that is under way.
        originator: for a sub-operation of C-MOVE.
        seconds: that the peer may take to accept more data, and to respond.

    Raises:
        UnavailableError: the association is lost, or the peer takes or answers nothing any more.
        DicomError: the object is no DICOM.
        BackendError: what `chunks` raises.
    """
    request = C_STORE()
    request.MessageID = message_id
    request.AffectedSOPClassUID = stored.sop_class_uid
    request.AffectedSOPInstanceUID = stored.sop_uid
    request.Priority = 2
    if originator is not None:
        request.MoveOriginatorApplicationEntityTitle = originator.ae_title
        request.MoveOriginatorMessageID = originator.message_id
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    message.command_set.CommandDataSetType = 1
    size = (min(association.dimse.maximum_pdu_size or _LARGEST, _LARGEST) - 6) & ~1
    # As pynetdicom does: its own thread must not take the response off the queue.
    association._reactor_checkpoint.clear()  # noqa: SLF001 - pynetdicom offers no C-STORE of encoded data sets
    try:
        while not association._is_paused and association.is_established:  # noqa: SLF001 - as above
            time.sleep(0.0001)
        for data in message.encode_msg(context_id, association.dimse.maximum_pdu_size):
            association.dul.send_pdu(data)
        for fragment, is_last in _fragments(_data_set(chunks), size):
            data = P_DATA()
            data.presentation_data_value_list.append((context_id, (_LAST if is_last else _MORE) + fragment))
            _wait_for_room(association, seconds)
            association.dul.send_pdu(data)
        _, response = association.dimse.get_msg(block=True)
    finally:
        association._reactor_checkpoint.set()  # noqa: SLF001 - as above
    if not isinstance(response, C_STORE) or response.MessageIDBeingRespondedTo != message_id:
        raise UnavailableError("The peer ended the association, or did not respond to a C-STORE request in time.")
    if response.Status is None:
        raise UnavailableError("The peer's response to a C-STORE request has no status.")
    return int(response.Status)


def _data_set(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Iterate over an object from its data set on."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _BEGINNING:
            break
    start = data_set_offset(head)
    yield head[start:] if start else head
    yield from chunks


def _fragments(chunks: Iterator[bytes], size: int) -> Iterator[tuple[bytes, bool]]:
    """Cut bytes into fragments, and say of each whether it is the last: only then it is known that all are right.

    Fragments are of even length (PS3.8 E.1): behind the last byte of an odd number there is a zero, as PS3.5 A.5 wants
    it behind deflated data sets.
    """
    held = b""
    for chunk in chunks:
        pieces = memoryview(held + chunk if held else chunk)
        at = 0
        while len(pieces) - at > size:
            yield bytes(pieces[at : at + size]), False
            at += size
        held = bytes(pieces[at:])
    yield held + bytes(len(held) % 2), True


def _wait_for_room(association: Association, seconds: float) -> None:
    queue, end, waiting = association.dul.to_provider_queue, time.monotonic() + seconds, None
    while (now_waiting := queue.qsize()) >= _MOST_WAITING:
        if now_waiting != waiting:
            waiting, end = now_waiting, time.monotonic() + seconds
        if not association.is_established or time.monotonic() > end:
            raise UnavailableError("The peer ended the association, or stopped reading data.")
        time.sleep(0.0005)
    if not association.is_established:
        raise UnavailableError("The peer ended the association.")
