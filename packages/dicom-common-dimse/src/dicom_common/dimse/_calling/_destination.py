"""Whom we call: the address of an application entity, and how long it may take."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from dicom_common.core import ConfigError
from dicom_common.core.tls import client_context
from dicom_common.dimse._settings import DimseSettings
from dicom_common.toolkit import did_you_mean

if TYPE_CHECKING:
    import ssl

__all__ = ["Destination", "destination_of"]

_AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}")
"""PS3.5 6.2: no backslash, no control character."""


@dataclass(frozen=True, kw_only=True)
class Destination:
    """A remote AE that the client calls (PS3.8 9.3.2). Pure data.

    Raises:
        ValueError: an AE title, the port or a time limit is invalid.
    """

    name: str
    """Its name in messages: the NAME of its table `[dimse.peers.NAME]`."""
    ae_title: str
    """The Called AE Title."""
    host: str
    port: int
    calling_ae_title: str
    """The Calling AE Title."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """The context for TLS; None: no TLS."""
    character_set: str = ""
    """The defined term (PS3.3 C.12.1.1.2) of the character set for non-ASCII text in queries; empty: UTF-8."""
    connect_seconds: float = 10.0
    """How long the connection may take."""
    association_seconds: float = 30.0
    """Seconds that the peer may take to answer the association request."""
    response_seconds: float = 120.0
    """Seconds that the peer may take for a response, or go without reading data that is sent to it."""
    max_pdu: int = 131_072
    """The Maximum Length Received that the peer gets, in bytes (PS3.8 D.1)."""

    def __post_init__(self) -> None:
        """Refuse invalid values."""
        for setting in ("ae_title", "calling_ae_title"):
            title = getattr(self, setting)
            if _AE_TITLE.fullmatch(title) is None or not title.strip():
                raise ValueError(f"{setting} has to have 1 to 16 ASCII characters, without a backslash")
        if not 0 < self.port <= 65535:
            raise ValueError("port has to be from 1 to 65535")
        if not 4096 <= self.max_pdu <= 1 << 24:
            raise ValueError("max_pdu has to be from 4096 to 16777216 bytes")
        for setting in (one.name for one in fields(self) if one.name.endswith("_seconds")):
            if not 0 < getattr(self, setting) < float("inf"):
                raise ValueError(f"{setting} has to be a number of seconds above 0")

    def __str__(self) -> str:
        return f"{self.name} ({self.ae_title} at {self.host}:{self.port})"


def destination_of(settings: DimseSettings, name: str) -> Destination:
    """Return a configured peer as a destination.

    Args:
        settings: the table `[dimse]`.
        name: NAME of `[dimse.peers.NAME]`.

    Raises:
        ConfigError: there is no such peer, it has no host and port, or a TLS file of it cannot be used.
    """
    peer = settings.peers.get(name)
    if peer is None:
        hint = did_you_mean(name, settings.peers) or (f" Known: {', '.join(settings.peers)}." if settings.peers else "")
        raise ConfigError(f"There is no peer {name!r}: add a table [dimse.peers.{name}].{hint}")
    if not peer.host or not peer.port:
        raise ConfigError(f"The peer {name!r} has no address: set host and port in [dimse.peers.{name}].")
    return Destination(
        name=name,
        ae_title=peer.ae_title,
        host=peer.host,
        port=peer.port,
        calling_ae_title=settings.ae_title,
        tls=client_context(peer.tls) if peer.tls is not None and peer.tls.wanted(peer.host) else None,
        character_set=peer.character_set,
        max_pdu=settings.max_pdu_bytes,
    )
