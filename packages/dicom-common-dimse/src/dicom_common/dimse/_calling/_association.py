"""An association that we ask for: opened, released at the end, aborted where something went wrong (PS3.8 7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from dicom_common.core import RefusedError, UnavailableError
from dicom_common.dimse._calling._destination import Destination
from dicom_common.dimse._requesting import Destination as Address, NotAssociatedError, Outgoing, Proposal

__all__ = ["NoContextError", "associated"]

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
    destination: Destination, contexts: Sequence[Proposal], *, as_scp: Sequence[str] = ()
) -> Iterator[Outgoing]:
    """Have an association for the block.

    It is released behind the block, and aborted where the block raises, or leaves a request that is not answered.

    Args:
        destination: whom to call.
        contexts: the presentation contexts to propose, at most 128.
        as_scp: the abstract syntaxes for which we ask for the SCP role (PS3.7 D.3.3.4).

    Raises:
        UnavailableError: the peer cannot be reached, is busy, or broke the association off.
        NoContextError: the peer accepts none of the contexts.
        RefusedError: the peer does not accept the association.
    """
    association = _open(destination, contexts, as_scp)
    if not association.accepted:
        association.release()
        raise NoContextError(
            f"The peer {destination} accepted the association but none of its presentation contexts: "
            "it does not offer this service, or does not allow us to use it."
        )
    try:
        yield association
    except GeneratorExit:
        _end(association)  # whoever takes answers has enough
        raise
    except BaseException:
        association.abort()
        raise
    _end(association)


def _end(association: Outgoing) -> None:
    if association.is_busy:
        association.abort()
    else:
        association.release()


def _open(destination: Destination, contexts: Sequence[Proposal], as_scp: Sequence[str]) -> Outgoing:
    address = Address(destination.ae_title, destination.host, destination.port, destination.tls)
    try:
        return Outgoing.open(
            address,
            destination.calling_ae_title,
            contexts,
            connect_seconds=destination.connect_seconds,
            answer_seconds=destination.association_seconds,
            response_seconds=destination.response_seconds,
            as_scp=as_scp,
            most_received=destination.max_pdu,
        )
    except NotAssociatedError as error:
        raise _not_associated(error, destination) from error


def _not_associated(error: NotAssociatedError, destination: Destination) -> UnavailableError | RefusedError:
    if error.tls:
        return RefusedError(f"There is no association with the peer {destination}: {error.tls}.")
    if not error.is_connected:
        return UnavailableError(
            f"The peer {destination} cannot be reached: check that it is running, and correct its host and port."
        )
    if error.rejection is None:
        return UnavailableError(f"The peer {destination} ended the association, or did not answer in time.")
    result, source, reason = error.rejection
    why = _REJECTIONS.get((source, reason), f"source {source}, reason {reason}").format(
        calling=destination.calling_ae_title, called=destination.ae_title
    )
    message = f"The peer {destination} rejected the association: {why}."
    return RefusedError(message) if result == _PERMANENT else UnavailableError(message)
