"""Servers as processes of this machine: prepared in a folder, started there, and found again by id and start time."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from dicom_common.testing.servers._known import HOST, Server

READY_SECONDS = 180
_PORTS = range(15_000, 32_000)
"""Below those that systems give to connections that go out: such a one could take a port between two uses of it."""


class AbsentError(Exception):
    """A server cannot be had here; the message says why."""


def free_port() -> int:
    """Return a port that is free now, and that nothing gets by itself."""
    for _ in range(100):
        port = secrets.choice(_PORTS)  # not of `random`: two runs of tests with one seed would meet
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Tell whether a connection is taken: all that can be seen of a server that speaks TLS only. OSError: not yet."""
    with socket.create_connection((HOST, port), timeout=1):
        return True


def start_time(pid: int) -> str | None:
    """Return when a process started; with its id, that names it, though ids are used again. None: it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        if sys.platform == "linux":
            return None
        shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return shown.stdout.strip() or None
    return None if fields[0] == "Z" else fields[19]


def make_folder(server: Server) -> Path:
    """Make a fresh folder that the server's account may write."""
    # Not below the repository: a server's own account may not be let in there, and a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix=f"dicom-common-{server.name}-"))
    hand_over(server, folder)
    return folder


def hand_over(server: Server, path: Path) -> None:
    """Give a file or a folder to the server's account, where we may."""
    if account := _account(server):
        shutil.chown(path, account)


def prepare(server: Server, folder: Path, port: int, log: IO[bytes]) -> bool:
    """Run the commands before the server's own; False: one failed, and the log says why."""
    *before, _ = server.commands(folder, port)
    return all(
        subprocess.run([str(word) for word in command], **_streams(server, folder, log), check=False).returncode == 0
        for command in before
    )


def launch(server: Server, folder: Path, port: int, log: IO[bytes], *options: str) -> subprocess.Popen[bytes]:
    """Start the server in its folder as a process group of its own; where we are root, as the server's account."""
    *_, serve = server.commands(folder, port)
    return subprocess.Popen([*map(str, serve), *options], **_streams(server, folder, log), start_new_session=True)


def wait_until_ready(server: Server, port: int, alive: Callable[[], bool]) -> bool:
    """Wait until the server takes work; False: it died, or takes too long."""
    give_up = time.monotonic() + READY_SECONDS
    while not is_ready(server, port):
        if not alive() or time.monotonic() > give_up:
            return False
        time.sleep(0.05)
    return True


def is_ready(server: Server, port: int) -> bool:
    """Ask the server whether it takes work."""
    with contextlib.suppress(OSError):
        return server.ready(port)
    return False


def _account(server: Server) -> str | None:
    return server.user if server.user and os.geteuid() == 0 else None


def _streams(server: Server, folder: Path, log: IO[bytes]) -> dict[str, Any]:
    account = _account(server)
    as_account = {"user": account, "extra_groups": []} if account else {}
    settings = os.environ | dict(setting.split("=", 1) for setting in server.environment)
    return {"cwd": folder, "env": settings, "stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **as_account}
