"""A server of the tests' own, which they may kill, restart and set as they like."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import MySQLdb
import pytest

HOST = "127.0.0.1"
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


class PrivateServer:
    """A MariaDB server with a folder and a port of its own. Its user is root, without a password."""

    def __init__(self, folder: Path, install: str, serve: str) -> None:
        self.folder, self._serve = folder, serve
        self._account = ["--user=mysql"] if os.geteuid() == 0 else []
        self._data = f"--datadir={folder / 'data'}"
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port = int(probe.getsockname()[1])
        words = ["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run(
            [install, *words, *self._account, self._data], check=True, stdout=subprocess.DEVNULL, timeout=120
        )

    def start(self, *options: str) -> None:
        """Start it, and wait until it takes connections."""
        self._options = options
        command = [self._serve, "--no-defaults", *self._account, self._data, f"--port={self.port}"]
        command += [
            f"--bind-address={HOST},127.0.0.2",
            f"--socket={self.folder / 's'}",
            "--innodb-buffer-pool-size=16M",
        ]
        command += ["--innodb-flush-log-at-trx-commit=2", *options]  # 2: what is committed survives the process
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        give_up = time.monotonic() + 60
        while True:
            try:
                self.connect().close()
            except MySQLdb.OperationalError:
                assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
                assert time.monotonic() < give_up
                time.sleep(0.05)
            else:
                return

    def restart(self) -> None:
        """Start it as it was."""
        self.start(*self._options)

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
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None


@pytest.fixture(scope="session")
def installed() -> Iterator[PrivateServer]:
    found = [shutil.which(program, path=_PATH) for program in ("mariadb-install-db", "mariadbd")]
    if None in found:
        pytest.skip("no mariadbd on this machine that the tests may kill (Debian: apt-get install mariadb-server)")
    folder = Path(tempfile.mkdtemp(prefix="dicom-common-mysql-"))  # short, and open to the server's account
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "mysql")
        server = PrivateServer(folder, *map(str, found))
        yield server
        server.stop(signal.SIGKILL)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def private_server(installed: PrivateServer) -> Iterator[Callable[..., PrivateServer]]:
    """Start the server with the options that a test wants, and an empty database `dicom_common`."""

    def start(*options: str) -> PrivateServer:
        installed.start(*options)
        installed.run("DROP DATABASE IF EXISTS dicom_common", "CREATE DATABASE dicom_common")
        return installed

    yield start
    installed.stop()
