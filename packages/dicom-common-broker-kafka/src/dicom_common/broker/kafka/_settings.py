"""The settings of the broker, and the one place where they are checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from dicom_common.core import ConfigError, Limits, Secret
from dicom_common.core.tls import Tls, is_local

__all__ = ["Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The keys of `[broker]` in the configuration.

    Raises:
        ConfigError: an address or a limit cannot be right.
    """

    servers: tuple[str, ...] = ("127.0.0.1:9092",)
    """`host:port` of some brokers of the cluster; the others are learnt from them."""
    username: str | None = None
    """The user for SASL; without it no SASL."""
    password: Secret = Secret("")
    """Its password."""
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    """How the password is shown to the broker; PLAIN only over TLS, or on this machine."""
    tls: Tls = field(default_factory=Tls)
    """`mode` (`auto`: TLS towards every other machine; `on`; `off`), `ca`, `certificate` and `key`, as PEM."""
    client_id: str = "dicom-common"
    """What the broker's logs and quotas call this client."""
    compression: Literal["none", "gzip", "lz4", "snappy", "zstd"] = "none"
    """How batches are compressed; all but gzip need a package of their own, see the README."""
    linger_ms: Annotated[int, Limits(0)] = 5
    """Milliseconds for which a message waits for others, to be sent with them."""
    batch_bytes: Annotated[int, Limits(1)] = 131_072
    """Bytes of the largest batch of messages."""
    max_message_bytes: Annotated[int, Limits(1)] = 1_048_576
    """Bytes of the largest message; the broker's own limit (message.max.bytes) has to be as large."""
    timeout: Annotated[float, Limits(above=0, most=3600)] = 30.0
    """Seconds after which a publish that the broker has not confirmed has failed, and for any other request."""
    connect_timeout: Annotated[float, Limits(above=0, most=3600)] = 10.0
    """Seconds in which some broker has to be reached."""
    create_topics: bool = True
    """Whether a topic that is missing is made when it is first used; else only by `dicom-common init`."""
    partitions: Annotated[int, Limits(1)] = 12
    """Partitions of a topic that is made: so many workers can share it."""
    replicas: Annotated[int, Limits(-1)] = -1
    """Copies of each partition of a topic that is made; -1: the broker's default."""
    session_timeout: Annotated[float, Limits(above=0, most=3600)] = 30.0
    """Seconds after which a worker that died is noticed and its work goes to others."""
    max_poll_interval: Annotated[float, Limits(above=0, most=3600)] = 300.0
    """Seconds that a worker may take for what it received; after that its work goes to others."""

    def __post_init__(self) -> None:
        """Refuse what could not work."""
        if not self.servers:
            raise ConfigError("servers is empty: name at least one broker, as host:port")
        if len({self.tls.wanted(host) for host in self.hosts}) > 1:
            raise ConfigError('servers: some are this machine and some are not: say tls.mode = "on" or "off"')
        if self.username and self.mechanism == "PLAIN" and not self.encrypted and not all(map(is_local, self.hosts)):
            raise ConfigError("mechanism is PLAIN, which shows the password to the network: use TLS, or SCRAM-SHA-512")
        if self.username is not None and not self.password:
            raise ConfigError("username is set and password is not: set both, or neither")
        if self.replicas == 0:
            raise ConfigError("replicas is 1 or more, or -1 for the broker's default")

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of the servers.

        Raises:
            ConfigError: one is not `host:port`.
        """
        hosts = []
        for server in self.servers:
            host, _, port = server.rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 65536:
                raise ConfigError("servers: each has to be host:port")
            hosts.append(host.strip("[]"))
        return tuple(hosts)

    @property
    def encrypted(self) -> bool:
        """Whether the connections use TLS."""
        return self.tls.wanted(self.hosts[0])
