"""Whom we call: the address of an application entity, and how long it may take."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from dicom_common.core import ConfigError, did_you_mean
from dicom_common.core.tls import client_context
from dicom_common.dimse._settings import DimseSettings

if TYPE_CHECKING:
    import ssl

__all__ = ["Destination", "destination_of"]

_AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}")
"""PS3.5 6.2: no backslash, no control character."""


@dataclass(frozen=True, kw_only=True)
class Destination:
    """An application entity that is called (PS3.8 9.3.2). Pure data.

    Raises:
        ValueError: an AE title, the port or a time limit cannot be one.
    """

    name: str
    """What we call it, in messages: the NAME of its table `[dimse.peers.NAME]`."""
    ae_title: str
    """Its AE title."""
    host: str
    port: int
    calling_ae_title: str
    """Our AE title, under which it knows us."""
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """The context for a connection by TLS; None: no TLS."""
    character_set: str = ""
    """The defined term (PS3.3 C.12.1.1.2) in which it is asked for text that is not ASCII; empty: UTF-8."""
    connect_seconds: float = 10.0
    """How long the connection may take."""
    association_seconds: float = 30.0
    """How long the answer to the association request may take."""
    response_seconds: float = 120.0
    """How long a response may take, and the acceptance of what is sent: a peer may work on an instance that long."""
    max_pdu: int = 131_072
    """The largest PDU that we receive, in bytes (PS3.8 D.1)."""

    def __post_init__(self) -> None:
        """Refuse what cannot be called."""
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
    """Return a peer of the configuration as a destination.

    Args:
        settings: the table `[dimse]`.
        name: NAME of `[dimse.peers.NAME]`.

    Raises:
        ConfigError: there is no such peer, it has no address, or a file of its TLS cannot be used.
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
