"""The socket that a server listens on."""

from __future__ import annotations

import errno
import socket

from dicom_common.core import ConfigError

__all__ = ["listen"]

_BACKLOG = 1024


def listen(host: str, port: int, *, table: str) -> socket.socket:
    """Bind a socket and listen on it: who connects from now on waits for the server, and is not refused.

    Args:
        host: an address of this machine, or a name of it.
        port: 0: any free one.
        table: the table of the configuration that they are from, for messages.

    Raises:
        ConfigError: that is not possible; the message says what to change.
    """
    host = host.removeprefix("[").removesuffix("]")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError):
        raise ConfigError(
            f"{table}.host {host!r} is not an address of this machine: give one, such as 127.0.0.1."
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
        raise ConfigError(_why(error, host, port, table)) from error
    listening.setblocking(False)
    return listening


def _why(error: OSError, host: str, port: int, table: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use: end the program that listens there, or set another {table}.port."
    if error.errno == errno.EACCES:
        return f"Port {port} needs privileges that this user does not have: set {table}.port to one from 1024 on."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{table}.host {host} is not an address of this machine: set it to one of its own."
    return (
        f"The server cannot listen on port {port} of {host} ({error.strerror}): set others as {table}.host and"
        f" {table}.port."
    )
