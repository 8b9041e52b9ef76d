"""The table `[web]` of the configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from dicom_common.crypto import SigningKey
from dicom_common.host import ServerTls, TlsClient

__all__ = ["LinkSettings", "WebSettings"]

_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_ORIGIN = re.compile(r"https?://[^/\s*]+")


@dataclass(frozen=True, kw_only=True)
class LinkSettings:
    """Signed links, for viewers that cannot send tokens."""

    keys: tuple[SigningKey, ...] = ()
    """The tables `[[web.links.keys]]`: `id`, `key` (32 random bytes in base64) and `active`; one of them signs."""
    seconds: int = 3600
    """Seconds until a link expires, unless the command sets them: 1 to 604800."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not 1 <= self.seconds <= 604_800:
            raise ValueError("seconds has to be from 1 to 604800")
        if not self.keys:
            raise ValueError("links needs a key: add [[web.links.keys]] with id, key and active = true")


@dataclass(frozen=True, kw_only=True)
class WebSettings:
    """Where the server listens, and its limits."""

    host: str = "127.0.0.1"
    """The address to listen on. Without an authenticator only loopback is allowed."""
    port: int = 8042
    """The port to listen on; 0: any free one."""
    workers: int = 1
    """Processes that share the port."""
    beside: tuple[str, ...] = ()
    """Names of further servers that `serve` runs in its own process, such as `dimse`."""
    root: str = "/dicom-web"
    """The path of the DICOMweb service root."""
    uri_path: str = "/wado"
    """The path of WADO-URI."""
    page: bool = True
    """Whether `/` serves the page that lists and shows studies."""
    viewer: Path | None = None
    """A folder with the OHIF viewer (`dist` of the npm package `@ohif/app`), which is then served below `/ohif`."""
    tls: ServerTls | None = None
    """The table `[web.tls]`: HTTPS, and client certificates."""
    clients: tuple[TlsClient, ...] = ()
    """The tables `[[web.clients]]`: clients that authenticate with a certificate."""
    links: LinkSettings | None = None
    """The table `[web.links]`: signed links that show one study without a token, until they expire."""
    cors_origins: tuple[str, ...] = ()
    """The origins, such as `https://viewer.example`, whose pages may use the service from a browser."""
    stores: int = 16
    """How many store requests are processed at the same time; further ones wait."""
    searches: int = 8
    """How many searches and metadata requests are processed at the same time."""
    retrieves: int = 16
    """How many responses with objects, frames or bulk data are sent at the same time."""
    waiting: int = 256
    """How many requests of each of these three kinds may wait; further ones get 503."""
    max_request_bytes: int = 68_719_476_736
    """The largest body of a request: 64 GiB."""
    max_parts: int = 10_000
    """The largest number of parts in a store request."""
    max_results: int = 5000
    """The largest number of results in one search response; `offset` pages through the rest."""
    max_offset: int = 1_000_000
    """The largest `offset` of a search."""
    max_connections: int = 1000
    """The most open connections of a process; further ones get 503."""
    max_head_bytes: int = 32_768
    """The largest request line and headers of a request together."""
    head_seconds: float = 10.0
    """Seconds that a client may take for the request line and the headers of a request."""
    keep_alive_seconds: float = 15.0
    """Seconds for which a connection without a request stays open."""
    receive_seconds: float = 60.0
    """Seconds for which the server waits for the next bytes of a request."""
    min_rate: int = 1024
    """The lowest average speed of a request body, in bytes per second, once `receive_seconds` are over."""
    send_seconds: float = 120.0
    """Seconds that a client may take to read the next MiB of a response."""
    shutdown_seconds: float = 30.0
    """Seconds that current requests have to finish when the server stops."""
    no_matches: Literal["200", "204"] = "200"
    """The status of a search without a match: 200 with an empty array, or 204 (PS3.18 8.3.4.4.1)."""
    keep_preamble: bool = False
    """Whether retrieved files keep their File Preamble, the 128 bytes before `DICM`. It can carry a program
    (PS3.10 7.5), so by default it is replaced by zeros; the stored object keeps it."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not 0 <= self.port <= 65535:
            raise ValueError("port has to be from 0 to 65535")
        for name in ("root", "uri_path"):
            if _PATH.fullmatch(getattr(self, name)) is None:
                raise ValueError(f"{name} has to be a path such as /dicom-web, without a slash at its end")
        if self.root == self.uri_path:
            raise ValueError("root and uri_path have to be different paths")
        for origin in self.cors_origins:
            if _ORIGIN.fullmatch(origin) is None:
                raise ValueError("an entry of cors_origins has to be scheme, host and port, such as https://a.example")
        if self.clients and (self.tls is None or self.tls.client_ca is None):
            raise ValueError("clients needs web.tls.client_ca: name the authority of their certificates")
        self._refuse_limits()

    def _refuse_limits(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "port" and type(value) is int and value < 1:
                raise ValueError(f"{field.name} has to be at least 1")
            if type(value) is float and not 0 < value < float("inf"):
                raise ValueError(f"{field.name} has to be a number of seconds above 0")
