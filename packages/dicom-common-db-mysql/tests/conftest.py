"""A server of the tests' own, which they may kill, restart and set as they like."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import MySQLdb
import pytest

from dicom_common.testing.servers import HOST, AbsentError, PrivateServer, server_named

_SETTINGS = (f"--bind-address={HOST},127.0.0.2", "--innodb-buffer-pool-size=16M")


class OwnServer:
    """A MariaDB server with a folder and a port of its own. Its user is root, without a password."""

    def __init__(self) -> None:
        self._server = PrivateServer(server_named("mysql"))
        self.folder, self.port = self._server.folder, self._server.port
        self.restart, self.remove = self._server.start, self._server.remove

    def start(self, *options: str) -> None:
        """Start it, and wait until it takes connections."""
        self._server.options = (*_SETTINGS, *options)
        self._server.start()

    def put(self, name: str, content: bytes) -> Path:
        """Write a file that its account may read."""
        return self._server.put(name, content)

    def connect(self) -> MySQLdb.Connection:
        """Connect as root."""
        return MySQLdb.connect(host=HOST, port=self.port, user="root", autocommit=True, connect_timeout=10)

    def run(self, *statements: str) -> None:
        """Run statements as root."""
        with self.connect() as connection:
            for statement in statements:
                connection.query(statement)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it: asked to, or killed."""
        self._server.stop(number)


@pytest.fixture(scope="session")
def installed(without_service: Callable[[str], NoReturn]) -> Iterator[OwnServer]:
    """Make the folder of a server, for which a test may put files there."""
    try:
        server = OwnServer()
    except AbsentError as error:
        without_service(str(error))
    yield server
    server.remove()


@pytest.fixture
def private_server(installed: OwnServer) -> Iterator[Callable[..., OwnServer]]:
    """Start the server with the options that a test wants, and an empty database `dicom_common`."""

    def start(*options: str) -> OwnServer:
        installed.start(*options)
        installed.run("DROP DATABASE IF EXISTS dicom_common", "CREATE DATABASE dicom_common")
        return installed

    yield start
    installed.stop()
