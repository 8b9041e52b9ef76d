"""Redis servers that tests start, stop and kill themselves."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAM = shutil.which("redis-server")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """A server of the test's own, with any options."""

    def __init__(self, folder: Path, *options: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self._folder = folder
        self._options = options
        self.start()

    def start(self) -> None:
        assert PROGRAM is not None
        words = [PROGRAM, *self._options]
        if "--port" not in self._options:
            words += ["--port", str(self.port)]
        if "--sentinel" not in self._options:
            words += ["--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [*words, "--bind", "127.0.0.1", "--dir", str(self._folder)], stdout=subprocess.DEVNULL
        )
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self._process.poll() is None, "redis-server does not start"
                time.sleep(0.02)
            else:
                return
        raise AssertionError("redis-server does not listen")

    def pause(self) -> None:
        """Stop the process; the kernel goes on taking connections for it."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def start_redis(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Start servers that are killed when the test ends."""
    if PROGRAM is None:
        pytest.skip("no redis-server on this machine (Debian: redis-server)")
    servers: list[RedisServer] = []

    def start(*options: str, port: int | None = None) -> RedisServer:
        folder = tmp_path / f"redis-{len(servers)}"
        folder.mkdir()
        server = RedisServer(folder, *options, port=port)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def free() -> int:
    """Give a port that nobody listens on."""
    return free_port()
