"""The real servers that tests can run against: one `Server` each, and how to start it. Add yours to `SERVERS`.

All listen on loopback, without a password, and do not wait for the disk: they hold nothing that anyone needs.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
Commands = Sequence[Sequence[str | Path]]


@dataclass(frozen=True, kw_only=True)
class Server:
    """How a server is found, started and asked whether it is ready.

    Its endpoint, `host:port`, is exported as `DICOM_COMMON_TEST_<NAME>`.
    """

    name: str
    programs: tuple[str, ...]
    """The local programs that are needed."""
    package: str
    """The Debian packages that have them."""
    commands: Callable[[Path, int], Commands]
    """From a fresh folder and a free port to commands: the last one is the server, those before it prepare."""
    ready: Callable[[int], bool]
    """Asks, in the server's own protocol, whether it takes work. It may raise OSError: not yet."""
    user: str | None = None
    """The account for a server that refuses to run as root."""
    image: str | None = None
    """The container image, where a docker engine answers; preferred, because its version is known."""
    image_port: int = 0
    image_environment: tuple[str, ...] = ()
    image_arguments: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """The variable by which tests find the server."""
        return f"DICOM_COMMON_TEST_{self.name.upper().replace('-', '_')}"

    def missing(self) -> str | None:
        """Return why the server cannot be started as a local program, or None."""
        absent = [program for program in self.programs if which(program) is None]
        if absent:
            return f"no {absent[0]} on this machine (Debian: apt-get install {self.package}), and no docker engine"
        return None


def which(program: str) -> str | None:
    """Find a program on PATH, or where Debian puts servers."""
    postgresql = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name, reverse=True)
    folders = [os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", *map(str, postgresql)]
    return shutil.which(program, path=os.pathsep.join(folders))


def _program(name: str) -> str:
    found = which(name)
    if found is None:
        raise FileNotFoundError(name)
    return found


def _exchange(port: int, request: bytes, expected: int) -> bytes:
    """Send a request on a new connection and return the first `expected` bytes of the answer."""
    with socket.create_connection((HOST, port), timeout=1) as connection:
        connection.sendall(request)
        answer = b""
        while len(answer) < expected and (part := connection.recv(expected - len(answer))):
            answer += part
    return answer


def _redis_commands(folder: Path, port: int) -> Commands:
    words = f"--port {port} --bind {HOST} --save --appendonly no --dir".split()
    return [[_program("redis-server"), *words, folder]]


def _postgres_commands(folder: Path, port: int) -> Commands:
    data = folder / "data"
    settings = {"port": port, "listen_addresses": HOST, "unix_socket_directories": folder, "fsync": "off"}
    options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    return [
        [_program("initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync"],
        [_program("postgres"), "-D", data, *options],
    ]


def _postgres_ready(port: int) -> bool:
    # StartupMessage of protocol 3.0; `R` is AuthenticationOk, `E` says that it is still starting.
    body = struct.pack("!i", 3 << 16) + b"user\0postgres\0database\0postgres\0\0"
    return _exchange(port, struct.pack("!i", len(body) + 4) + body, 1) == b"R"


def _mysql_commands(folder: Path, port: int) -> Commands:
    data = f"--datadir={folder / 'data'}"
    # 2, not 0: what is committed has left the process, so that tests may kill the server and find everything again.
    # Only a crash of the machine would lose it. (An operator's server needs 1.)
    install = ["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]
    serve = f"--no-defaults --bind-address={HOST} --port={port} --innodb-flush-log-at-trx-commit=2".split()
    files = (f"--socket={folder / 's.sock'}", f"--pid-file={folder / 'pid'}")
    return [[_program("mariadb-install-db"), *install, data], [_program("mariadbd"), *serve, data, *files]]


SERVERS: tuple[Server, ...] = (
    Server(
        name="redis",
        programs=("redis-server",),
        package="redis-server",
        commands=_redis_commands,
        ready=lambda port: _exchange(port, b"PING\r\n", 5) == b"+PONG",
        image="redis:7",
        image_port=6379,
    ),
    Server(
        name="postgres",  # user postgres, database postgres
        programs=("initdb", "postgres"),
        package="postgresql",
        commands=_postgres_commands,
        ready=_postgres_ready,
        user="postgres",
        image="postgres:16",
        image_port=5432,
        image_environment=("POSTGRES_HOST_AUTH_METHOD=trust",),
    ),
    Server(
        name="mysql",  # user root, database mysql
        programs=("mariadb-install-db", "mariadbd"),
        package="mariadb-server",
        commands=_mysql_commands,
        ready=lambda port: _exchange(port, b"", 5)[4:] == b"\n",  # the greeting of protocol 10
        user="mysql",
        image="mariadb:11",
        image_port=3306,
        image_environment=("MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1",),
    ),
)
