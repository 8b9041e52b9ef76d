"""The socket that is listened on, and how clients reach it."""

from __future__ import annotations

import errno
import ipaddress
import socket

from dicom_common.core import ConfigError
from dicom_common.web._settings import WebSettings

__all__ = ["listen", "url_of"]

_BACKLOG = 1024


def listen(settings: WebSettings) -> socket.socket:
    """Bind a socket and listen on it: who connects from now on waits for the server, and is not refused.

    Raises:
        ConfigError: that is not possible; the message says what to change.
    """
    host, port = settings.host.removeprefix("[").removesuffix("]"), settings.port
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError):
        raise ConfigError(
            f"web.host {host!r} is not an address of this machine: give one, such as 127.0.0.1."
        ) from None
    # asyncio sends small pieces at once (TCP_NODELAY) only where the socket names its protocol: 40 ms a request.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # On `::` too: what is not IPv6 is bound on purpose, or not at all.
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise ConfigError(_why(error, host, port)) from error
    listening.setblocking(False)
    return listening


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use: end the program that listens there, or choose another with --port."
    if error.errno == errno.EACCES:
        return f"Port {port} needs privileges that this user does not have: choose one from 1024 on with --port."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"web.host {host} is not an address of this machine: choose one of its own with --host."
    return (
        f"The server cannot listen on port {port} of {host} ({error.strerror}): choose others with --host and --port."
    )


def url_of(settings: WebSettings, listening: socket.socket) -> tuple[str, bool]:
    """Return the URL of the site's root, with the port that is really listened on, and whether others can use it.

    `0.0.0.0` and `::` are no addresses of a server: there, links follow the request.
    """
    host = settings.host.removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        shown, usable = host, bool(host)
    else:
        shown, usable = f"[{host}]" if address.version == 6 else host, not address.is_unspecified
    scheme = "https" if settings.tls is not None else "http"
    port = listening.getsockname()[1]
    default = {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{shown}" + (f":{port}" if port != default else ""), usable
