"""The settings of the cache, and the one place where they are checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from dicom_common.cache.redis._address import Address, parse
from dicom_common.core import ConfigError, Limits, Secret
from dicom_common.core.tls import Tls

__all__ = ["Settings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The keys of `[cache]` in the configuration.

    Raises:
        ConfigError: an address or a limit cannot be right.
    """

    url: str = "redis://127.0.0.1:6379/0"
    """`redis://host:port/database`, `unix:///path/of/socket`, `redis+sentinel://host:port,host:port/service/database`
    or `redis+cluster://host:port,host:port`; with `rediss` in place of `redis` the connections use TLS."""
    username: str | None = None
    """The user of an access control list; without it the default user."""
    password: Secret = Secret("")
    """Its password; never in the URL."""
    sentinel_username: str | None = None
    """The user that the sentinels themselves ask for."""
    sentinel_password: Secret = Secret("")
    """The password that the sentinels themselves ask for."""
    tls: Tls = field(default_factory=Tls)
    """`ca`, `certificate` and `key`, as PEM; `mode = "off"` allows `redis://` to another machine."""
    prefix: str = "dicom-common:"
    """Begins every key, so that several installations can share a server."""
    connect_timeout: Annotated[float, Limits(above=0, most=60)] = 1.0
    """Seconds that a connection may take to be made."""
    timeout: Annotated[float, Limits(above=0, most=60)] = 0.5
    """Seconds that an answer may take."""
    pool_size: Annotated[int, Limits(1)] = 32
    """Connections at most, to each server; a caller waits `timeout` seconds for a free one."""
    max_value_bytes: Annotated[int, Limits(1)] = 4 << 20
    """A larger value is not kept."""
    failures: Annotated[int, Limits(1)] = 3
    """After this many failures in a row the server is not asked for `pause` seconds."""
    pause: Annotated[float, Limits(above=0, most=60)] = 5.0
    """Seconds for which callers get `UnavailableError` at once, without a request."""

    def __post_init__(self) -> None:
        """Refuse what could not work."""
        address = self.address
        for host, _ in address.nodes:
            if address.tls is False and self.tls.wanted(host):
                raise ConfigError(
                    f"url: the connection to {host} would not be encrypted; write rediss in place of redis, or say"
                    ' tls.mode = "off" if the network is trusted'
                )
        if not self.prefix.isascii() or not self.prefix.isprintable() or " " in self.prefix or len(self.prefix) > 250:
            raise ConfigError("prefix has at most 250 printable ASCII characters and no space")

    @property
    def address(self) -> Address:
        """Where the server is, or the servers are."""
        return parse(self.url)
