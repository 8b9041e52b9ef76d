"""Servers that are not there, and servers that do not answer."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from dicom_common.testing._services import Endpoint

__all__ = ["AwayServer", "away"]


class AwayServer(StrEnum):
    """How a server can be away."""

    REFUSING = "refusing connections"
    SILENT = "silent"


@contextmanager
def away(how: AwayServer) -> Iterator[Endpoint]:
    """Hold a port of loopback that refuses connections, or takes them and never says a word."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # held without listening, so that no other program gets the port
        if how is AwayServer.SILENT:
            held.listen(64)
        yield Endpoint(*held.getsockname())
