"""The settings of the cache, and the one place where they are checked."""

from __future__ import annotations

from dataclasses import dataclass, field

from dicom_common.cache.redis._address import Address, parse
from dicom_common.core import ConfigError, Secret
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
    sentinel_username: str | None = None
    sentinel_password: Secret = Secret("")
    """What the sentinels themselves ask for."""
    tls: Tls = field(default_factory=Tls)
    prefix: str = "dicom-common:"
    """Begins every key, so that several installations can share a server."""
    connect_timeout: float = 1.0
    """Seconds that a connection may take to be made."""
    timeout: float = 0.5
    """Seconds that an answer may take."""
    pool_size: int = 32
    """Connections at most, to each server; a caller waits `timeout` seconds for a free one."""
    max_value_bytes: int = 4 << 20
    """A larger value is not kept."""
    failures: int = 3
    """So many failures in a row, and the server is left alone for a while."""
    pause: float = 5.0
    """Seconds for which it is left alone: callers are told so at once."""

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
        for name in ("connect_timeout", "timeout", "pause"):
            if not 0 < getattr(self, name) <= 60:
                raise ConfigError(f"{name} is {getattr(self, name):g}: give seconds above 0, up to 60")
        for name in ("pool_size", "max_value_bytes", "failures"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}: give 1 or more")

    @property
    def address(self) -> Address:
        """Where the server is, or the servers are."""
        return parse(self.url)
