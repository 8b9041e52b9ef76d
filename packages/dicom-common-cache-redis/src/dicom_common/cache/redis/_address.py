"""The setting `url`, taken apart. redis-py has no URL for sentinels, and takes passwords from URLs: so our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from dicom_common.core import ConfigError

__all__ = ["Address", "parse"]

_FORMS = (
    "redis://host:port/database, rediss://..., unix:///path, redis+sentinel://host:port,host:port/service/database"
    " or redis+cluster://host:port,host:port"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the server is, or the servers are."""

    form: Literal["server", "socket", "sentinel", "cluster"]
    tls: bool = False
    nodes: tuple[tuple[str, int], ...] = ()
    path: str = ""
    service: str = ""
    database: int = 0

    def __str__(self) -> str:
        return self.path or ", ".join(f"{host}:{port}" for host, port in self.nodes)


def parse(url: str) -> Address:
    """Take a URL apart.

    Raises:
        ConfigError: it is not an address; the message does not repeat it, since it may hold a password.
    """
    scheme, separator, rest = url.partition("://")
    base, _, form = scheme.partition("+")
    if not separator or (scheme != "unix" and (base not in ("redis", "rediss") or form not in _PARSERS)):
        raise ConfigError(f"url is not an address of Redis: write {_FORMS}")
    if "@" in rest:
        raise ConfigError("url must not hold a password: use the settings username and password")
    if "?" in rest or "#" in rest:
        raise ConfigError(f"url takes no options: use the other settings, and write {_FORMS}")
    if scheme == "unix":
        if not rest.startswith("/"):
            raise ConfigError("url: the path of a socket is absolute: unix:///path/of/socket")
        return Address(form="socket", path=rest)
    hosts, *parts = rest.rstrip("/").split("/")
    nodes = tuple(_node(text, 26379 if form == "sentinel" else 6379) for text in hosts.split(","))
    if not form and len(nodes) > 1:
        raise ConfigError("url names several servers: write redis+sentinel:// or redis+cluster://")
    return replace(_PARSERS[form](parts), tls=base == "rediss", nodes=nodes)


def _server(parts: list[str]) -> Address:
    if len(parts) > 1:
        raise ConfigError(f"url is not an address of Redis: write {_FORMS}")
    return Address(form="server", database=_database(parts))


def _sentinel(parts: list[str]) -> Address:
    if not parts or not parts[0] or len(parts) > 2:
        raise ConfigError("url: sentinels are asked for a service: redis+sentinel://host:port/service/database")
    return Address(form="sentinel", service=parts[0], database=_database(parts[1:]))


def _cluster(parts: list[str]) -> Address:
    if parts:
        raise ConfigError("url: a cluster has no databases: redis+cluster://host:port,host:port")
    return Address(form="cluster")


_PARSERS: dict[str, Callable[[list[str]], Address]] = {"": _server, "sentinel": _sentinel, "cluster": _cluster}
"""What stands behind the hosts, for each form."""


def _node(text: str, default: int) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or text.endswith("]"):
        host, port = text, str(default)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(f"url has no host and port where one is expected: write {_FORMS}")
    return host, int(port)


def _database(parts: list[str]) -> int:
    text = parts[0] if parts else "0"
    if not text.isdecimal():
        raise ConfigError("url: the database of Redis is a number: redis://host:port/0")
    return int(text)
