"""One connection, from its acceptance to its end, in a thread of its own (the state machine of PS3.8 9.2)."""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from dicom_common.dimse._peers import Peer
from dicom_common.dimse._receiving._association import AcceptedAssociation
from dicom_common.dimse._receiving._negotiation import Rejection, admit, negotiate
from dicom_common.dimse._receiving._pdu import (
    RELEASE_RP,
    AbortedError,
    AssociateRequest,
    AssociationEndError,
    LostError,
    Pdu,
    ProtocolError,
    ReleasedError,
    abort,
    associate_ac,
    associate_rj,
    parse_associate,
)
from dicom_common.dimse._receiving._service import Offers
from dicom_common.dimse._receiving._site import Site
from dicom_common.dimse._receiving._wire import Wire
from dicom_common.host import TRACEBACKS

__all__ = ["Connection"]

_log = logging.getLogger(__name__)
_SERVICE_USER, _SERVICE_PROVIDER = 0, 2
_ALARMING = ("tls", "calling-ae-title")
"""A peer was not who it should be (PS3.15 A.5.3.11, Node Authentication)."""


class Connection:
    """A connection that was accepted.

    Args:
        site: what associations share.
        offers: the services.
        accepted: its socket.
        address: where it comes from.
        tls: the context of TLS; None without.
    """

    def __init__(
        self, site: Site, offers: Offers, accepted: socket.socket, address: str, tls: ssl.SSLContext | None
    ) -> None:
        self._site, self._offers, self._socket, self._address, self._tls = site, offers, accepted, address, tls
        self._association: AcceptedAssociation | None = None
        self._is_stopped = False
        self.is_broken_off = False

    @property
    def is_associated(self) -> bool:
        """Whether it has an association."""
        return self._association is not None

    def serve(self) -> None:
        """Serve it to its end. Never raises."""
        try:
            self._serve()
        except (LostError, OSError):
            pass  # before an association: a probe of a load balancer is no news
        except Exception as error:  # noqa: BLE001 - no connection ends the server, whatever it brings
            _log.error("a connection from %s failed with %s", self._address, type(error).__name__)
            TRACEBACKS.debug("a connection failed", exc_info=error)
        finally:
            self._socket.close()

    def stop(self) -> None:
        """End it when its request is answered; at once where it has none. From another thread."""
        self._is_stopped = True
        if self._association is None or self._association.is_idle:
            self.break_off()

    def break_off(self) -> None:
        """End it at once. From another thread: what is being read then ends, as if the peer had closed."""
        self.is_broken_off = True
        with suppress(OSError):
            # Not SSLSocket.shutdown, which takes the TLS away from the thread that is using it.
            socket.socket.shutdown(self._socket, socket.SHUT_RD)

    def _serve(self) -> None:
        settings = self._site.settings
        end = time.monotonic() + settings.associate_seconds
        certificate: Mapping[str, Any] | None = None
        if self._tls is not None:
            certificate = self._secure(self._tls)
        wire = Wire(self._socket, settings.max_pdu_bytes, settings.send_seconds)
        try:
            request = _request(wire, end - time.monotonic())
        except ProtocolError as error:
            self._refuse("protocol", str(error))
            wire.send(abort(_SERVICE_USER))  # AA-1
            wire.linger(settings.associate_seconds)
            return
        peer = admit(request, self._site, address=self._address, certificate=certificate)
        if isinstance(peer, Peer):
            if self._site.places.take(peer.name, peer.settings.max_associations):
                try:
                    self._associate(wire, peer, request)
                finally:
                    self._site.places.give_back(peer.name)
                return
            peer = Rejection.LOCAL_LIMIT
        self._reject(wire, peer)

    def _secure(self, tls: ssl.SSLContext) -> Mapping[str, Any] | None:
        """Agree on TLS, and return the peer's verified certificate."""
        self._socket.settimeout(self._site.settings.associate_seconds)
        secured = tls.wrap_socket(self._socket, server_side=True, do_handshake_on_connect=False)
        self._socket = secured
        try:
            secured.do_handshake()
        except ssl.SSLError as error:
            self._refuse("tls", f"its TLS handshake failed ({error.reason})")
            raise
        return secured.getpeercert()

    def _reject(self, wire: Wire, why: Rejection) -> None:
        self._refuse(why.name.lower().replace("_", "-"), f"rejected for its {why.name.lower().replace('_', ' ')}")
        wire.send(associate_rj(*why.value))
        wire.linger(self._site.settings.associate_seconds)

    def _refuse(self, why: str, told: str) -> None:
        """Record that there is no association."""
        _log.warning("an association from %s was refused: %s", self._address, told)
        self._site.metrics.reject(why)
        if why in _ALARMING:
            self._site.alerts.record(self._address, why)

    def _associate(self, wire: Wire, peer: Peer, request: AssociateRequest) -> None:
        agreement = negotiate(request, self._offers, self._site.settings.max_pdu_bytes)
        wire.expect_data()
        wire.send(associate_ac(request.titles, agreement.results, agreement.user_information))
        self._association = AcceptedAssociation(self._site, wire, peer, request, agreement)
        try:
            self._association.serve()
        except AssociationEndError as error:
            self._end(wire, peer, error)

    def _end(self, wire: Wire, peer: Peer, why: AssociationEndError) -> None:
        seconds = self._site.settings.associate_seconds
        with suppress(LostError):
            if isinstance(why, ReleasedError):
                wire.send(RELEASE_RP)  # AR-4: the peer closes
                wire.linger(seconds)
            elif isinstance(why, AbortedError):
                _log.info("an association of %s was aborted by the peer", peer.name)
            else:
                if not self._is_stopped:
                    _log.warning(
                        "an association of %s was aborted: %s", peer.name, str(why)
                    )  # its frames hold the buffer
                wire.send(abort(_SERVICE_PROVIDER, why.reason if isinstance(why, ProtocolError) else 0))  # AA-8
                if isinstance(why, ProtocolError):
                    wire.linger(seconds)


def _request(wire: Wire, seconds: float) -> AssociateRequest:
    kind, body = wire.read(seconds)
    if kind == Pdu.ABORT:
        raise LostError("the peer aborted before an association was established")
    if kind != Pdu.ASSOCIATE_RQ:
        raise ProtocolError("a PDU arrived before an association was established", reason=2)
    return parse_associate(bytes(body))
