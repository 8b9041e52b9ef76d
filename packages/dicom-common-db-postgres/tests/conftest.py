"""Databases of the tests on the PostgreSQL server: each test has one of its own."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest
import trustme

from dicom_common.core import Secret
from dicom_common.db.postgres import PostgresDatabase, Settings
from dicom_common.testing.servers import AbsentError, Commands, PrivateServer, server_named, which

PASSWORD = "zq7f3a-password"
_RULES = """
hostssl all certified 127.0.0.1/32 cert
host all banned 127.0.0.1/32 reject
host all keyed 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
local all all trust
local replication all trust
"""


def bare(settings: Settings, **more: Any) -> psycopg.Connection[Any]:
    """Connect to the database of an index without the plugin."""
    return psycopg.connect(
        host=settings.host, port=settings.port, dbname=settings.database, user=settings.user, autocommit=True, **more
    )


@pytest.fixture(scope="module")
def server(service_finder: Callable[[str], Any]) -> Settings:
    """Where the server is: its first user in its first database."""
    endpoint = service_finder("postgres")
    return Settings(host=endpoint.host, port=endpoint.port, database="postgres", user="postgres")


def _made(server: Settings, template: str | None = None) -> Settings:
    name = f"dicom_common_{uuid.uuid4().hex[:12]}"
    with closing(bare(server)) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template or 'template0'}")
    return Settings(host=server.host, port=server.port, database=name, user=server.user)


def _drop(made: Settings, server: Settings) -> None:
    with closing(bare(server)) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {made.database} WITH (FORCE)")


@pytest.fixture(scope="module")
def template(server: Settings) -> Iterator[Settings]:
    """Make a database with the schema, which others are copied from: a fifth of the time of making the schema."""
    made = _made(server)
    PostgresDatabase(made).close()
    yield made
    _drop(made, server)


@pytest.fixture
def empty(server: Settings) -> Iterator[Settings]:
    """Make a database without tables."""
    made = _made(server)
    yield made
    _drop(made, server)


@pytest.fixture
def index(server: Settings, template: Settings) -> Iterator[Settings]:
    """Make a database with the schema and nothing in it."""
    made = _made(server, template.database)
    yield made
    _drop(made, server)


class OwnServer:
    """A server of the tests' own, with TLS and passwords, that they may stop, kill and start again."""

    def __init__(self) -> None:
        server = self._server = PrivateServer(server_named("postgres"))
        self.folder, self.port = server.folder, server.port
        self.pause, self.resume = server.pause, server.resume
        self.authority = trustme.CA()
        issued = self.authority.issue_cert("localhost")
        files = {
            "ssl_cert_file": server.put("server.pem", b"".join(part.bytes() for part in issued.cert_chain_pems)),
            "ssl_key_file": server.put("server.key", issued.private_key_pem.bytes()),
            "ssl_ca_file": server.put("ca.pem", self.authority.cert_pem.bytes()),
            "hba_file": server.put("rules", _RULES.encode()),
        }
        server.options = ("-c", "ssl=on", *(word for key, file in files.items() for word in ("-c", f"{key}={file}")))
        self.start()
        with closing(self.bare()) as connection:
            connection.execute(f"CREATE ROLE keyed LOGIN PASSWORD '{PASSWORD}'")
            for name in ("reader", "banned", "certified", "limited"):
                connection.execute(f"CREATE ROLE {name} LOGIN")
            connection.execute("ALTER ROLE limited CONNECTION LIMIT 0")

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        self._server.start()

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it: SIGINT ends its connections and stops in order, SIGQUIT is a crash."""
        self._server.stop(number)

    def remove(self) -> None:
        """Kill it, and remove its folder."""
        self._server.remove()

    def bare(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """Connect without the plugin."""
        return bare(self.settings(database=database, user="postgres"))

    def settings(self, **more: Any) -> Settings:
        """Return settings for it; a password may be given as text."""
        if "password" in more:
            more["password"] = Secret(more["password"])
        given: dict[str, Any] = {"host": "localhost", "port": self.port, "user": "postgres"} | more
        return Settings(**given)

    def made(self, *, schema: bool = True, **more: Any) -> Settings:
        """Make a database."""
        name = f"index_{uuid.uuid4().hex[:12]}"
        with closing(self.bare()) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        settings = self.settings(database=name, **more)
        if schema:
            PostgresDatabase(self.settings(database=name)).close()
        return settings


@pytest.fixture(scope="session")
def own_server(without_service: Callable[[str], NoReturn]) -> Iterator[OwnServer]:
    """Start a server of our own."""
    try:
        server = OwnServer()
    except AbsentError as error:
        without_service(str(error))
    yield server
    server.remove()


class Standby:
    """A copy of a server that follows it, and can be read only until it is promoted."""

    def __init__(self, primary: OwnServer) -> None:
        def commands(folder: Path, port: int) -> Commands:
            connection = ("-h", str(primary.folder), "-p", str(primary.port), "-U", "postgres")
            copy = (basebackup, "-D", folder / "data", *connection, "-R", "-c", "fast", "--no-sync")
            return [copy, known.commands(folder, port)[-1]]

        known, basebackup = server_named("postgres"), which("pg_basebackup") or "pg_basebackup"
        self._server = PrivateServer(replace(known, commands=commands, programs=(*known.programs, "pg_basebackup")))
        self.folder, self.port = self._server.folder, self._server.port
        self._server.start()

    def bare(self) -> psycopg.Connection[Any]:
        """Connect without the plugin."""
        return bare(Settings(host="localhost", port=self.port, user="postgres", database="postgres"))

    def promote(self) -> None:
        """Make it a primary."""
        with closing(self.bare()) as connection:
            connection.execute("SELECT pg_promote()")

    def stop(self) -> None:
        """Kill it, and remove its folder."""
        self._server.remove()


@pytest.fixture
def standby(without_service: Callable[[str], NoReturn]) -> Iterator[Callable[[OwnServer], Standby]]:
    """Start standbys, which end with the test."""
    made: list[Standby] = []

    def start(primary: OwnServer) -> Standby:
        try:
            made.append(Standby(primary))
        except AbsentError as error:
            without_service(str(error))
        return made[-1]

    yield start
    for one in made:
        one.stop()
