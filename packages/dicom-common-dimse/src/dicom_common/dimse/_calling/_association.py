"""An association that we ask for: opened, released at the end, aborted where something went wrong (PS3.8 7)."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext, build_context

from dicom_common.core import RefusedError, UnavailableError
from dicom_common.dimse._calling._contexts import ContextKey
from dicom_common.dimse._calling._destination import Destination
from dicom_common.dimse._tls_problem import tls_problem

__all__ = ["NoContextError", "associated", "break_off"]

# Identifiers hold a patient's attributes, and so may the exceptions that it logs; our errors say what went wrong.
_config.LOG_REQUEST_IDENTIFIERS = False
_config.LOG_RESPONSE_IDENTIFIERS = False
_config.LOG_HANDLER_LEVEL = "none"
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)

_PERMANENT: Final = 1
_REJECTIONS: Final = {
    (1, 2): "it does not support the application context name",
    (1, 3): "it does not know our AE title: enter {calling} there",
    (1, 7): "it has another AE title than {called}: correct ae_title of the peer",
    (2, 2): "it does not support the protocol version",
    (3, 1): "it is congested for the moment",
    (3, 2): "it has as many associations as it takes",
}
"""By source and diagnostic (PS3.8 Table 9-21)."""


class NoContextError(RefusedError):
    """The peer accepts the association, and none of its presentation contexts."""


@contextmanager
def associated(
    destination: Destination,
    contexts: Sequence[ContextKey],
    *,
    as_scp: Sequence[str] = (),
    on_store: Callable[[evt.Event], int] | None = None,
) -> Iterator[Association]:
    """Have an association for the block.

    It is released behind the block, and aborted where the block raises. Yield in the block between two operations only.

    Args:
        destination: whom to call.
        contexts: the presentation contexts to propose, at most 128.
        as_scp: the abstract syntaxes for which we ask for the SCP role (PS3.7 D.3.3.4).
        on_store: answers C-STORE requests of the peer with a status.

    Raises:
        UnavailableError: the peer cannot be reached, is busy, or broke the association off.
        NoContextError: the peer accepts none of the contexts.
        RefusedError: the peer does not accept the association.
    """
    connected: list[bool] = []

    def on_open(event: evt.Event) -> None:
        connected.append(True)
        _set(event.assoc, "TCP_NODELAY")

    def on_sent(event: evt.Event) -> None:
        # Many peers send a response in two pieces, and would wait 40 ms for our ACK of the first. It holds for what
        # comes next only.
        _set(event.assoc, "TCP_QUICKACK")

    entity = AE(ae_title=destination.calling_ae_title)
    entity.connection_timeout = destination.connect_seconds
    entity.acse_timeout = destination.association_seconds
    entity.dimse_timeout = destination.response_seconds
    entity.network_timeout = destination.response_seconds
    handlers: list[Any] = [(evt.EVT_CONN_OPEN, on_open), (evt.EVT_DATA_SENT, on_sent)]
    if on_store is not None:
        handlers.append((evt.EVT_C_STORE, on_store))
    association = entity.associate(
        destination.host,
        destination.port,
        contexts=_proposed(contexts),
        ae_title=destination.ae_title,
        max_pdu=destination.max_pdu,
        ext_neg=[_as_scp(uid) for uid in as_scp],
        tls_args=None if destination.tls is None else (destination.tls, destination.host),
        evt_handlers=handlers,
    )
    if not association.is_established:
        raise _not_established(association, destination, is_connected=bool(connected))
    try:
        yield association
    except GeneratorExit:
        association.release()  # whoever takes answers has enough, between two operations
        raise
    except BaseException:
        break_off(association)
        raise
    association.release()


def _set(association: Association, option: str) -> None:
    """Set an option of the connection, where this system has it and the connection is still there."""
    connection = _connection(association)
    if connection is not None and hasattr(socket, option):
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), 1)


def _connection(association: Association) -> socket.socket | None:
    return None if association.dul.socket is None else association.dul.socket.socket


def break_off(association: Association) -> None:
    """Abort an association, also one whose peer reads nothing any more."""
    if not association.is_established:
        return
    connection = _connection(association)
    if connection is not None and not association.dul.to_provider_queue.empty():
        # An A-ABORT would wait behind what cannot be sent.
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    association.abort()


def _proposed(contexts: Sequence[ContextKey]) -> list[PresentationContext]:
    return [build_context(one.abstract_syntax, list(one.transfer_syntaxes)) for one in contexts]


def _as_scp(uid: str) -> SCP_SCU_RoleSelectionNegotiation:
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid = uid
    role.scu_role, role.scp_role = False, True
    return role


def _not_established(
    association: Association, destination: Destination, *, is_connected: bool
) -> UnavailableError | RefusedError:
    if destination.tls is not None and not association.is_rejected:
        why = tls_problem(destination.host, destination.port, destination.tls, destination.connect_seconds)
        if why:
            return RefusedError(f"There is no association with the peer {destination}: {why}.")
    if not is_connected:
        return UnavailableError(
            f"The peer {destination} cannot be reached: check that it is running, and correct its host and port."
        )
    if association.is_rejected:
        answer = association.acceptor.primitive
        source, reason = (answer.result_source, answer.diagnostic) if answer is not None else (0, 0)
        why = _REJECTIONS.get((source or 0, reason or 0), f"source {source}, reason {reason}").format(
            calling=destination.calling_ae_title, called=destination.ae_title
        )
        message = f"The peer {destination} rejected the association: {why}."
        is_permanent = answer is None or answer.result == _PERMANENT
        return RefusedError(message) if is_permanent else UnavailableError(message)
    if association.rejected_contexts and not association.accepted_contexts:
        return NoContextError(
            f"The peer {destination} accepted the association but none of its presentation contexts: "
            "it does not offer this service, or does not allow us to use it."
        )
    return UnavailableError(f"The peer {destination} ended the association, or did not answer in time.")
