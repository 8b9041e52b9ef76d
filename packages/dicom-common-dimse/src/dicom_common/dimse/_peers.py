"""Identification of peers by AE title, address and certificate, in this module alone. Deny by default."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dicom_common.core import AuthenticationError
from dicom_common.dimse._settings import DimseSettings, PeerSettings
from dicom_common.host import TlsClient, client_of

__all__ = ["Peer", "Peers", "Permission"]


class Permission(StrEnum):
    """What a peer may do."""

    STORE = "store"
    FIND = "find"
    RETRIEVE = "retrieve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """An application entity that has called and was recognised."""

    name: str
    """Its name in the configuration."""
    settings: PeerSettings
    tenant: str
    """The tenant of the association; "" if the peer may not access data."""
    address: str
    """Where it has called from."""
    user: str | None = None
    """The name in its verified certificate; None without one."""

    def may(self, permission: Permission) -> bool:
        """Return whether the peer may use a service."""
        return bool(self.tenant) and permission.value in self.settings.allow


class Peers:
    """The peers of the configuration."""

    def __init__(self, settings: DimseSettings) -> None:
        self._ae_title = settings.ae_title
        self._peers = settings.peers

    def is_called(self, called: str, calling: str) -> bool:
        """Return whether a Calling AE Title may use a Called AE Title of this server."""
        return called == self._ae_title or any(
            called in peer.called for peer in self._peers.values() if peer.ae_title == calling
        )

    def recognise(
        self, *, calling: str, called: str, address: str, certificate: Mapping[str, Any] | None
    ) -> Peer | None:
        """Return who calls; None where it is no known peer, or not from where, or not with what, it has to call.

        Args:
            calling: the AE title that it says it has.
            called: the AE title that it wants.
            address: its IP address.
            certificate: what `getpeercert()` returns of its verified certificate; None without one.
        """
        for name, peer in self._peers.items():
            if peer.ae_title != calling or not _is_at(address, peer.addresses):
                continue
            tenant = peer.called.get(called, peer.tenant if called == self._ae_title else None)
            if tenant is None or (peer.certificate and not _shows(certificate, peer.certificate)):
                continue
            user = peer.certificate or None
            return Peer(name=name, settings=peer, tenant=tenant, address=address, user=user)
        return None


def _is_at(address: str, networks: Iterable[str]) -> bool:
    where = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(where, ipaddress.IPv6Address) and where.ipv4_mapped is not None:
        where = where.ipv4_mapped
    known = [ipaddress.ip_network(network) for network in networks]
    return not known or any(where in network for network in known)


def _shows(certificate: Mapping[str, Any] | None, name: str) -> bool:
    try:
        client_of(certificate, [TlsClient(name=name, tenant="peer")])
    except AuthenticationError:
        return False
    return True
