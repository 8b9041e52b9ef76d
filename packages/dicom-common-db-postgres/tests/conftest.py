"""Databases of the tests on the PostgreSQL server: each test has one of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme

from dicom_common.core import Secret
from dicom_common.db.postgres import PostgresDatabase, Settings
from dicom_common.testing.servers import descendants

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


def _program(name: str) -> str | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)]))


class OwnServer:
    """A server of the tests' own, with TLS and passwords, that they may stop, kill and start again."""

    def __init__(self, folder: Path) -> None:
        initdb, postgres = _program("initdb"), _program("postgres")
        assert initdb is not None
        assert postgres is not None
        self.folder, self._postgres = folder, postgres
        self._account: dict[str, Any] = {"user": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        if self._account:
            shutil.chown(folder, "postgres")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        made: list[str | Path] = [
            initdb,
            "-D",
            folder / "data",
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
        ]
        subprocess.run(made, check=True, capture_output=True, cwd=folder, **self._account)
        self.authority = trustme.CA()
        issued = self.authority.issue_cert("localhost")
        self._own("server.pem", b"".join(part.bytes() for part in issued.cert_chain_pems))
        self._own("server.key", issued.private_key_pem.bytes())
        self._own("ca.pem", self.authority.cert_pem.bytes())
        self._own("data/pg_hba.conf", _RULES.encode())
        self.start()
        with closing(self.bare()) as connection:
            connection.execute(f"CREATE ROLE keyed LOGIN PASSWORD '{PASSWORD}'")
            for name in ("reader", "banned", "certified", "limited"):
                connection.execute(f"CREATE ROLE {name} LOGIN")
            connection.execute("ALTER ROLE limited CONNECTION LIMIT 0")

    def _own(self, name: str, content: bytes) -> None:
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(0o600)
        if self._account:
            shutil.chown(path, "postgres")

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder, "fsync": "off",
            "ssl": "on", "ssl_cert_file": self.folder / "server.pem", "ssl_key_file": self.folder / "server.key",
            "ssl_ca_file": self.folder / "ca.pem",
        }  # fmt: skip
        words = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._postgres, "-D", self.folder / "data", *words], stdout=log, stderr=log, cwd=self.folder,
                **self._account,
            )  # fmt: skip
        end = time.monotonic() + 60
        while True:
            try:
                self.bare().close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < end
                time.sleep(0.05)
            else:
                return

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it: SIGINT ends its connections and stops in order, SIGQUIT is a crash."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
        self._process.wait(60)

    def pause(self) -> None:
        """Let all its processes stand still; the kernel goes on taking connections for it."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        for pid in [self._process.pid, *descendants(self._process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

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
def own_server() -> Iterator[OwnServer]:
    """Start a server of our own."""
    if _program("initdb") is None or _program("postgres") is None:
        pytest.skip("no initdb and postgres on this machine (Debian: postgresql)")
    # Not below pytest's folder, which only this user may enter; and the path of a socket must be short.
    folder = Path(tempfile.mkdtemp(prefix="dicom-common-pg-"))
    server = OwnServer(folder)
    yield server
    server.stop(signal.SIGQUIT)
    shutil.rmtree(folder, ignore_errors=True)


class Standby:
    """A copy of a server that follows it, and can be read only until it is promoted."""

    def __init__(self, primary: OwnServer, folder: Path) -> None:
        basebackup = _program("pg_basebackup")
        assert basebackup is not None
        self._primary, self.folder = primary, folder
        account = primary._account
        if account:
            shutil.chown(folder, "postgres")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        copy: list[str | Path] = [
            basebackup,
            "-D",
            folder / "data",
            "-h",
            primary.folder,
            "-p",
            str(primary.port),
            "-U",
            "postgres",
        ]
        subprocess.run(
            [*copy, "-R", "-c", "fast", "--no-sync"], check=True, capture_output=True, cwd=folder, timeout=60, **account
        )
        words = ["-c", f"port={self.port}", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [primary._postgres, "-D", folder / "data", *words, "-c", f"unix_socket_directories={folder}"],
                stdout=log, stderr=log, cwd=folder, **account,
            )  # fmt: skip
        end = time.monotonic() + 60
        while True:
            try:
                self.bare().close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < end
                time.sleep(0.05)
            else:
                return

    def bare(self) -> psycopg.Connection[Any]:
        """Connect without the plugin."""
        return bare(Settings(host="localhost", port=self.port, user="postgres", database="postgres"))

    def promote(self) -> None:
        """Make it a primary."""
        with closing(self.bare()) as connection:
            connection.execute("SELECT pg_promote()")

    def stop(self) -> None:
        """End it as a crash would."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(60)


@pytest.fixture
def standby() -> Iterator[Callable[[OwnServer], Standby]]:
    """Start standbys, which end with the test."""
    if _program("pg_basebackup") is None:
        pytest.skip("no pg_basebackup on this machine (Debian: postgresql-client)")
    made: list[Standby] = []

    def start(primary: OwnServer) -> Standby:
        made.append(Standby(primary, Path(tempfile.mkdtemp(prefix="dicom-common-pg-"))))
        return made[-1]

    yield start
    for one in made:
        one.stop()
        shutil.rmtree(one.folder, ignore_errors=True)
