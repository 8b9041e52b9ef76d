"""The table `[dimse]` of the configuration, and its peers."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, fields
from typing import Literal

from dicom_common.core import validate_tenant
from dicom_common.core.tls import Tls
from dicom_common.dicom import is_valid_uid
from dicom_common.dimse._service_settings import CommitmentSettings, FindSettings, RetrieveSettings
from dicom_common.host import ServerTls

__all__ = ["DimseSettings", "PeerSettings"]

_AE_TITLE = re.compile(r"[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?")
"""PS3.5 6.2: 1 to 16 characters of the default repertoire, without a backslash; spaces around it mean nothing."""


@dataclass(frozen=True, kw_only=True)
class PeerSettings:
    """A table `[dimse.peers.NAME]`: an application entity that may call, and a destination if it has an address."""

    ae_title: str
    """The peer's AE title: its Calling AE Title, and its Called AE Title as a destination."""
    tenant: str = ""
    """The tenant whose instances it stores, finds and retrieves; required if `allow` has an entry."""
    allow: tuple[Literal["store", "find", "retrieve"], ...] = ()
    """What it may do when it calls: `store`, `find`, `retrieve`. Nothing by default."""
    host: str = ""
    """Its address as a destination."""
    port: int = 0
    """Its port as a destination."""
    addresses: tuple[str, ...] = ()
    """The addresses and networks that it may call from, such as `10.1.2.0/24`; empty: any."""
    certificate: str = ""
    """A name that its certificate must have: it may then call only by TLS, with such a certificate."""
    called: dict[str, str] = field(default_factory=dict)
    """Further Called AE Titles that it may use for this server, each with the tenant that it selects."""
    tls: Tls | None = None
    """The table `[dimse.peers.NAME.tls]`: TLS to it as a destination; without the table, no TLS."""
    character_set: str = ""
    """The Specific Character Set (0008,0005) of C-FIND responses to it; empty: that of its query."""
    max_associations: int = 64
    """The most associations that it may have with one process at the same time."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for title in (self.ae_title, *self.called):
            _check_ae_title(title)
        for tenant in (*([self.tenant] if self.tenant else []), *self.called.values()):
            validate_tenant(tenant)
        if self.allow and not self.tenant and not self.called:
            raise ValueError(f"the peer {self.ae_title} may {self.allow[0]}, so it needs a tenant: set tenant")
        if not 0 <= self.port <= 65535:
            raise ValueError("port has to be from 0 to 65535")
        if self.port and not self.host:
            raise ValueError(f"the peer {self.ae_title} has a port and no host: set host to its address")
        for address in self.addresses:
            try:
                ipaddress.ip_network(address)
            except ValueError:
                raise ValueError(
                    f"{address!r} of addresses is not an address or a network: write one such as 10.1.2.0/24"
                ) from None
        if self.max_associations < 1:
            raise ValueError("max_associations has to be at least 1")


@dataclass(frozen=True, kw_only=True)
class DimseSettings:
    """Where associations are accepted, from which peers, and the limits on what they send."""

    ae_title: str = "DICOMCOMMON"
    """The AE title of this server."""
    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = 11112
    """The port to listen on; 0: any free one."""
    workers: int = 1
    """Processes that share the port."""
    metrics_port: int = 0
    """The port on the loopback address where Prometheus reads metrics; 0: no metrics."""
    peers: dict[str, PeerSettings] = field(default_factory=dict)
    """The tables `[dimse.peers.NAME]`: the peers that may call, and the destinations of instances."""
    tls: ServerTls | None = None
    """The table `[dimse.tls]`: TLS, and client certificates."""
    find: FindSettings = field(default_factory=FindSettings)
    """The table `[dimse.find]`: limits of C-FIND."""
    retrieve: RetrieveSettings = field(default_factory=RetrieveSettings)
    """The table `[dimse.retrieve]`: limits of C-MOVE and C-GET."""
    commitment: CommitmentSettings = field(default_factory=CommitmentSettings)
    """The table `[dimse.commitment]`: reports of storage commitment."""
    sop_classes: tuple[str, ...] = ()
    """UIDs of SOP classes to store in addition to those of the standard, such as private ones."""
    transfer_syntaxes: tuple[str, ...] = ()
    """UIDs of transfer syntaxes to accept in addition to those of the standard, such as private ones."""
    any_sop_class: bool = False
    """Whether any unknown abstract syntax is accepted as a storage SOP class."""
    any_transfer_syntax: bool = False
    """Whether instances are accepted in any transfer syntax."""
    max_pdu_bytes: int = 131_072
    """The Maximum Length Received (PS3.8 D.1) that peers get; a longer PDU aborts its association."""
    max_associations: int = 256
    """The most associations of a process at the same time; further ones are rejected."""
    max_connections: int = 1024
    """The most open connections of a process; to accept another, it closes the one that was silent longest."""
    max_identifier_bytes: int = 1_048_576
    """The largest data set of a request other than C-STORE."""
    associate_seconds: float = 10.0
    """Seconds that a peer has to request an association, and to close the connection after its end (ARTIM)."""
    receive_seconds: float = 60.0
    """Seconds that a peer may take for each PDU of a message after the message has begun."""
    idle_seconds: float = 600.0
    """Seconds after which an association without a request is aborted."""
    send_seconds: float = 60.0
    """Seconds that a peer may go without reading data that is sent to it."""
    shutdown_seconds: float = 30.0
    """Seconds that current requests have to finish when the server stops."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        _check_ae_title(self.ae_title)
        if not (0 <= self.port <= 65535 and 0 <= self.metrics_port <= 65535):
            raise ValueError("port and metrics_port have to be from 0 to 65535")
        for uid in (*self.sop_classes, *self.transfer_syntaxes):
            if not is_valid_uid(uid):
                raise ValueError(f"{uid!r} of sop_classes or transfer_syntaxes is not a UID")
        if not 4096 <= self.max_pdu_bytes <= 16_777_216:
            raise ValueError("max_pdu_bytes has to be from 4096 to 16777216")
        for name, peer in self.peers.items():
            if peer.certificate and (self.tls is None or self.tls.client_ca is None):
                raise ValueError(f"the peer {name} has a certificate: name its authority as dimse.tls.client_ca")
        for setting in fields(self):
            value = getattr(self, setting.name)
            if setting.name not in ("port", "metrics_port") and type(value) is int and value < 1:
                raise ValueError(f"{setting.name} has to be at least 1")
            if type(value) is float and not 0 < value < float("inf"):
                raise ValueError(f"{setting.name} has to be a number of seconds above 0")


def _check_ae_title(title: str) -> None:
    if _AE_TITLE.fullmatch(title) is None:
        raise ValueError(f"{title!r} is not an AE title: 1 to 16 ASCII characters without a backslash (PS3.5 6.2)")
