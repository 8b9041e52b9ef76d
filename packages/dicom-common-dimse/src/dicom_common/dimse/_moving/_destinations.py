"""Where instances may be sent: to peers of the configuration that have an address, and to nowhere else."""

from __future__ import annotations

from functools import lru_cache

from dicom_common.core.tls import client_context
from dicom_common.dimse._receiving import Request, Tag
from dicom_common.dimse._requesting import Destination
from dicom_common.dimse._settings import PeerSettings

__all__ = ["address_of", "destination_for"]


def destination_for(request: Request) -> Destination | None:
    """Return the Move Destination (0000,0600) of a C-MOVE; None where the configuration has none for this tenant.

    A peer that is of other tenants is no destination for this one: what one tenant has goes to no other.
    """
    title = request.command.text(Tag.MOVE_DESTINATION)
    association = request.association
    for peer in association.site.settings.peers.values():
        tenants = {peer.tenant, *peer.called.values()} - {""}
        if peer.ae_title == title and (not tenants or association.peer.tenant in tenants):
            destination = address_of(peer)
            if destination is not None:
                return destination
    return None


def address_of(peer: PeerSettings) -> Destination | None:
    """Return where a peer can be asked for an association; None where it has no address.

    Raises:
        ConfigError: a file of its TLS cannot be used.
    """
    if not peer.host or not peer.port:
        return None
    tls = _context(peer.tls) if peer.tls is not None and peer.tls.wanted(peer.host) else None
    return Destination(peer.ae_title, peer.host, peer.port, tls)


_context = lru_cache(64)(client_context)
"""Made once for each table: associations are kept by their destination, of which it is a part."""
